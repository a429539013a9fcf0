/**
 * Server-sent events read with `fetch`, so that a bearer token, `Last-Event-ID`, status codes and Retry-After are ours.
 *
 * `Parser` implements the event stream grammar of the HTML standard (section 9.2.6); `follow` keeps one stream open.
 */

export interface Frame {
  readonly event: string;
  readonly data: string;
  readonly id: string | null;
}

/** Fed with chunks of text as they come; gives the frames they complete. */
export class Parser {
  /** Milliseconds to wait before the next connection, as the server last asked. */
  retryMs: number | null = null;
  lastEventId: string | null = null;
  private rest = "";
  private event = "";
  private data: string[] = [];
  private first = true;

  push(chunk: string): Frame[] {
    const frames: Frame[] = [];
    let text = this.rest + chunk;
    if (this.first && text.length > 0) {
      this.first = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    let from = 0;
    for (;;) {
      const end = lineEnd(text, from);
      if (end === null) break;
      const frame = this.line(text.slice(from, end.at));
      if (frame) frames.push(frame);
      from = end.next;
    }
    this.rest = text.slice(from);
    return frames;
  }

  private line(line: string): Frame | null {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    switch (field) {
      case "event":
        this.event = value;
        break;
      case "data":
        this.data.push(value);
        break;
      case "id":
        if (!value.includes("\0")) this.lastEventId = value === "" ? null : value;
        break;
      case "retry":
        if (/^\d+$/.test(value)) this.retryMs = Number(value);
        break;
    }
    return null;
  }

  private dispatch(): Frame | null {
    const frame =
      this.data.length > 0
        ? { event: this.event || "message", data: this.data.join("\n"), id: this.lastEventId }
        : null;
    this.event = "";
    this.data = [];
    return frame;
  }
}

/** Where the first line from `from` ends and the next begins; null: it is not complete. */
function lineEnd(text: string, from: number): { at: number; next: number } | null {
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if (c === "\n") return { at: i, next: i + 1 };
    if (c === "\r") {
      if (i + 1 === text.length) return null; // a \n may follow in the next chunk
      return { at: i, next: text[i + 1] === "\n" ? i + 2 : i + 1 };
    }
  }
  return null;
}

export type Connection =
  | { readonly state: "connecting" }
  | { readonly state: "open" }
  | {
      readonly state: "waiting";
      readonly since: number;
      readonly retryAt: number;
      readonly status: number | null;
    }
  | { readonly state: "refused"; readonly status: number };

export interface FollowOptions {
  /** The stream's address, without the cursor. */
  readonly url: string;
  /** The place to begin after, as an answer's `cursor` or a frame's id; null: with a snapshot. */
  readonly from: string | null;
  /** Opens a connection; adds the bearer token and renews it on 401. */
  readonly open: (url: string, headers: Record<string, string>, signal: AbortSignal) => Promise<Response>;
  /** All frames of one chunk at once, in order. */
  readonly onFrames: (frames: readonly Frame[]) => void;
  readonly onState: (connection: Connection) => void;
  readonly signal: AbortSignal;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A heartbeat comes every 15 s: three missing ones mean that the connection is dead. */
export const SILENCE_MS = 45_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** Follows the stream until `signal` aborts, or the gateway refuses for good (403, 404). Resumes after the last id. */
export async function follow(options: FollowOptions): Promise<void> {
  const { now = Date.now, random = Math.random, sleep = pause, signal } = options;
  const parser = { retryMs: null as number | null, lastId: options.from };
  let failures = 0;
  while (!signal.aborted) {
    options.onState({ state: "connecting" });
    const outcome = await once(options, parser, () => {
      failures = 0;
      options.onState({ state: "open" });
    });
    if (signal.aborted) return;
    if (outcome.status === 403 || outcome.status === 404) {
      options.onState({ state: "refused", status: outcome.status });
      return;
    }
    const backoff = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures) * (0.5 + random() / 2);
    const wait =
      outcome.retryAfterMs ?? (failures === 0 && parser.retryMs !== null ? parser.retryMs : backoff);
    failures++;
    options.onState({ state: "waiting", since: now(), retryAt: now() + wait, status: outcome.status });
    await sleep(wait, signal);
  }
}

interface Outcome {
  readonly status: number | null;
  readonly retryAfterMs: number | null;
}

async function once(
  options: FollowOptions,
  place: { retryMs: number | null; lastId: string | null },
  opened: () => void,
): Promise<Outcome> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  options.signal.addEventListener("abort", abort, { once: true });
  let silence = setTimeout(abort, SILENCE_MS);
  try {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (place.lastId !== null) headers["Last-Event-ID"] = place.lastId;
    const response = await options.open(options.url, headers, attempt.signal);
    if (!response.ok || response.body === null) {
      return { status: response.status, retryAfterMs: retryAfter(response.headers.get("Retry-After")) };
    }
    opened();
    const parser = new Parser();
    parser.lastEventId = place.lastId;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { status: null, retryAfterMs: null };
      clearTimeout(silence);
      silence = setTimeout(abort, SILENCE_MS);
      const frames = parser.push(value);
      place.lastId = parser.lastEventId;
      place.retryMs = parser.retryMs ?? place.retryMs;
      if (frames.length === 0) continue;
      try {
        options.onFrames(frames);
      } catch (error) {
        reportError(error); // a fault of the page's own: loud, and no reason to lose the connection
      }
    }
  } catch {
    return { status: null, retryAfterMs: null };
  } finally {
    clearTimeout(silence);
    options.signal.removeEventListener("abort", abort);
    attempt.abort();
  }
}

/** Milliseconds of a Retry-After header (seconds or an HTTP date); null: there is none, or it says nothing. */
export function retryAfter(header: string | null, now = Date.now()): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
