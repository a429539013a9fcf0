/**
 * Reordering one row by pointer or keys: a pure reducer over card positions, and the events that drive it.
 *
 * A handle picks a card up (pointer down, or Space), carries it (move, or arrows) and drops it (up, or Space);
 * Escape puts it back. Pointer capture keeps the drag when the pointer leaves the row.
 */

import { type KeyboardEvent, type PointerEvent, type RefObject, useMemo, useReducer, useRef } from "react";

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
  readonly onDrop: (from: number, to: number) => unknown;
}

export function useReorder(options: ReorderOptions) {
  const [drag, dispatch] = useReducer(reorderReducer, null);
  const start = useRef({ x: 0, scroll: 0 });
  const latest = useRef({ ...options, drag });
  latest.current = { ...options, drag };

  // The same for all cards and for good, so that a selection renders two cards and not all of them.
  const handle = useMemo(() => {
    const pick = (at: HTMLElement) => {
      const [a, b] = latest.current.list.current?.children ?? [];
      const pitch = a && b ? b.getBoundingClientRect().left - a.getBoundingClientRect().left : 1;
      dispatch({ type: "pick", index: Number(at.dataset.position), pitch: pitch || 1 });
    };
    const end = () => dispatch({ type: "end" });
    const drop = () => {
      const { drag: now, onDrop } = latest.current;
      end();
      if (now) onDrop(now.from, now.to);
    };
    const scrolled = () => latest.current.list.current?.scrollLeft ?? 0;
    return {
      onPointerDown: (event: PointerEvent<HTMLElement>) => {
        if (!latest.current.enabled || event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        start.current = { x: event.clientX, scroll: scrolled() };
        pick(event.currentTarget);
      },
      onPointerMove: (event: PointerEvent<HTMLElement>) => {
        const { drag: now, count } = latest.current;
        if (now === null) return;
        const offset = event.clientX - start.current.x + scrolled() - start.current.scroll;
        dispatch({ type: "follow", offset, count });
      },
      onPointerUp: drop,
      onPointerCancel: end,
      onKeyDown: (event: KeyboardEvent<HTMLElement>) => {
        const { drag: now, enabled, count } = latest.current;
        if (event.key === " " || event.key === "Enter") {
          if (now !== null) drop();
          else if (enabled) pick(event.currentTarget);
        } else if (now !== null && event.key === "Escape") end();
        else if (now !== null && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
          dispatch({ type: "carry", by: event.key === "ArrowLeft" ? -1 : 1, count });
        } else return;
        event.preventDefault();
        event.stopPropagation();
      },
      onBlur: end,
    };
  }, []);

  return { dragged: drag?.from ?? null, shift: (index: number) => shiftOf(drag, index), handle };
}
