/**
 * The bearer token: kept in memory, renewed at 80 % of its life or after a 401, by one tab at a time.
 *
 * Never in storage, never in a URL. Where the gateway gives no token, a person signs in: at the gateway's identity
 * provider, or with a token that they paste. All tabs hear of it.
 */

import { Problem, problemOf, unreachable } from "./problems";
import type { components } from "./schema";

export interface Token {
  readonly value: string;
  /** When it was fetched and when it ends, in ms of `now`. */
  readonly from: number;
  readonly until: number;
}

export type SignIn = "signed-in" | "signed-out";
export type Guest = components["schemas"]["GuestToken"];
export type SignInConfig = components["schemas"]["SignInConfig"];

/** Tells the other tabs that a person signed in or out in this one. */
export interface OtherTabs {
  postMessage(state: SignIn): void;
  onmessage: ((event: MessageEvent<SignIn>) => void) | null;
}

const LOCK = "retake-token";
const AUTH = "/api/v1/auth";
const RENEW_AT = 0.8;

export class Tokens {
  private token: Token | null = null;
  private renewing: Promise<Token> | null = null;
  /** The token of a share link: whoever has it is a guest, and no person. */
  private share: string | null = null;
  /** Why nobody is signed in: until somebody is, no call asks the gateway again. */
  private refused: Problem | null = null;

  constructor(
    private readonly fetch: typeof globalThis.fetch = globalThis.fetch.bind(globalThis),
    private readonly now: () => number = Date.now,
    private readonly onSignIn: (state: SignIn) => void = () => {},
    private otherTabs: OtherTabs | null = null,
  ) {
    if (otherTabs) {
      otherTabs.onmessage = ({ data }) => {
        if (this.share !== null) return;
        if (data === "signed-out") this.forget(signedOut());
        else if (this.refused) void this.retry();
      };
    }
  }

  /** A token that a person pasted; it lives as long as the gateway takes it. */
  paste(value: string): void {
    this.hold({ value, from: this.now(), until: Number.POSITIVE_INFINITY });
  }

  /** Opens a share link; from now on all calls are its guest's. Raises Problem. */
  async openShare(token: string): Promise<Guest> {
    const from = this.now();
    this.share = token;
    const guest = await this.guest(token);
    this.otherTabs = null;
    this.hold({ value: guest.access_token, from, until: from + guest.expires_in * 1000 });
    return guest;
  }

  /** How a person signs in at this gateway. Raises Problem. */
  async config(): Promise<SignInConfig> {
    const response = await this.ask("GET", "config");
    if (!response.ok) throw await problemOf(response);
    return (await response.json()) as SignInConfig;
  }

  /** Asks once more whether somebody is signed in, as after signing in elsewhere. Tells whether somebody is. */
  async retry(): Promise<boolean> {
    this.refused = null;
    try {
      await this.renew();
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Signs out here and in all tabs. Answers with the page at which the identity provider signs out, too, if there is
   * one. Raises Problem: the gateway could not be reached, and the browser is still signed in.
   */
  async signOut(): Promise<string | null> {
    const response = await this.ask("DELETE", "session", this.token?.value);
    if (!response.ok && response.status !== 401) throw await problemOf(response);
    this.forget(signedOut());
    this.otherTabs?.postMessage("signed-out");
    if (response.status !== 200) return null;
    return ((await response.json()) as components["schemas"]["SignedOut"]).end_session_url;
  }

  /** Sends a request with the token; after a 401 once again with a new one. Raises Problem if nobody answers. */
  async send(request: Request, fetch: typeof globalThis.fetch = this.fetch): Promise<Response> {
    const again = request.clone();
    const response = await this.sendWith(await this.get(), request, fetch);
    if (response.status !== 401) return response;
    return this.sendWith(await this.renew(), again, fetch);
  }

  async get(): Promise<string> {
    if (this.refused) throw this.refused;
    const token = this.token;
    if (token === null) return this.renew();
    const due = token.from + (token.until - token.from) * RENEW_AT;
    if (this.now() >= token.until) return this.renew();
    if (this.now() >= due) void this.renew().catch(() => {}); // the old one still holds
    return token.value;
  }

  private async sendWith(token: string, request: Request, fetch: typeof globalThis.fetch): Promise<Response> {
    request.headers.set("Authorization", `Bearer ${token}`);
    try {
      return await fetch(request);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw unreachable();
    }
  }

  private async renew(): Promise<string> {
    const share = this.share;
    this.renewing ??= (share === null ? this.locked(() => this.request()) : this.renewedGuest(share)).finally(
      () => {
        this.renewing = null;
      },
    );
    const token = await this.renewing;
    if (this.refused) throw this.refused; // signed out meanwhile
    if (this.token?.value !== token.value) this.hold(token);
    return token.value;
  }

  private hold(token: Token): void {
    const isNew = this.token === null;
    this.token = token;
    this.refused = null;
    this.onSignIn("signed-in");
    if (isNew) this.otherTabs?.postMessage("signed-in");
  }

  private forget(why: Problem): void {
    this.token = null;
    this.refused = why;
    this.onSignIn("signed-out");
  }

  private async renewedGuest(share: string): Promise<Token> {
    const from = this.now();
    const guest = await this.guest(share);
    return { value: guest.access_token, from, until: from + guest.expires_in * 1000 };
  }

  private async guest(token: string): Promise<Guest> {
    const response = await this.ask("POST", "share", undefined, { token });
    if (response.ok) return (await response.json()) as Guest;
    const problem = await problemOf(response);
    if (!problem.isTransient) this.forget(problem);
    throw problem;
  }

  private async ask(method: string, name: string, token?: string, body?: object): Promise<Response> {
    try {
      const headers = {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body ? { "Content-Type": "application/json" } : {}),
      };
      const sent = body ? { body: JSON.stringify(body) } : {};
      return await this.fetch(`${AUTH}/${name}`, { method, headers, ...sent });
    } catch {
      throw unreachable();
    }
  }

  private async locked<T>(work: () => Promise<T>): Promise<T> {
    const locks = globalThis.navigator?.locks;
    return locks ? await locks.request(LOCK, work) : await work();
  }

  private async request(): Promise<Token> {
    const from = this.now();
    const response = await this.ask("POST", "token");
    if (!response.ok) {
      const problem = await problemOf(response);
      if (!problem.isTransient) this.forget(problem);
      throw problem;
    }
    const body: unknown = await response.json();
    const { access_token: value, expires_in: seconds } = body as Record<string, unknown>;
    if (typeof value !== "string" || typeof seconds !== "number") {
      throw new Problem(
        response.status,
        "malformed",
        "The gateway's token cannot be read.",
        "",
        "",
        [],
        null,
        {},
      );
    }
    return { value, from, until: from + seconds * 1000 };
  }
}

function signedOut(): Problem {
  return new Problem(401, "unauthenticated", "You are signed out.", "", "Sign in.", [], null, {});
}
