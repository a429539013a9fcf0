import { describe, expect, it } from "vitest";
import { frameTime, presentedFrame } from "../src/media/clock";
import { fractionOf, rateOf } from "../src/screens/playable";

describe("the rate of a version", () => {
  it("is exact where it was measured, else as it is written", () => {
    expect(rateOf({ fps: 29.97, fps_num: 30000, fps_den: 1001 })).toBe(30000 / 1001);
    expect(rateOf({ fps: 23.976, fps_num: null, fps_den: null })).toBe(23.976);
    expect(rateOf({ fps: null, fps_num: null, fps_den: null })).toBeNull();
  });

  it("of a film is its fraction", () => {
    expect(fractionOf("24000/1001")).toBe(24000 / 1001);
    expect(fractionOf("25")).toBe(25);
    for (const none of [null, "", "x", "1/0"]) expect(fractionOf(none)).toBeNull();
  });

  it("leads to every frame of an hour, where a rounded one goes astray", () => {
    const exact = rateOf({ fps: 23.976, fps_num: 24000, fps_den: 1001 }) ?? 0;
    const frames = Math.round(3600 * exact);
    const start = (n: number) => (n * 1001) / 24000;
    let [wrong, astray] = [0, 0];
    for (let n = 0; n < frames; n += 1) {
      const sought = frameTime(n, exact);
      if (sought <= start(n) || sought >= start(n + 1) || presentedFrame(start(n), exact) !== n) wrong += 1;
      const rounded = frameTime(n, 23.98);
      if (rounded < start(n) || rounded >= start(n + 1)) astray += 1;
    }
    expect(wrong).toBe(0);
    expect(astray).toBeGreaterThan(0);
  });
});
