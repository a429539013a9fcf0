import { expect, test } from "vitest";
import { NOTHING_DONE, push, redo, type Undoable, undo } from "../src/app/undo";

const entry = (label: string, again = true): Undoable => ({
  label,
  undo: async () => {},
  redo: again ? async () => {} : null,
});
const [a, b, once] = [entry("a"), entry("b"), entry("once", false)];

test("the newest is taken back first, and can be done again", () => {
  const both = push(push(NOTHING_DONE, a), b);
  expect(undo(both)).toEqual({ done: [a], undone: [b] });
  expect(undo(undo(both))).toEqual({ done: [], undone: [a, b] });
  expect(redo(undo(both))).toEqual(both);
});

test("something new forgets what could be done again", () => {
  expect(push(undo(push(NOTHING_DONE, a)), b)).toEqual({ done: [b], undone: [] });
});

test("what cannot be done again is gone once it is taken back", () => {
  expect(undo(push(NOTHING_DONE, once))).toEqual(NOTHING_DONE);
});

test("an empty stack stays empty", () => {
  expect(undo(NOTHING_DONE)).toEqual(NOTHING_DONE);
  expect(redo(NOTHING_DONE)).toEqual(NOTHING_DONE);
});
