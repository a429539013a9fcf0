/**
 * Reordering one row by pointer or keys: a pure reducer over card positions, and the events that drive it.
 *
 * A handle picks a card up (pointer down, or Space), carries it (move, or arrows) and drops it (up, or Space);
 * Escape puts it back. Pointer capture keeps the drag when the pointer leaves the row.
 */

import {
  type KeyboardEvent,
  type PointerEvent,
  type RefObject,
  useCallback,
  useReducer,
  useRef,
} from "react";

export interface Drag {
  readonly from: number;
  readonly to: number;
  /** Pixels that the dragged card follows the pointer; 0 when it is carried by keys. */
  readonly offset: number;
  /** Pixels from one card to the next. */
  readonly pitch: number;
}

export type Action =
  | { readonly type: "pick"; readonly index: number; readonly pitch: number }
  | { readonly type: "follow"; readonly offset: number; readonly count: number }
  | { readonly type: "carry"; readonly by: number; readonly count: number }
  | { readonly type: "end" };

export function reorderReducer(drag: Drag | null, action: Action): Drag | null {
  if (action.type === "pick") return { from: action.index, to: action.index, offset: 0, pitch: action.pitch };
  if (drag === null || action.type === "end") return null;
  const clamp = (index: number) => Math.min(action.count - 1, Math.max(0, index));
  if (action.type === "carry") return { ...drag, to: clamp(drag.to + action.by), offset: 0 };
  return { ...drag, offset: action.offset, to: clamp(drag.from + Math.round(action.offset / drag.pitch)) };
}

/** Pixels that the card at `index` is shown away from its place. */
export function shiftOf(drag: Drag | null, index: number): number {
  if (drag === null) return 0;
  if (index === drag.from) return drag.offset || (drag.to - drag.from) * drag.pitch;
  if (drag.from < index && index <= drag.to) return -drag.pitch;
  if (drag.to <= index && index < drag.from) return drag.pitch;
  return 0;
}

export function moved<T>(items: readonly T[], from: number, to: number): T[] {
  const found = [...items];
  found.splice(to, 0, ...found.splice(from, 1));
  return found;
}

export interface ReorderOptions {
  readonly count: number;
  readonly enabled: boolean;
  readonly list: RefObject<HTMLElement | null>;
  readonly onDrop: (from: number, to: number) => void;
}

export function useReorder({ count, enabled, list, onDrop }: ReorderOptions) {
  const [drag, dispatch] = useReducer(reorderReducer, null);
  const start = useRef({ x: 0, scroll: 0 });
  const current = useRef(drag);
  current.current = drag;

  const pick = useCallback(
    (index: number) => {
      const [a, b] = list.current?.children ?? [];
      const pitch = a && b ? b.getBoundingClientRect().left - a.getBoundingClientRect().left : 1;
      dispatch({ type: "pick", index, pitch: pitch || 1 });
    },
    [list],
  );
  const drop = useCallback(() => {
    const now = current.current;
    dispatch({ type: "end" });
    if (now) onDrop(now.from, now.to);
  }, [onDrop]);

  const handle = (index: number) => ({
    onPointerDown: (event: PointerEvent<HTMLElement>) => {
      if (!enabled || event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      start.current = { x: event.clientX, scroll: list.current?.scrollLeft ?? 0 };
      pick(index);
    },
    onPointerMove: (event: PointerEvent<HTMLElement>) => {
      if (current.current === null) return;
      const scrolled = (list.current?.scrollLeft ?? 0) - start.current.scroll;
      dispatch({ type: "follow", offset: event.clientX - start.current.x + scrolled, count });
    },
    onPointerUp: drop,
    onPointerCancel: () => dispatch({ type: "end" }),
    onKeyDown: (event: KeyboardEvent<HTMLElement>) => {
      const carried = current.current !== null;
      if (event.key === " " || event.key === "Enter") {
        if (carried) drop();
        else if (enabled) pick(index);
      } else if (carried && event.key === "Escape") dispatch({ type: "end" });
      else if (carried && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
        dispatch({ type: "carry", by: event.key === "ArrowLeft" ? -1 : 1, count });
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
    onBlur: () => dispatch({ type: "end" }),
  });

  return { dragged: drag?.from ?? null, shift: (index: number) => shiftOf(drag, index), handle };
}
