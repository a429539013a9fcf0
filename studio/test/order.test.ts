import { expect, test, vi } from "vitest";
import type { Api, Schemas } from "../src/api/client";
import { Problem } from "../src/api/problems";
import { EpisodeFeed, placed } from "../src/live/episode";
import { soon } from "./soon";

test("a segment is put behind another, or first", () => {
  expect(placed(["a", "b", "c"], "a", "b")).toEqual(["b", "a", "c"]);
  expect(placed(["a", "b", "c"], "c", null)).toEqual(["c", "a", "b"]);
  expect(placed(["a", "b", "c"], "b", "gone")).toEqual(["b", "a", "c"]);
});

const stale = new Problem(412, "stale", "Changed meanwhile.", "", "", [], null, {});

/** A gateway that keeps one order, and a feed that shows it. */
function opened(initial: readonly string[]) {
  const kept = { segment_ids: [...initial], revision: 1 };
  const episode = () => ({
    segments: kept.segment_ids.map((id) => ({ id })) as Schemas["Segment"][],
    assets: [],
    cursor: "1",
    order_revision: kept.revision,
  });
  const api = {
    GET: vi.fn(async (url: string) => {
      const answer = url.endsWith("/order") ? { ...kept } : episode();
      return { data: answer };
    }),
    PUT: vi.fn(async (_url: string, { params, body }: { params: never; body: Schemas["NewOrder"] }) => {
      const match = (params as { header: { "If-Match": string } }).header["If-Match"];
      if (match !== `"${kept.revision}"`) throw stale;
      Object.assign(kept, { segment_ids: body.segment_ids, revision: kept.revision + 1 });
      return { data: { ...kept } };
    }),
  };
  const open = () => new Promise<Response>(() => {});
  const feed = new EpisodeFeed({ api: api as unknown as Api, open, projectId: "p", episodeId: "e" });
  const shown = () => feed.store.get<readonly string[]>("order");
  feed.start();
  return { api, feed, kept, shown };
}

test("an order is shown at once, and sent with the revision that was seen", async () => {
  const { feed, kept, shown } = opened(["a", "b", "c"]);
  await soon(() => expect(shown()).toEqual(["a", "b", "c"]));
  const done = feed.place("a", "b");
  expect(shown()).toEqual(["b", "a", "c"]);
  expect(await done).toEqual({ merged: false });
  expect(kept).toEqual({ segment_ids: ["b", "a", "c"], revision: 2 });
  feed.close();
});

test("where somebody else changed the order, the segment is moved within theirs", async () => {
  const { feed, kept, shown } = opened(["a", "b", "c"]);
  await soon(() => expect(shown()).toEqual(["a", "b", "c"]));
  Object.assign(kept, { segment_ids: ["c", "new", "a", "b"], revision: 2 });
  expect(await feed.place("a", "b")).toEqual({ merged: true });
  expect(kept.segment_ids).toEqual(["c", "new", "b", "a"]);
  expect(shown()).toEqual(["c", "new", "b", "a"]);
  feed.close();
});

test("a refused order is shown no longer", async () => {
  const { api, feed, shown } = opened(["a", "b"]);
  await soon(() => expect(shown()).toEqual(["a", "b"]));
  api.PUT.mockRejectedValueOnce(new Problem(403, "forbidden", "Not yours.", "", "", [], null, {}));
  await expect(feed.place("a", "b")).rejects.toThrow("Not yours.");
  expect(shown()).toEqual(["a", "b"]);
  feed.close();
});

test("an answer that was sent before one's own order does not show the former one", async () => {
  const { api, feed, shown } = opened(["a", "b"]);
  await soon(() => expect(shown()).toEqual(["a", "b"]));
  let answer = (_: unknown) => {};
  api.GET.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve as typeof answer)));
  feed.refresh({ what: "order" });
  await soon(() => expect(api.GET).toHaveBeenCalledTimes(2));
  await feed.place("a", "b");
  answer({ data: { segment_ids: ["a", "b"], revision: 1 } });
  await new Promise((resolve) => setTimeout(resolve));
  expect(shown()).toEqual(["b", "a"]);
  feed.close();
});

test("orders made at once are sent one after another, and none overtakes the other", async () => {
  const { api, feed, kept, shown } = opened(["a", "b", "c"]);
  await soon(() => expect(shown()).toEqual(["a", "b", "c"]));
  const done = feed.place("a", "b");
  const undone = feed.place("a", null); // before the first is answered
  const third = feed.place("c", "a");
  expect(shown()).toEqual(["a", "c", "b"]);
  expect(await done).toEqual({ merged: false });
  expect(shown()).toEqual(["a", "c", "b"]); // its answer does not show the former order
  expect([await undone, await third]).toEqual([{ merged: false }, { merged: false }]);
  expect(api.PUT).toHaveBeenCalledTimes(3); // no one was refused for the other's sake
  expect(kept).toEqual({ segment_ids: ["a", "c", "b"], revision: 4 });
  feed.close();
});

test("a refused order does not take back the one behind it", async () => {
  const { api, feed, kept, shown } = opened(["a", "b", "c"]);
  await soon(() => expect(shown()).toEqual(["a", "b", "c"]));
  api.PUT.mockRejectedValueOnce(new Problem(503, "unavailable", "Not ready.", "", "", [], null, {}));
  const refused = feed.place("a", "b");
  const taken = feed.place("c", null);
  await expect(refused).rejects.toThrow("Not ready.");
  await taken;
  expect(kept.segment_ids[0]).toBe("c");
  expect(shown()).toEqual(kept.segment_ids);
  feed.close();
});
