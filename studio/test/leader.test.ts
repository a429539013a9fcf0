import { afterEach, expect, test, vi } from "vitest";
import { followShared } from "../src/live/leader";
import type { Frame } from "../src/live/sse";
import { soon } from "./soon";

afterEach(() => vi.unstubAllGlobals());

/** Web Locks as far as tabs need them: one holder, the others in turn. */
function locks() {
  let last: Promise<unknown> = Promise.resolve();
  return {
    request: (_: string, { signal }: { signal: AbortSignal }, work: () => Promise<unknown>) => {
      const turn = last.then(() => (signal.aborted ? undefined : work()));
      last = turn.catch(() => {});
      return turn;
    },
  };
}

test("tabs share one stream; when the one that holds it closes, another goes on after the last that it heard", async () => {
  vi.stubGlobal("navigator", { locks: locks() });
  const opened: (string | undefined)[] = [];
  const streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  const open = async (_: string, headers: Record<string, string>, signal: AbortSignal) => {
    opened.push(headers["Last-Event-ID"]);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        streams.push(controller);
        signal.addEventListener("abort", () => controller.error(new DOMException("", "AbortError")));
      },
    });
    return new Response(body, { status: 200 });
  };
  const tab = () => {
    const heard: string[] = [];
    const closing = new AbortController();
    const done = followShared({
      name: "project",
      url: "/events",
      from: "e:0",
      open,
      onFrames: (frames: readonly Frame[]) => heard.push(...frames.map((f) => f.data)),
      onState: () => {},
      signal: closing.signal,
    });
    return { heard, close: () => closing.abort(), done };
  };
  const say = (n: number, text: string) =>
    streams.at(-1)?.enqueue(new TextEncoder().encode(`id: e:${n}\nevent: x\ndata: ${text}\n\n`));

  const [first, second] = [tab(), tab()];
  await soon(() => expect(streams).toHaveLength(1));
  say(1, "one");
  await soon(() => expect([first.heard, second.heard]).toEqual([["one"], ["one"]]));

  first.close();
  await soon(() => expect(streams).toHaveLength(2));
  say(2, "two");
  await soon(() => expect(second.heard).toEqual(["one", "two"]));
  expect(opened).toEqual(["e:0", "e:1"]);
  expect(first.heard).toEqual(["one"]);
  second.close();
  await Promise.all([first.done, second.done]);
});
