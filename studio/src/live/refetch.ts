/**
 * Refetches after events: one per key, 150 ms after its last cause (600 ms at most), four at once.
 *
 * What a busy or absent gateway did not answer is asked again, when it said or after a growing wait: nothing else may
 * come that would cause it, and until then the page would show what is no longer true.
 */

import { Problem } from "../api/problems";
import type { Refetch } from "./board";

const QUIET_MS = 150;
const LONGEST_MS = 600;
const AT_ONCE = 4;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

interface Waiting {
  readonly refetch: Refetch;
  readonly first: number;
  due: number;
  /** How often it has failed since it last succeeded. */
  failures: number;
}

export class Refetcher {
  private readonly waiting = new Map<string, Waiting>();
  private readonly running = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private closed = false;

  constructor(
    private readonly fetch: (refetch: Refetch) => Promise<void>,
    private readonly now: () => number = Date.now,
  ) {}

  add(refetches: readonly Refetch[]): void {
    const now = this.now();
    for (const refetch of refetches) {
      const key = keyOf(refetch);
      const known = this.waiting.get(key);
      const first = known?.first ?? now;
      const due = Math.min(now + QUIET_MS, Math.max(now, first + LONGEST_MS));
      this.waiting.set(key, { refetch, first, due, failures: known?.failures ?? 0 });
    }
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.waiting.clear();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private schedule(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.closed || this.waiting.size === 0 || this.running.size >= AT_ONCE) return;
    const due = Math.min(...[...this.waiting.values()].map((w) => w.due));
    this.timer = setTimeout(() => this.flush(), Math.max(0, due - this.now()));
  }

  private flush(): void {
    const now = this.now();
    for (const [key, waiting] of this.waiting) {
      if (this.running.size >= AT_ONCE) break;
      if (waiting.due > now || this.running.has(key)) continue;
      this.waiting.delete(key);
      this.running.add(key);
      void this.fetch(waiting.refetch)
        .catch((error: unknown) => this.failed(key, waiting, error))
        .finally(() => {
          this.running.delete(key);
          this.schedule();
        });
    }
    for (const [key, waiting] of this.waiting)
      if (this.running.has(key)) waiting.due = Math.max(waiting.due, now + QUIET_MS);
    this.schedule();
  }

  private failed(key: string, { refetch, failures }: Waiting, error: unknown): void {
    if (!(error instanceof Problem)) reportError(error);
    else if (error.isTransient && !this.closed && !this.waiting.has(key)) {
      const now = this.now();
      const wait = error.retryAfterMs ?? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
      this.waiting.set(key, { refetch, first: now + wait, due: now + wait, failures: failures + 1 });
    }
  }
}

export function keyOf(refetch: Refetch): string {
  return "id" in refetch ? `${refetch.what}:${refetch.id}` : refetch.what;
}
