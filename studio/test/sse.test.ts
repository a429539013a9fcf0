import { describe, expect, test, vi } from "vitest";
import { type Connection, type Frame, follow, Parser, retryAfter } from "../src/live/sse";

const STREAM = [
  ": a comment\n",
  "retry: 2000\n\n",
  'id: 5d0c:1\nevent: progress\ndata: {"percent":1}\n\n',
  "id: 5d0c:2\r\nevent: complete\r\ndata: a\r\ndata: b\r\n\r\n",
  "data: 公司会议室 🎬\rid: 5d0c:3\r\r",
].join("");

describe("Parser", () => {
  test("any cut into chunks gives the same frames", () => {
    const whole = framesOf([STREAM, "\n"]);
    expect(whole).toEqual([
      { event: "progress", data: '{"percent":1}', id: "5d0c:1" },
      { event: "complete", data: "a\nb", id: "5d0c:2" },
      { event: "message", data: "公司会议室 🎬", id: "5d0c:3" },
    ]);
    for (let size = 1; size < 12; size++) {
      const chunks = [];
      for (let i = 0; i < STREAM.length; i += size) chunks.push(STREAM.slice(i, i + size));
      expect(framesOf([...chunks, "\n"]), `chunks of ${size}`).toEqual(whole);
    }
  });

  test("what is not complete is not given", () => {
    expect(new Parser().push("data: half\n")).toEqual([]);
  });
});

function framesOf(chunks: readonly string[]): Frame[] {
  const parser = new Parser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

test("Retry-After is seconds or a date", () => {
  expect(retryAfter("7")).toBe(7000);
  expect(retryAfter("Thu, 01 Jan 2026 00:00:10 GMT", Date.UTC(2026, 0, 1))).toBe(10_000);
  expect(retryAfter("soon")).toBeNull();
  expect(retryAfter(null)).toBeNull();
});

describe("follow", () => {
  test("resumes after the last id, obeys retry and Retry-After, stops when it is refused", async () => {
    const sent: (string | undefined)[] = [];
    const waits: number[] = [];
    const states: Connection["state"][] = [];
    const names: string[] = [];
    const answers = [
      () => new Response("retry: 250\nid: e:7\nevent: progress\ndata: {}\n\n", { status: 200 }),
      () => new Response("", { status: 503, headers: { "Retry-After": "3" } }),
      () => new Response("", { status: 403 }),
    ];
    await follow({
      url: "/api/v1/events",
      from: "e:6",
      open: async (_url, headers) => {
        sent.push(headers["Last-Event-ID"]);
        const answer = answers.shift();
        if (answer === undefined) throw new Error("too many connections");
        return answer();
      },
      onFrames: (frames) => names.push(...frames.map((f) => f.event)),
      onState: (c) => states.push(c.state),
      signal: new AbortController().signal,
      sleep: async (ms) => {
        waits.push(ms);
      },
    });
    expect(sent).toEqual(["e:6", "e:7", "e:7"]);
    expect(names).toEqual(["progress"]);
    expect(waits).toEqual([250, 3000]);
    expect(states).toEqual([
      "connecting",
      "open",
      "waiting",
      "connecting",
      "waiting",
      "connecting",
      "refused",
    ]);
  });

  test("a fault in a handler is reported and loses no later frame", async () => {
    const reported: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
    const seen: string[] = [];
    const stop = new AbortController();
    const frame = (id: number) => new TextEncoder().encode(`id: e:${id}\ndata: ${id}\n\n`);
    const body = new ReadableStream({
      async start(to) {
        to.enqueue(frame(1));
        await new Promise((resolve) => setTimeout(resolve, 5));
        to.enqueue(frame(2));
        to.close();
      },
    });
    await follow({
      url: "/",
      from: null,
      open: async () => new Response(body),
      onFrames: ([first]) => {
        seen.push(first?.data ?? "");
        if (seen.length === 1) throw new Error("a fault");
      },
      onState: () => {},
      signal: stop.signal,
      sleep: async () => stop.abort(),
    });
    vi.unstubAllGlobals();
    expect(seen).toEqual(["1", "2"]);
    expect(reported).toHaveLength(1);
  });

  test("waits longer after each failure, with jitter, at most 30 s", async () => {
    const waits: number[] = [];
    const stop = new AbortController();
    await follow({
      url: "/",
      from: null,
      open: async () => {
        throw new TypeError("no network");
      },
      onFrames: () => {},
      onState: () => {},
      signal: stop.signal,
      random: () => 1,
      sleep: async (ms) => {
        waits.push(ms);
        if (waits.length === 7) stop.abort();
      },
    });
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  });
});
