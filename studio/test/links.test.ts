import { expect, test } from "vitest";
import { sameMedia } from "../src/media/links";

const FILM = "/api/v1/media/films/f1/film.mp4";

test("a film that is signed while it plays is the same media", () => {
  expect(sameMedia(`${FILM}?v=aa&exp=1&sig=x`, `${FILM}?v=bb&exp=2&sig=y`)).toBe(true);
});

test("another object, or its preview, is other media", () => {
  expect(sameMedia(`${FILM}?v=aa`, "/api/v1/media/films/f2/film.mp4?v=aa")).toBe(false);
  expect(sameMedia(`${FILM}?v=aa`, `${FILM}?v=aa&preview=1`)).toBe(false);
  expect(sameMedia(null, FILM)).toBe(false);
});
