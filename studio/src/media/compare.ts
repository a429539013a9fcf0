/**
 * Two videos on one clock: how the follower is kept beside the leader. Pure; `ComparePlayer` carries it out.
 *
 * The longer side leads, so that the shorter one can hold its last frame. Each side has a tolerance from its own frame
 * rate: one rate for both makes the slower side seek for ever.
 */

export type CompareMode = "split" | "wipe" | "onion" | "difference";
export const COMPARE_MODES: readonly CompareMode[] = ["split", "wipe", "onion", "difference"];

export function isCompareMode(mode: string | undefined): mode is CompareMode {
  return COMPARE_MODES.some((known) => known === mode);
}

export function nextMode(mode: CompareMode): CompareMode {
  return COMPARE_MODES[(COMPARE_MODES.indexOf(mode) + 1) % COMPARE_MODES.length] ?? "split";
}

/** A following side: its frames per second and its duration in seconds. */
export interface Side {
  readonly fps: number;
  readonly duration: number;
}

export type Correction =
  | { readonly type: "none" }
  /** Play faster or slower until it is back. */
  | { readonly type: "nudge"; readonly rate: number }
  | { readonly type: "seek"; readonly to: number };

const NUDGE = 0.03;
const FRAMES_TO_SEEK = 3;

/** The follower's time that belongs to this one of the leader: the last frame's middle where it is over. */
export function placeOf(leader: number, offset: number, side: Side): number {
  return Math.min(Math.max(0, leader + offset), Math.max(0, side.duration - 0.5 / side.fps));
}

/** While playing: `time` is the follower's, `wanted` where it should be, both in seconds. */
export function correct(time: number, wanted: number, side: Side, speed: number): Correction {
  const drift = time - wanted;
  const frames = Math.abs(drift) * side.fps;
  if (frames > FRAMES_TO_SEEK) return { type: "seek", to: wanted };
  if (frames > 0.5) return { type: "nudge", rate: speed * (drift > 0 ? 1 - NUDGE : 1 + NUDGE) };
  return { type: "none" };
}

/** Paused: half a frame either way is the same picture. */
export function isBeside(time: number, wanted: number, side: Side): boolean {
  return Math.abs(time - wanted) * side.fps <= 0.5;
}
