/** A keyed store: whoever subscribes to a key is called when the value of that key changes, and for nothing else. */

export class Keyed {
  private readonly values = new Map<string, unknown>();
  private readonly listeners = new Map<string, Set<() => void>>();

  get<T>(key: string): T | undefined {
    return this.values.get(key) as T | undefined;
  }

  /** Sets several keys and then calls each listener once, also one that listens to several of them. */
  set(entries: Iterable<readonly [string, unknown]>): void {
    const due = new Set<() => void>();
    for (const [key, value] of entries) {
      if (Object.is(this.values.get(key), value)) continue;
      if (value === undefined) this.values.delete(key);
      else this.values.set(key, value);
      for (const listener of this.listeners.get(key) ?? []) due.add(listener);
    }
    for (const listener of due) listener();
  }

  subscribe(key: string, listener: () => void): () => void {
    const known = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, known.add(listener));
    return () => {
      known.delete(listener);
      if (known.size === 0) this.listeners.delete(key);
    };
  }
}
