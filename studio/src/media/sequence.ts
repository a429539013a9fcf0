/**
 * The film of committed segments before it is compiled: which clip is shown when, how each blends into the next, and
 * where narrations are heard. Pure. Placed as `services/compiler/planning` does, so that the film has the same times.
 */

export interface Scene {
  readonly segmentId: string;
  readonly name: string;
  /** null: no committed video; its card is shown for `duration`. */
  readonly video: string | null;
  readonly poster: string | null;
  /** Seconds. */
  readonly duration: number;
  /** How it passes into the next one; null: a cut. */
  readonly transition: { readonly style: string; readonly duration: number } | null;
  readonly narration: { readonly url: string; readonly duration: number } | null;
}

export interface Clip extends Scene {
  /** The film's frame at which it begins, and how many it has. */
  readonly start: number;
  readonly frames: number;
  /** Frames that it shares with the next clip. */
  readonly overlap: number;
  readonly style: "cut" | "fade" | "dissolve";
}

export interface Voice {
  readonly url: string;
  /** Seconds of the film. */
  readonly from: number;
  readonly to: number;
}

export interface Sequence {
  readonly fps: number;
  readonly clips: readonly Clip[];
  readonly voices: readonly Voice[];
  readonly frames: number;
}

const SHORTEST_TRANSITION = 2; // frames
const GAP_S = 0.25; // between two narrations if the second has to wait

/** `fps`: of the film. */
export function sequenceOf(scenes: readonly Scene[], fps: number): Sequence {
  const lengths = scenes.map((scene) => Math.max(1, Math.round(scene.duration * fps)));
  const clips: Clip[] = [];
  let start = 0;
  scenes.forEach((scene, n) => {
    const frames = lengths[n] ?? 1;
    const overlap = overlapOf(scene.transition, frames, lengths[n + 1], fps);
    const style =
      overlap > 0 && scene.transition?.style === "fade" ? "fade" : overlap > 0 ? "dissolve" : "cut";
    clips.push({ ...scene, start, frames, overlap, style });
    start += frames - overlap;
  });
  const frames = start;
  return { fps, clips, voices: voicesOf(clips, fps, frames), frames };
}

function overlapOf(
  transition: Scene["transition"],
  left: number,
  right: number | undefined,
  fps: number,
): number {
  if (transition === null || transition.style === "cut" || transition.duration === 0 || right === undefined)
    return 0;
  const wanted = Math.max(SHORTEST_TRANSITION, Math.round(transition.duration * fps));
  const frames = Math.min(wanted, Math.floor(left / 2), Math.floor(right / 2));
  return frames < SHORTEST_TRANSITION ? 0 : frames;
}

function voicesOf(clips: readonly Clip[], fps: number, frames: number): Voice[] {
  const end = frames / fps;
  const voices: Voice[] = [];
  let free = 0;
  for (const { narration, start } of clips) {
    if (narration === null) continue;
    const at = start / fps;
    const from = at >= free ? at : free + GAP_S;
    if (from >= end) continue;
    const to = Math.min(end, from + narration.duration);
    voices.push({ url: narration.url, from, to });
    free = to;
  }
  return voices;
}

/** The clip that a frame of the film belongs to: the later one where two overlap. */
export function clipAt(sequence: Sequence, frame: number): number {
  let found = 0;
  sequence.clips.forEach((clip, n) => {
    if (clip.start <= frame) found = n;
  });
  return found;
}

/**
 * The opacity of the earlier picture, which lies above, and of the later one beneath it, over black; `part` 0..1 is the
 * way through their overlap.
 */
export function blend(
  style: Clip["style"],
  part: number,
): { readonly earlier: number; readonly later: number } {
  const p = Math.min(1, Math.max(0, part));
  switch (style) {
    case "cut":
      return { earlier: 1, later: 1 };
    case "dissolve":
      return { earlier: 1 - p, later: 1 };
    case "fade":
      return p < 0.5 ? { earlier: 1 - 2 * p, later: 0 } : { earlier: 0, later: 2 * p - 1 };
  }
}
