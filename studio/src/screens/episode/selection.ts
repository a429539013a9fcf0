/** Several segments chosen at once: by modifier keys, clicks and boxes. Pure. */

export interface Selection {
  readonly ids: ReadonlySet<string>;
  /** Where a range begins. */
  readonly anchor: string | null;
}

export const NONE_SELECTED: Selection = { ids: new Set(), anchor: null };

/** Adds it, or takes it out. */
export function toggle({ ids }: Selection, id: string): Selection {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return { ids: next, anchor: id };
}

/** From the anchor (else `from`) to this one, in film order. */
export function extend(selection: Selection, order: readonly string[], from: string, to: string): Selection {
  const anchor = selection.anchor !== null && order.includes(selection.anchor) ? selection.anchor : from;
  const [a, b] = [order.indexOf(anchor), order.indexOf(to)];
  if (a < 0 || b < 0) return selection;
  return { ids: new Set(order.slice(Math.min(a, b), Math.max(a, b) + 1)), anchor };
}

export function all(order: readonly string[]): Selection {
  return { ids: new Set(order), anchor: order[0] ?? null };
}

/** Those that the episode still has, in film order. */
export function inOrder({ ids }: Selection, order: readonly string[]): readonly string[] {
  return order.filter((id) => ids.has(id));
}
