import { act, cleanup, fireEvent, render } from "@testing-library/react";
import { createRef } from "react";
import { afterEach, expect, test, vi } from "vitest";
import { en } from "../src/language/words";
import type { PlayerControl } from "../src/media/Player";
import { SoundPlayer } from "../src/media/SoundPlayer";

afterEach(cleanup);

const media = {
  kind: "narration",
  url: "/media/a?v=1&exp=1&sig=1",
  poster: "/wave.png",
  filmstrip: null,
  fps: null,
  duration: 12.5,
  aspectRatio: null,
} as const;

function shown(props: Partial<Parameters<typeof SoundPlayer>[0]> = {}) {
  const control = createRef<PlayerControl>();
  const tree = (url: string) => (
    <SoundPlayer
      media={media}
      url={url}
      words={en}
      label="Narration"
      control={control}
      lanes={[{ name: "Notes", tone: "note", spans: [{ id: "n", from: 2.5, to: 5 }] }]}
      {...props}
    />
  );
  const { container, rerender } = render(tree(media.url));
  const audio = container.querySelector("audio") as HTMLAudioElement;
  return { control, container, audio, renew: (url: string) => rerender(tree(url)) };
}

test("a note is begun where the sound is, and leads back there", () => {
  const onNote = vi.fn();
  const { control, container, audio } = shown({ onNote });
  const slider = container.querySelector("input") as HTMLInputElement;
  fireEvent.input(slider, { target: { value: "3.25" } });
  expect(control.current?.moment()).toEqual({ at: 3.25, until: null });
  fireEvent.keyDown(slider, { key: "m" });
  expect(onNote).toHaveBeenCalledOnce();
  act(() => control.current?.seek(9));
  expect(audio.currentTime).toBe(9);
  const place = container.querySelector<HTMLElement>("i")?.style;
  expect([place?.left, place?.width]).toEqual(["20%", "20%"]);
});

test("keys move it within its length", () => {
  const { container, audio } = shown();
  const slider = container.querySelector("input") as HTMLInputElement;
  for (const [key, at] of [
    ["ArrowRight", 1],
    [".", 1.1],
    ["End", 12.5],
    ["ArrowRight", 12.5],
    ["ArrowLeft", 11.5],
    ["Home", 0],
    [",", 0],
  ] as const) {
    fireEvent.keyDown(slider, { key });
    expect(audio.currentTime, key).toBeCloseTo(at, 5);
  }
});

test("an expired link is renewed, and it goes on at the same time", () => {
  const onExpired = vi.fn();
  const { audio, renew } = shown({ onExpired });
  audio.currentTime = 4;
  fireEvent.error(audio);
  expect(onExpired).toHaveBeenCalledOnce();
  const next = "/media/a?v=1&exp=2&sig=2";
  renew(next);
  expect(audio.getAttribute("src")).toBe(next);
  audio.currentTime = 0;
  fireEvent(audio, new Event("loadedmetadata"));
  expect(audio.currentTime).toBe(4);
});

test("its waveform is drawn from its peaks; without them its poster is shown", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (link: string) => {
    asked.push(link);
    return link.startsWith("/gone")
      ? new Response("", { status: 410 })
      : new Response(new Uint8Array([255, 0]));
  });
  const { container } = shown({ media: { ...media, peaks: "/peaks?sig=1" } });
  expect(container.querySelector("img")?.getAttribute("src")).toBe("/wave.png");
  await vi.waitFor(() => expect(container.querySelector("svg path[fill=currentColor]")).not.toBeNull());
  expect(container.querySelector("img")).toBeNull();
  cleanup();
  const gone = shown({ media: { ...media, peaks: "/gone?sig=1" } });
  await act(async () => {});
  expect(gone.container.querySelector("img")?.getAttribute("src")).toBe("/wave.png");
  expect(asked).toEqual(["/peaks?sig=1", "/gone?sig=1"]);
  vi.unstubAllGlobals();
});
