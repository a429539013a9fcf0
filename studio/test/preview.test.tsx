import { act, cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Schemas } from "../src/api/client";
import { PreviewDialog } from "../src/screens/preview/PreviewDialog";
import { asset, episode, Gateway, segment, showInEpisode } from "./gateway";

const SLOW = { timeout: 10_000 };
const version = (id: string, number: number) => ({
  id,
  number,
  kind: "video",
  status: "preview",
  directions: `Push in ${number}`,
  settings: {},
  differences: [],
  model: "m",
  quality_metrics: {},
  quality_events: [],
  unmeasured: {},
  cost: { actual: null, estimated: null },
  url: `/media/${id}?preview=${id}`,
  duration: 5,
  fps: 24,
  fps_num: 24,
  fps_den: 1,
  frames: 120,
  seed: null,
  photosensitivity_warning: null,
});
const RUN = {
  id: "r",
  asset_id: "v1",
  segment_id: "s1",
  episode_id: "e",
  project_id: "p",
  kind: "video",
  label: "Segment 1 video",
  number: 2,
  status: "preview_ready",
  deadline: null,
  updated_at: "2026-01-01T00:00:01Z",
  versions: [version("x2", 2), version("x3", 3)],
};

beforeEach(() => {
  vi.spyOn(HTMLMediaElement.prototype, "play").mockResolvedValue(undefined);
  Object.assign(HTMLDialogElement.prototype, {
    showModal(this: HTMLDialogElement) {
      this.setAttribute("open", "");
    },
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function opened(more: object = {}, role: Schemas["Project"]["my_role"] = "editor") {
  const run = { ...RUN, ...more };
  const committed = { ...version("x1", 1), status: "accepted", committed: true };
  const at = new Gateway({
    "/episodes/e": episode(
      [segment(1, "Pier")],
      [
        asset("v1", "s1", "video", { committed, preview: run, active_run_id: "r" }),
        asset("i1", "s1", "starting_image"),
        asset("n1", "s1", "narration"),
      ],
    ),
    "/notes": { data: [] },
    "/me": { user_id: "me" },
  });
  const onClose = vi.fn();
  const onRegenerate = vi.fn();
  showInEpisode(
    role,
    <PreviewDialog
      run={run as unknown as Schemas["Run"]}
      opened="by-person"
      onClose={onClose}
      onRegenerate={onRegenerate}
    />,
  );
  const heading = await screen.findByRole("heading", { name: "1 Pier: Video ready for review" }, SLOW);
  const press = (key: string, extra: object = {}, target: Element = heading) =>
    act(async () => {
      fireEvent.keyDown(target, { key, ...extra });
    });
  return { at, press, heading, onClose, onRegenerate };
}

const reviews = (at: Gateway) => at.sent.filter((s) => s.path === "/runs/r/review").map((s) => s.body);

describe("keys of the preview, from its title on", () => {
  test("twenty fast keys send one decision, about the version that is shown", async () => {
    const { at, press } = await opened();
    await press("4");
    await act(async () => {
      for (let n = 0; n < 20; n++) fireEvent.keyDown(screen.getByRole("heading", { level: 2 }), { key: "a" });
    });
    expect(reviews(at)).toEqual([
      expect.objectContaining({ action: "approve", version_id: "x2", rating: 4 }),
    ]);
  });

  test("of variants the chosen one is approved", async () => {
    const { at, press } = await opened();
    const tabs = screen.getAllByRole("tab");
    expect(tabs.map((t) => t.getAttribute("aria-selected"))).toEqual(["true", "false"]);
    await act(async () => fireEvent.click(tabs[1] as Element));
    expect(document.querySelector("dialog video")?.getAttribute("src")).toContain("x3");
    await press("a");
    expect(reviews(at)).toEqual([expect.objectContaining({ version_id: "x3" })]);
  });

  test("R writes a rejection, in which no key decides; Esc leaves it, and then the dialog", async () => {
    const { at, press, onClose } = await opened();
    await press("r");
    const field = screen.getByLabelText("Add to the directions");
    await press("a");
    await press("a", {}, field);
    expect(reviews(at)).toEqual([]);
    expect(screen.queryByRole("button", { name: "Approve" })).toBeNull();
    const dialog = document.querySelector("dialog") as HTMLDialogElement;
    await act(async () => fireEvent(dialog, new Event("cancel", { cancelable: true })));
    expect(screen.queryByLabelText("Add to the directions")).toBeNull();
    expect(onClose).not.toHaveBeenCalled();
    await act(async () => fireEvent(dialog, new Event("cancel", { cancelable: true })));
    expect(onClose).toHaveBeenCalledOnce();
  });

  test("Ctrl Enter sends it, with what is asked for; the button says what will happen", async () => {
    const { at, press } = await opened();
    await press("r");
    expect(screen.getByRole("button", { name: "Reject" })).toBeTruthy();
    const field = screen.getByLabelText("Add to the directions");
    await act(async () => fireEvent.change(field, { target: { value: "slower, 更慢" } }));
    expect(screen.getByRole("button", { name: "Reject and regenerate" })).toBeTruthy();
    await press("Enter", { ctrlKey: true }, field);
    expect(reviews(at)).toEqual([
      expect.objectContaining({
        action: "reject",
        version_id: "x2",
        suggested_changes: { prompt_modifications: "slower, 更慢" },
        regenerate: true,
      }),
    ]);
  });

  test("C compares, G leads to the form, M begins a note", async () => {
    const { press, onRegenerate } = await opened();
    await press("c");
    expect(document.querySelectorAll("dialog video")).toHaveLength(2);
    await press("c");
    expect(document.querySelectorAll("dialog video")).toHaveLength(1);
    await press("g");
    expect(onRegenerate).toHaveBeenCalledOnce();
    await press("m");
    expect(screen.getByLabelText("Note at 00.0")).toBeTruthy();
  });
});

test("what ran out of time is offered again, and takes no decision before", async () => {
  const { at, press } = await opened({ status: "expired" });
  await press("a");
  expect(reviews(at)).toEqual([]);
  await act(async () => fireEvent.click(screen.getByRole("button", { name: "Offer it again" })));
  expect(at.sent).toEqual([{ method: "POST", path: "/runs/r/reopen", body: null }]);
});

test("a viewer reads why nothing is theirs to decide", async () => {
  const { at, press } = await opened({}, "viewer");
  const approve = screen.getByRole("button", { name: "Approve" });
  expect(approve.getAttribute("aria-disabled")).toBe("true");
  expect(approve.getAttribute("title")).toBe("Viewers cannot decide");
  await press("a");
  expect(reviews(at)).toEqual([]);
});

test.each([
  [false, 1],
  [true, 0],
])("it plays once when a person opened it, unless less motion is asked for (%s)", async (less, times) => {
  vi.stubGlobal("matchMedia", (query: string) => ({ matches: less && query.includes("reduced-motion") }));
  await opened();
  expect(HTMLMediaElement.prototype.play).toHaveBeenCalledTimes(times);
});

test("once a note is saved the focus goes back to where it was begun", async () => {
  const { press } = await opened();
  const slider = document.querySelector("dialog input[type=range]") as HTMLInputElement;
  slider.focus();
  await press("m", {}, slider);
  const field = screen.getByLabelText("Note at 00.0");
  expect(document.activeElement).toBe(field);
  await act(async () => fireEvent.change(field, { target: { value: "太慢" } }));
  await act(async () => fireEvent.keyDown(field, { key: "Enter", ctrlKey: true }));
  await vi.waitFor(() => expect(document.activeElement).toBe(slider));
});
