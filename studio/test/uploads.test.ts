import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Tokens } from "../src/api/auth";
import { Problem } from "../src/api/problems";
import { upload } from "../src/api/uploads";

const SIZE = 10;
const FILE = () => new File(["0123456789"], "film.mov", { lastModified: 7 });

/** A gateway that receives in parts of 4 bytes; `answers`: what a PATCH gets instead, by its number. */
class Receiver {
  received = "";
  patches: string[] = [];
  begun = 0;
  constructor(readonly answers: Readonly<Record<number, "break" | number>> = {}) {}

  state() {
    const upload = this.received.length === SIZE ? { id: "up-1" } : null;
    return { id: "part-1", size: SIZE, received: this.received.length, part_size: 4, upload };
  }

  tokens(): Tokens {
    const send = async (request: Request) => {
      if (request.method === "POST") this.begun += 1;
      return Response.json(this.state());
    };
    return { get: async () => "token", send } as unknown as Tokens;
  }

  async patch(url: string, body: Blob): Promise<{ status: number; body: unknown } | "break"> {
    this.patches.push(url.split("?")[1] ?? "");
    const answer = this.answers[this.patches.length];
    if (answer === "break") return "break";
    if (answer !== undefined) return { status: answer, body: { type: "/problems/x", detail: "no" } };
    const offset = Number(new URLSearchParams(url.split("?")[1]).get("offset"));
    if (offset !== this.received.length) return { status: 409, body: { type: "/problems/invalid-state" } };
    this.received += await body.text();
    return { status: 200, body: this.state() };
  }
}

function stub(receiver: Receiver) {
  class Xhr {
    upload: { onprogress: ((event: object) => void) | null } = { onprogress: null };
    status = 0;
    responseText = "";
    onload = () => {};
    onerror = () => {};
    #url = "";
    open(_method: string, url: string) {
      this.#url = url;
    }
    setRequestHeader() {}
    getResponseHeader(name: string) {
      return name === "Content-Type" ? "application/json" : null;
    }
    async send(body: Blob) {
      this.upload.onprogress?.({ loaded: body.size, total: body.size, lengthComputable: true });
      const answer = await receiver.patch(this.#url, body);
      if (answer === "break") return this.onerror();
      this.status = answer.status;
      this.responseText = JSON.stringify(answer.body);
      this.onload();
    }
  }
  vi.stubGlobal("XMLHttpRequest", Xhr);
}

const pause = async () => {};
const sent = (receiver: Receiver, shares: number[] = []) => {
  stub(receiver);
  return upload(receiver.tokens(), "p", FILE(), (share) => shares.push(share), undefined, {
    inPartsFrom: 1,
    pause,
  });
};

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
    size: () => kept.size,
  });
  vi.stubGlobal("location", { href: "http://localhost/" });
});
afterEach(() => vi.unstubAllGlobals());

describe("a large file", () => {
  it("is sent in parts", async () => {
    const receiver = new Receiver();
    const shares: number[] = [];
    expect((await sent(receiver, shares)).id).toBe("up-1");
    expect(receiver.patches).toEqual(["offset=0", "offset=4", "offset=8"]);
    expect(shares).toEqual([0.4, 0.8, 1]);
    expect((sessionStorage as unknown as { size: () => number }).size()).toBe(0);
  });

  it("goes on where it broke", async () => {
    const receiver = new Receiver({ 2: "break", 3: 503, 4: "break" });
    expect((await sent(receiver)).id).toBe("up-1");
    expect(receiver.received).toBe("0123456789");
    expect(receiver.patches.filter((offset) => offset === "offset=0")).toHaveLength(1);
  });

  it("goes on after a reload, when the same file is chosen again", async () => {
    const receiver = new Receiver(Object.fromEntries([2, 3, 4, 5, 6, 7, 8, 9].map((n) => [n, "break"])));
    await expect(sent(receiver)).rejects.toBeInstanceOf(Problem);
    expect(receiver.received).toBe("0123");
    expect((await sent(receiver)).id).toBe("up-1");
    expect([receiver.begun, receiver.received]).toEqual([1, "0123456789"]);
  });

  it("that is refused is told, and not tried again", async () => {
    const receiver = new Receiver({ 1: 415 });
    await expect(sent(receiver)).rejects.toMatchObject({ status: 415 });
    expect(receiver.patches).toHaveLength(1);
    expect((sessionStorage as unknown as { size: () => number }).size()).toBe(0);
  });
});
