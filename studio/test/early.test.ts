import { expect, test, vi } from "vitest";
import type { Tokens } from "../src/api/auth";
import { createApi } from "../src/api/client";
import { Early } from "../src/api/early";

const ORIGIN = "http://localhost";

function page(path: string) {
  const sent: string[] = [];
  let now = 0;
  const send = vi.fn(async (request: Request) => {
    sent.push(new URL(request.url).pathname);
    return Response.json({ id: "e", title: `answer ${sent.length}` });
  });
  const tokens = { send } as unknown as Tokens;
  const early = new Early(tokens, () => now);
  early.ask(path, ORIGIN);
  const api = createApi(tokens, `${ORIGIN}/`, globalThis.fetch, early);
  const title = async () =>
    (await api.GET("/api/v1/episodes/{episode_id}", { params: { path: { episode_id: "e" } } })).data?.title;
  return {
    sent,
    title,
    later: (ms: number) => {
      now += ms;
    },
  };
}

test("the episode of the address is asked for once, before its screen asks", async () => {
  const { sent, title } = page("/p/p/e/e");
  expect(sent).toEqual(["/api/v1/episodes/e"]);
  expect(await title()).toBe("answer 1");
  expect(sent).toHaveLength(1);
  expect(await title()).toBe("answer 2"); // the second time it is asked for anew
});

test("an answer that nobody took for long is not shown", async () => {
  const { title, later } = page("/p/p/e/e");
  later(10_000);
  expect(await title()).toBe("answer 2");
});

test.each(["/", "/p/p", "/p/p/e/e/film", "/inbox"])("%s asks for nothing early", (path) => {
  expect(page(path).sent).toEqual([]);
});
