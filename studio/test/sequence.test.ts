import { expect, test } from "vitest";
import { blend, clipAt, type Scene, sequenceOf } from "../src/media/sequence";

function scene(name: string, duration: number, more: Partial<Scene> = {}): Scene {
  return {
    segmentId: name,
    name,
    video: name,
    poster: null,
    duration,
    transition: null,
    narration: null,
    ...more,
  };
}

test("cuts follow each other; a transition takes its frames from both", () => {
  const dissolve = { style: "dissolve", duration: 0.5 };
  const film = sequenceOf([scene("a", 5, { transition: dissolve }), scene("b", 5), scene("c", 2)], 24);
  expect(film.clips.map((c) => [c.start, c.frames, c.overlap, c.style])).toEqual([
    [0, 120, 12, "dissolve"],
    [108, 120, 0, "cut"],
    [228, 48, 0, "cut"],
  ]);
  expect(film.frames).toBe(276);
});

test("a transition takes at most half of either clip, and none of fewer than two frames", () => {
  const long = { style: "fade", duration: 4 };
  const film = sequenceOf(
    [scene("a", 2, { transition: long }), scene("b", 1, { transition: long }), scene("c", 0.1)],
    24,
  );
  expect(film.clips.map((c) => c.overlap)).toEqual([12, 0, 0]);
});

test("the transition of the last clip, and one of no length, is none", () => {
  const film = sequenceOf(
    [
      scene("a", 1, { transition: { style: "fade", duration: 0 } }),
      scene("b", 1, { transition: { style: "fade", duration: 1 } }),
    ],
    24,
  );
  expect(film.clips.map((c) => c.style)).toEqual(["cut", "cut"]);
  expect(film.frames).toBe(48);
});

test("narrations begin at their segment, wait for the one before, and end with the film", () => {
  const say = (url: string, duration: number) => ({ narration: { url, duration } });
  const film = sequenceOf(
    [scene("a", 2, say("n1", 3)), scene("b", 2, say("n2", 9)), scene("c", 2, say("n3", 1))],
    24,
  );
  expect(film.voices).toEqual([
    { url: "n1", from: 0, to: 3 },
    { url: "n2", from: 3.25, to: 6 },
  ]);
});

test("where two clips overlap the later one is shown", () => {
  const film = sequenceOf(
    [scene("a", 5, { transition: { style: "dissolve", duration: 1 } }), scene("b", 5)],
    24,
  );
  expect([0, 95, 96, 215].map((frame) => clipAt(film, frame))).toEqual([0, 0, 1, 1]);
});

test("a dissolve shows both, a fade passes through black", () => {
  expect(blend("dissolve", 0.25)).toEqual({ earlier: 0.75, later: 1 });
  expect(blend("fade", 0.25)).toEqual({ earlier: 0.5, later: 0 });
  expect(blend("fade", 0.5)).toEqual({ earlier: 0, later: 0 });
  expect(blend("fade", 1)).toEqual({ earlier: 0, later: 1 });
});
