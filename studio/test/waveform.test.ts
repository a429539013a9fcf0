import { expect, test } from "vitest";
import { columnsOf, waveformPath } from "../src/media/waveformPath";

test("each column is as high as the loudest moment in it", () => {
  const peaks = new Uint8Array([0, 255, 10, 51, 0, 0]);
  expect(columnsOf(peaks, 3)).toEqual([1, 0.2, 0]);
  expect(columnsOf(new Uint8Array([255, 0]), 4)).toEqual([1, 1, 0, 0]);
  expect(columnsOf(new Uint8Array(), 4)).toEqual([]);
});

test("no moment is lost, however long the sound is", () => {
  const peaks = new Uint8Array(360_000);
  for (const loud of [0, 123_457, 359_999]) peaks[loud] = 200;
  const columns = columnsOf(peaks, 800);
  expect(columns).toHaveLength(800);
  expect(columns.filter((loudness) => loudness > 0)).toHaveLength(3);
});

test("it is drawn around its middle, and silence is a line", () => {
  expect(waveformPath(new Uint8Array([255, 0]), 2)).toBe("M0 0h1v2h-1zM1 0.99h1v0.02h-1z");
});
