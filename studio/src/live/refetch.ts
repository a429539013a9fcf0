/** Refetches after events: one per key, 150 ms after its last cause (600 ms at most), four at once. */

import type { Refetch } from "./board";

const QUIET_MS = 150;
const LONGEST_MS = 600;
const AT_ONCE = 4;

interface Waiting {
  readonly refetch: Refetch;
  readonly first: number;
  due: number;
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
      const first = this.waiting.get(key)?.first ?? now;
      this.waiting.set(key, { refetch, first, due: Math.min(now + QUIET_MS, first + LONGEST_MS) });
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
      // A failure is not repeated here: the next event, or the next snapshot, causes another.
      void this.fetch(waiting.refetch)
        .catch(() => {})
        .finally(() => {
          this.running.delete(key);
          this.schedule();
        });
    }
    for (const [key, waiting] of this.waiting)
      if (this.running.has(key)) waiting.due = Math.max(waiting.due, now + QUIET_MS);
    this.schedule();
  }
}

export function keyOf(refetch: Refetch): string {
  return "id" in refetch ? `${refetch.what}:${refetch.id}` : refetch.what;
}
