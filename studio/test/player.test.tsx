import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { createRef, type ReactElement } from "react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { en } from "../src/language/words";
import { Player, type PlayerControl } from "../src/media/Player";

const FPS = 24;
const FRAMES = 120;

let paused = true;
beforeEach(() => {
  paused = true;
  vi.spyOn(HTMLMediaElement.prototype, "paused", "get").mockImplementation(() => paused);
  vi.spyOn(HTMLMediaElement.prototype, "duration", "get").mockReturnValue(FRAMES / FPS);
  vi.spyOn(HTMLMediaElement.prototype, "play").mockImplementation(async () => {
    paused = false;
  });
  vi.spyOn(HTMLMediaElement.prototype, "pause").mockImplementation(() => {
    paused = true;
  });
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const media = {
  kind: "video",
  url: "/media/v?v=1",
  poster: null,
  filmstrip: null,
  fps: FPS,
  duration: FRAMES / FPS,
  aspectRatio: "16:9",
} as const;

function shown(wrap: (player: ReactElement) => ReactElement = (player) => player) {
  const onNote = vi.fn();
  const control = createRef<PlayerControl>();
  render(wrap(<Player media={media} words={en} label="Video" onNote={onNote} control={control} />));
  const section = screen.getByRole("region", { name: "Video", hidden: true });
  const video = section.querySelector("video") as HTMLVideoElement;
  const frame = async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    return Math.round((control.current?.moment().at ?? -1) * FPS);
  };
  const press = async (key: string, more: object = {}, target: Element = section) => {
    fireEvent.keyDown(target, { key, ...more });
    return frame();
  };
  return { section, video, press, onNote, control };
}

describe("keys of the player", () => {
  test("Space plays and pauses; on a button it is the button's", async () => {
    const { press } = shown();
    await press(" ");
    expect(paused).toBe(false);
    await press(" ");
    expect(paused).toBe(true);
    await press(" ", {}, screen.getByRole("button", { name: "Loop" }));
    expect(paused).toBe(true);
  });

  test("frames, seconds and both ends", async () => {
    const { press } = shown();
    expect(await press(".")).toBe(1);
    expect(await press(".")).toBe(2);
    expect(await press(",")).toBe(1);
    expect(await press("ArrowRight")).toBe(25);
    expect(await press("ArrowRight", { shiftKey: true })).toBe(FRAMES - 1);
    expect(await press("Home")).toBe(0);
    expect(await press("End")).toBe(FRAMES - 1);
    expect(await press("ArrowLeft")).toBe(FRAMES - 25);
    expect(await press("ArrowLeft", { shiftKey: true })).toBe(0);
  });

  test("a part that is looped, and none", async () => {
    const { press, control } = shown();
    await press("ArrowRight");
    await press("i");
    await press("ArrowRight");
    await press("o");
    expect(control.current?.moment()).toEqual({ at: 1, until: 49 / FPS });
    expect(screen.getByRole("button", { name: /×$/ })).toBeTruthy();
    await press("\\");
    expect(control.current?.moment().until).toBeNull();
  });

  test("speed, sound, full screen and a note at what is shown", async () => {
    const { press, video, onNote } = shown();
    const full = vi.fn();
    Object.assign(video, { requestFullscreen: full });
    await press("=");
    expect(video.playbackRate).toBe(1.5);
    await press("-");
    await press("-");
    expect(video.playbackRate).toBe(0.5);
    await press("s");
    expect(screen.getByRole("button", { name: "Unmute" })).toBeTruthy();
    await press("f");
    expect(full).toHaveBeenCalledOnce();
    await press(" ");
    await press("m");
    expect(onNote).toHaveBeenCalledOnce();
    expect(paused).toBe(true);
  });

  test("J, K and L shuttle, but not in the preview, where they lead to others", async () => {
    const { press, video } = shown();
    await press("l");
    expect(paused).toBe(false);
    await press("l");
    expect(video.playbackRate).toBe(1.5);
    await press("k");
    expect(paused).toBe(true);
    await press("ArrowRight");
    expect(await press("j")).toBe(0);
    cleanup();
    const preview = shown((player) => <dialog open>{player}</dialog>);
    for (const key of ["j", "k", "l"]) await preview.press(key);
    expect(paused).toBe(true);
  });

  test("with Ctrl they are the browser's", async () => {
    const { press, onNote } = shown();
    for (const key of [".", "m", "i"]) expect(await press(key, { ctrlKey: true })).toBe(0);
    expect(onNote).not.toHaveBeenCalled();
  });
});
