import { act, cleanup, render } from "@testing-library/react";
import { useState } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AppProvider } from "../src/app/context";
import { EpisodeProvider } from "../src/screens/episode/EpisodeContext";
import { Timeline } from "../src/screens/episode/Timeline";

const SEGMENTS = 200;
const drawn = vi.hoisted(() => ({ badges: 0 }));
vi.mock("../src/screens/episode/looks", () => ({
  LookBadge: () => {
    drawn.badges++;
    return null;
  },
}));

const asset = (id: string, segmentId: string, kind: string) => ({
  id,
  segment_id: segmentId,
  kind,
  revision: 1,
  committed: null,
  preview: null,
  active_run_id: null,
  stale: null,
  draft: null,
  defaults: {},
});
const segments = Array.from({ length: SEGMENTS }, (_, n) => ({
  id: `s${n}`,
  segment_number: n + 1,
  scene_info: { location: `Place ${n + 1}`, description: null, characters: [] },
  assets: { video: `v${n}`, starting_image: `i${n}`, narration: `n${n}` },
  thumbnail_url: null,
  duration: 5,
}));
const EPISODE = {
  id: "e",
  title: "Long",
  cursor: "1",
  order_revision: 1,
  segments,
  assets: segments.flatMap((s) => [
    asset(s.assets.video, s.id, "video"),
    asset(s.assets.starting_image, s.id, "starting_image"),
  ]),
};

beforeEach(() => {
  // happy-dom has no popovers.
  Object.assign(HTMLElement.prototype, { showPopover: () => {}, hidePopover: () => {} });
  vi.stubGlobal("fetch", async (input: Request | string) => {
    const url = input instanceof Request ? input.url : input;
    if (url.endsWith("/auth/token")) return Response.json({ access_token: "t", expires_in: 3600 });
    if (url.endsWith("/episodes/e")) return Response.json(EPISODE);
    return new Promise<Response>(() => {}); // the stream, and what this test does not ask for
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** The selection, as the address keeps it on the page. */
function Selecting() {
  const [selected, setSelected] = useState("s0");
  return <Timeline selected={selected} onSelect={setSelected} />;
}

test("a selection renders the two cards that it changes, not all of them", async () => {
  const { container } = render(
    <AppProvider>
      <EpisodeProvider projectId="p" episodeId="e" {...{ role: "editor" }} loading={null}>
        <Selecting />
      </EpisodeProvider>
    </AppProvider>,
  );
  const selected = () => container.querySelector("[aria-current]")?.getAttribute("data-card");
  await vi.waitFor(() => expect(container.querySelectorAll("[data-card]")).toHaveLength(SEGMENTS), 10_000);
  drawn.badges = 0;
  await act(async () => container.querySelector<HTMLElement>("[data-card=s7]")?.click());
  expect(selected()).toBe("s7");
  expect(drawn.badges).toBe(2);
}, 30_000); // 200 cards, on a busy machine
