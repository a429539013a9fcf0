/** The answer that the page's address will need, asked for before the code that shows it is there. */

import type { Tokens } from "./auth";

/** After so long it is asked for anew: what was early is then late. */
const KEPT_MS = 10_000;

export class Early {
  private readonly answers = new Map<string, { readonly at: number; readonly answer: Promise<Response> }>();

  constructor(
    private readonly tokens: Pick<Tokens, "send">,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Asks for what the screen at `path` of the page shows first. Does nothing for other screens. */
  ask(path: string, origin: string): void {
    const episode = /^\/p\/[^/]+\/e\/([^/]+)\/?$/.exec(path)?.[1];
    if (episode === undefined) return;
    const url = new URL(`/api/v1/episodes/${episode}`, origin).href;
    const answer = this.tokens.send(new Request(url));
    answer.catch(() => {}); // whoever takes it hears of it
    this.answers.set(url, { at: this.now(), answer });
  }

  /** The answer to this request, once; null: send it. */
  take(request: Request): Promise<Response> | null {
    const found = request.method === "GET" ? this.answers.get(request.url) : undefined;
    if (found === undefined) return null;
    this.answers.delete(request.url);
    return this.now() - found.at < KEPT_MS ? found.answer : null;
  }
}
