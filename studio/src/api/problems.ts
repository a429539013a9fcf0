/** What the gateway refuses: problem+json (RFC 9457), in words and with what to do. */

import { retryAfter } from "../live/sse";

export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export class Problem extends Error {
  constructor(
    /** HTTP status; 0: the gateway could not be reached. */
    readonly status: number,
    /** The stable name of the problem, as in `/problems/<slug>`. */
    readonly slug: string,
    readonly title: string,
    readonly detail: string,
    readonly recovery: string,
    readonly errors: readonly FieldError[],
    readonly retryAfterMs: number | null,
    readonly extensions: Readonly<Record<string, unknown>>,
  ) {
    super([detail || title, recovery].filter(Boolean).join(" "));
    this.name = "Problem";
  }

  /** Whether the same request may succeed later without a change. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

export function unreachable(): Problem {
  const recovery = "Check that it is running; the page tries again by itself.";
  return new Problem(0, "unreachable", "The gateway does not answer.", "", recovery, [], null, {});
}

export async function problemOf(response: Response): Promise<Problem> {
  const body = await bodyOf(response);
  const text = (name: string) => (typeof body[name] === "string" ? body[name] : "");
  return new Problem(
    response.status,
    text("type").split("/").pop() ?? "",
    text("title") || response.statusText || `HTTP ${response.status}`,
    text("detail"),
    text("recovery"),
    fieldErrors(body.errors),
    retryAfter(response.headers.get("Retry-After")),
    body,
  );
}

async function bodyOf(response: Response): Promise<Record<string, unknown>> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function fieldErrors(errors: unknown): FieldError[] {
  if (!Array.isArray(errors)) return [];
  return errors.flatMap((e: unknown) => {
    const { pointer, detail } = (e ?? {}) as Record<string, unknown>;
    return typeof detail === "string"
      ? [{ pointer: typeof pointer === "string" ? pointer : "", detail }]
      : [];
  });
}
