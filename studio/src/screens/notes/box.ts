/** A rectangle of a picture, in shares of its width and height. Pure. */

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const FIRST_BOX: Box = { x: 0.35, y: 0.35, width: 0.3, height: 0.3 };
const LEAST = 0.02;
const STEP = 0.02;

/** Between two corners, in any order, within the picture; never smaller than can be seen. */
export function between(a: readonly [number, number], b: readonly [number, number]): Box {
  const [left, right] = [Math.min(a[0], b[0]), Math.max(a[0], b[0])].map(within) as [number, number];
  const [top, bottom] = [Math.min(a[1], b[1]), Math.max(a[1], b[1])].map(within) as [number, number];
  const width = Math.max(LEAST, right - left);
  const height = Math.max(LEAST, bottom - top);
  return tidy({ x: Math.min(left, 1 - width), y: Math.min(top, 1 - height), width, height });
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
};

/** Moved by an arrow key; with `resize` its lower right corner is. null: another key. */
export function nudged(box: Box, key: string, resize: boolean): Box | null {
  const by = ARROWS[key];
  if (by === undefined) return null;
  if (resize) {
    const width = Math.min(1 - box.x, Math.max(LEAST, box.width + by[0]));
    const height = Math.min(1 - box.y, Math.max(LEAST, box.height + by[1]));
    return tidy({ ...box, width, height });
  }
  const x = Math.min(1 - box.width, Math.max(0, box.x + by[0]));
  const y = Math.min(1 - box.height, Math.max(0, box.y + by[1]));
  return tidy({ ...box, x, y });
}

function within(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/** Four digits: a pixel of the largest picture, and no sum over 1 by rounding. */
function tidy({ x, y, width, height }: Box): Box {
  const floor = (n: number) => Math.floor(n * 10_000 + 1e-6) / 10_000;
  return { x: floor(x), y: floor(y), width: floor(width), height: floor(height) };
}
