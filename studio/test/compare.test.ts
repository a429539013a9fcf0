import { expect, test } from "vitest";
import { COMPARE_MODES, correct, isBeside, nextMode, placeOf } from "../src/media/compare";

const B = { fps: 60, duration: 2 };

test("the follower holds its last frame where it is over, and its first before it begins", () => {
  expect(placeOf(1, 0.5, B)).toBe(1.5);
  expect(placeOf(5, 0, B)).toBeCloseTo(2 - 0.5 / 60);
  expect(placeOf(0.1, -1, B)).toBe(0);
});

test("half a frame of its own rate is tolerated, more is nudged, three frames are sought", () => {
  expect(correct(1 + 0.4 / 60, 1, B, 1)).toEqual({ type: "none" });
  expect(correct(1 + 1 / 60, 1, B, 2)).toEqual({ type: "nudge", rate: 2 * 0.97 });
  expect(correct(1 - 1 / 60, 1, B, 1)).toEqual({ type: "nudge", rate: 1.03 });
  expect(correct(1 + 4 / 60, 1, B, 1)).toEqual({ type: "seek", to: 1 });
  // The same drift is less than half a frame of a slower side.
  expect(correct(1 + 1 / 60, 1, { fps: 24, duration: 2 }, 1)).toEqual({ type: "none" });
});

test("at 24 against 60 frames a second the drift stays within half a frame, without growing, for ten minutes", () => {
  // The follower's clock runs 1 % fast; it is corrected at each of its frames, as the player does.
  const side = { fps: 60, duration: 700 };
  let [time, rate, worst] = [0, 1, 0];
  for (let frame = 0; frame < 600 * 60; frame++) {
    const leader = frame / 60;
    const correction = correct(time, leader, side, 1);
    rate = correction.type === "nudge" ? correction.rate : 1;
    if (correction.type === "seek") time = correction.to;
    if (frame > 60) worst = Math.max(worst, Math.abs(time - leader) * 60);
    time += (rate * 1.01) / 60;
  }
  expect(worst).toBeLessThan(0.55);
});

test("paused, half a frame is the same picture", () => {
  expect(isBeside(1 + 0.4 / 24, 1, { fps: 24, duration: 5 })).toBe(true);
  expect(isBeside(1 + 0.6 / 24, 1, { fps: 24, duration: 5 })).toBe(false);
});

test("the key for the next mode goes round", () => {
  let mode = COMPARE_MODES[0] ?? "split";
  const seen = COMPARE_MODES.map(() => {
    mode = nextMode(mode);
    return mode;
  });
  expect(new Set(seen)).toEqual(new Set(COMPARE_MODES));
  expect(mode).toBe(COMPARE_MODES[0]);
});
