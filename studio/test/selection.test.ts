import { expect, test } from "vitest";
import { all, extend, inOrder, NONE_SELECTED, toggle } from "../src/screens/episode/selection";

const ORDER = ["a", "b", "c", "d"];

test("toggling adds, and takes out", () => {
  const two = toggle(toggle(NONE_SELECTED, "c"), "a");
  expect(inOrder(two, ORDER)).toEqual(["a", "c"]);
  expect(inOrder(toggle(two, "c"), ORDER)).toEqual(["a"]);
});

test("a range goes from where it began, either way, and shrinks again", () => {
  const wide = extend(NONE_SELECTED, ORDER, "b", "d");
  expect(inOrder(wide, ORDER)).toEqual(["b", "c", "d"]);
  expect(inOrder(extend(wide, ORDER, "d", "c"), ORDER)).toEqual(["b", "c"]);
  expect(inOrder(extend(wide, ORDER, "d", "a"), ORDER)).toEqual(["a", "b"]);
});

test("what the episode no longer has is not selected, and begins no range", () => {
  const gone = toggle(NONE_SELECTED, "x");
  expect(inOrder(gone, ORDER)).toEqual([]);
  expect(inOrder(extend(gone, ORDER, "b", "c"), ORDER)).toEqual(["b", "c"]);
});

test("all are all", () => {
  expect(inOrder(all(ORDER), ORDER)).toEqual(ORDER);
});
