/**
 * The bearer token: kept in memory, renewed at 80 % of its life or after a 401, by one tab at a time.
 *
 * Never in storage, never in a URL.
 */

import { Problem, problemOf, unreachable } from "./problems";

export interface Token {
  readonly value: string;
  /** When it was fetched and when it ends, in ms of `now`. */
  readonly from: number;
  readonly until: number;
}

export type SignIn = "signed-in" | "signed-out" | "paste";

const LOCK = "retake-token";
const RENEW_AT = 0.8;

export class Tokens {
  private token: Token | null = null;
  private renewing: Promise<Token> | null = null;

  constructor(
    private readonly fetch: typeof globalThis.fetch = globalThis.fetch.bind(globalThis),
    private readonly now: () => number = Date.now,
    private readonly onSignIn: (state: SignIn) => void = () => {},
  ) {}

  /** A token that a person pasted; it lives as long as the gateway takes it. */
  paste(value: string): void {
    this.token = { value, from: this.now(), until: Number.POSITIVE_INFINITY };
    this.onSignIn("signed-in");
  }

  /** Sends a request with the token; after a 401 once again with a new one. Raises Problem if nobody answers. */
  async send(request: Request, fetch: typeof globalThis.fetch = this.fetch): Promise<Response> {
    const again = request.clone();
    const response = await this.sendWith(await this.get(), request, fetch);
    if (response.status !== 401) return response;
    return this.sendWith(await this.renew(), again, fetch);
  }

  async get(): Promise<string> {
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
    this.renewing ??= this.locked(() => this.request()).finally(() => {
      this.renewing = null;
    });
    const token = await this.renewing;
    this.token = token;
    this.onSignIn("signed-in");
    return token.value;
  }

  private async locked<T>(work: () => Promise<T>): Promise<T> {
    const locks = globalThis.navigator?.locks;
    return locks ? await locks.request(LOCK, work) : await work();
  }

  private async request(): Promise<Token> {
    const from = this.now();
    let response: Response;
    try {
      response = await this.fetch("/api/v1/auth/token", { method: "POST" });
    } catch {
      throw unreachable();
    }
    if (!response.ok) {
      const problem = await problemOf(response);
      this.onSignIn(problem.status === 404 ? "paste" : "signed-out");
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
