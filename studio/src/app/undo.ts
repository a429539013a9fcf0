/** What can be taken back in this tab: one stack, newest first; a reload forgets it. */

export interface Undoable {
  /** What was done: "Segment 3 moved to position 1." */
  readonly label: string;
  /** Raises Problem if it cannot be taken back any more. */
  readonly undo: () => Promise<unknown>;
  /** null: it cannot be done again. */
  readonly redo: (() => Promise<unknown>) | null;
}

const MOST = 50;

export interface Stack {
  readonly done: readonly Undoable[];
  readonly undone: readonly Undoable[];
}

export const NOTHING_DONE: Stack = { done: [], undone: [] };

export function push(stack: Stack, entry: Undoable): Stack {
  return { done: [entry, ...stack.done].slice(0, MOST), undone: [] };
}

/** The stack after its newest entry was taken back. */
export function undo({ done: [entry, ...done], undone }: Stack): Stack {
  if (entry === undefined) return { done, undone };
  return { done, undone: entry.redo ? [entry, ...undone] : undone };
}

export function redo({ done, undone: [entry, ...undone] }: Stack): Stack {
  return entry === undefined ? { done, undone } : { done: [entry, ...done], undone };
}
