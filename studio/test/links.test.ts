import { describe, expect, it, test } from "vitest";
import { posterOf, sameMedia } from "../src/media/links";

const FILM = "/api/v1/media/films/f1/film.mp4";

test("a film that is signed while it plays is the same media", () => {
  expect(sameMedia(`${FILM}?v=aa&exp=1&sig=x`, `${FILM}?v=bb&exp=2&sig=y`)).toBe(true);
});

test("another object, or its preview, is other media", () => {
  expect(sameMedia(`${FILM}?v=aa`, "/api/v1/media/films/f2/film.mp4?v=aa")).toBe(false);
  expect(sameMedia(`${FILM}?v=aa`, `${FILM}?v=aa&preview=1`)).toBe(false);
  expect(sameMedia(null, FILM)).toBe(false);
});

describe("a poster", () => {
  it("is asked for in the sizes of cards", () => {
    const link = "/api/v1/media/versions/1/poster?v=2&exp=3&sig=4";
    expect(posterOf(link, 96)).toEqual({
      src: `${link}&w=160`,
      srcSet: `${link}&w=160 160w, ${link}&w=320 320w, ${link}&w=640 640w`,
      sizes: "96px",
    });
    expect(posterOf(link, 300).src).toBe(`${link}&w=320`);
    expect(posterOf("/poster", 2000).src).toBe("/poster?w=640");
  });
});
