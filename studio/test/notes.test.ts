import { describe, expect, it } from "vitest";
import { emptyBoard, reduce } from "../src/live/board";
import { between, FIRST_BOX, nudged } from "../src/screens/notes/box";
import { timeOf } from "../src/screens/notes/NotesPanel";

describe("a box on the picture", () => {
  it("lies between two corners in any order, within the picture", () => {
    expect(between([0.6, 0.9], [0.2, 0.5])).toEqual({ x: 0.2, y: 0.5, width: 0.4, height: 0.4 });
    expect(between([-0.5, 0.5], [1.7, 3])).toEqual({ x: 0, y: 0.5, width: 1, height: 0.5 });
  });

  it("can be seen and fits also where nothing was dragged", () => {
    for (const at of [0, 0.333333, 0.999, 1]) {
      const { x, y, width, height } = between([at, at], [at, at]);
      expect(width).toBeGreaterThan(0.01);
      expect(x + width).toBeLessThanOrEqual(1);
      expect(y + height).toBeLessThanOrEqual(1);
    }
  });

  it("is moved and resized by arrows, and never leaves the picture", () => {
    expect(nudged(FIRST_BOX, "ArrowRight", false)?.x).toBeCloseTo(0.37, 3);
    expect(nudged(FIRST_BOX, "ArrowDown", true)?.height).toBeCloseTo(0.32, 3);
    expect(nudged(FIRST_BOX, "a", false)).toBeNull();
    for (const resize of [false, true]) {
      for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) {
        let box = FIRST_BOX;
        for (let n = 0; n < 100; n++) box = nudged(box, key, resize) ?? box;
        expect(box.x).toBeGreaterThanOrEqual(0);
        expect(box.x + box.width).toBeLessThanOrEqual(1);
        expect(box.y + box.height).toBeLessThanOrEqual(1);
        expect(Math.min(box.width, box.height)).toBeGreaterThan(0.01);
      }
    }
  });
});

describe("notes of others", () => {
  it("are fetched again for their version when the stream tells of one, and the episode is not", () => {
    const data = { resource: "note", id: "n1", version_id: "v1", episode_id: "e1", deleted: false };
    const { refetches } = reduce(emptyBoard("e1"), [{ name: "changed", data }]);
    expect(refetches).toEqual([{ what: "notes", id: "v1" }]);
  });

  it("say when, as people do", () => {
    expect(timeOf({ at: 2.44, until: null })).toBe("02.4");
    expect(timeOf({ at: 2.4, until: 13.1 })).toBe("02.4–13.1");
  });
});
