import { act, cleanup, fireEvent, screen, within } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Schemas } from "../src/api/client";
import { BatchBar } from "../src/screens/episode/BatchBar";
import { CompileBar } from "../src/screens/episode/CompileBar";
import { Inspector } from "../src/screens/episode/Inspector";
import { SegmentTools } from "../src/screens/episode/SegmentTools";
import { Timeline } from "../src/screens/episode/Timeline";
import { asset, episode, Gateway, segment, showInEpisode } from "./gateway";

const SLOW = { timeout: 10_000 };
const version = {
  id: "x1",
  number: 1,
  directions: "Push in",
  settings: {},
  model: "m",
  quality_metrics: {},
  url: "/v",
};
const PIER = segment(1, "Pier");
const LAMP = segment(2, "公司会议室");
const ASSETS = [
  asset("v1", "s1", "video", { committed: version }),
  asset("i1", "s1", "starting_image", { committed: { ...version, id: "x2" } }),
  asset("n1", "s1", "narration"),
  asset("v2", "s2", "video"),
  asset("i2", "s2", "starting_image"),
  asset("n2", "s2", "narration"),
];
const EPISODE = episode([PIER, LAMP], ASSETS);

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function gateway() {
  return new Gateway({ "/episodes/e": EPISODE, "/models": { data: [] } });
}

async function press(name: string | RegExp) {
  const button = await screen.findByRole("button", { name }, SLOW);
  await act(async () => fireEvent.click(button));
}

describe("a batch", () => {
  const batch = { batch_id: "b", completed: 1, approved: 1, total: 2, message: "Segment 2 was rejected" };

  test("is paused, resumed, cancelled, and goes on without what waits", async () => {
    const at = gateway();
    showInEpisode("editor", <BatchBar onOpen={() => {}} />);
    await screen.findByRole("button", { name: "Generate what is missing" }, SLOW);
    await at.tell("batch-updated", {
      ...batch,
      status: "running",
      failed: 0,
      updated_at: "2026-01-01T00:00:01Z",
    });
    expect(screen.queryByRole("button", { name: "Skip what waits" })).toBeNull();
    await press("Pause");
    await at.tell("batch-updated", {
      ...batch,
      status: "paused",
      failed: 0,
      updated_at: "2026-01-01T00:00:02Z",
    });
    await press("Resume");
    const waits = { ...batch, status: "waiting_review", failed: 0, updated_at: "2026-01-01T00:00:03Z" };
    await at.tell("batch-updated", waits);
    await press("Skip what waits");
    await press("Cancel batch");
    expect(at.sent).toEqual([
      { method: "POST", path: "/batches/b/pause", body: null },
      { method: "POST", path: "/batches/b/resume", body: null },
      { method: "POST", path: "/batches/b/resume", body: { skip_held: true } },
      { method: "POST", path: "/batches/b/cancel", body: null },
    ]);
  });

  test("names each segment that failed, why, and leads to it, also when it has ended", async () => {
    const at = gateway();
    const onOpen = vi.fn();
    showInEpisode("editor", <BatchBar onOpen={onOpen} />);
    await screen.findByRole("button", { name: "Generate what is missing" }, SLOW);
    const failure = { message: "Flagged", error: { recovery: "Change the directions." } };
    const run = { asset_id: "v2", segment_id: "s2", run_id: "r", updated_at: "2026-01-01T00:00:01Z" };
    await at.tell("failed", { ...run, ...failure, recovery: "Change the directions." });
    for (const [second, status] of [
      [2, "running"],
      [3, "failed"],
    ] as const) {
      const updated_at = `2026-01-01T00:00:0${second}Z`;
      await at.tell("batch-updated", { ...batch, status, failed: 1, updated_at });
      const failed = within(await screen.findByRole("list", { name: "Failed segments" }));
      expect(failed.getAllByRole("button").map((b) => b.textContent)).toEqual(["! 2 公司会议室: Flagged"]);
      fireEvent.click(failed.getByRole("button"));
    }
    expect(onOpen.mock.calls).toEqual([
      ["s2", "video"],
      ["s2", "video"],
    ]);
  });
});

test("the focus stays in the batch's bar when its buttons change", async () => {
  const at = gateway();
  showInEpisode("editor", <BatchBar onOpen={() => {}} />);
  const button = await screen.findByRole("button", { name: "Generate what is missing" }, SLOW);
  button.focus();
  await act(async () => fireEvent.click(button));
  const batch = { batch_id: "b", completed: 0, approved: 0, total: 2, failed: 0, message: "" };
  await at.tell("batch-updated", { ...batch, status: "running", updated_at: "2026-01-01T00:00:01Z" });
  expect(document.activeElement).toBe(screen.getByRole("region", { name: "Batch" }));
  screen.getByRole("button", { name: "Pause" }).focus();
  await at.tell("batch-updated", { ...batch, status: "completed", updated_at: "2026-01-01T00:00:02Z" });
  expect(document.activeElement).not.toBe(document.body);
});

describe("compiling", () => {
  test("sends the transition, captions and sound that were chosen, and says before what is left out", async () => {
    const at = gateway();
    showInEpisode("editor", <CompileBar />);
    expect(await screen.findByText("Leaves out 2: nothing approved", {}, SLOW)).toBeTruthy();
    fireEvent.change(screen.getByLabelText("Transition"), { target: { value: "dissolve" } });
    fireEvent.change(screen.getByLabelText("Captions"), { target: { value: "burned" } });
    fireEvent.click(screen.getByLabelText("Music"));
    fireEvent.change(screen.getByLabelText("Sound of the videos"), { target: { value: "mute" } });
    fireEvent.change(screen.getByLabelText("Loudness"), { target: { value: "-23" } });
    await press("Compile film");
    const audio_config = { background_music: false, segment_sound: "mute", loudness_lufs: -23 };
    expect(at.sent).toEqual([
      {
        method: "POST",
        path: "/episodes/e/compile",
        body: { transition_style: "dissolve", captions: "burned", audio_config },
      },
    ]);
  });
});

describe("a segment", () => {
  const open = (role: Schemas["Project"]["my_role"], more: object = {}) =>
    showInEpisode(role, <SegmentTools segment={{ ...PIER, ...more } as unknown as Schemas["Segment"]} />);

  test("has a transition of its own, with its seconds", async () => {
    const at = gateway();
    open("editor", { transition_after: { style: "fade", duration: 0.5 } });
    const seconds = await screen.findByLabelText("Seconds", {}, SLOW);
    fireEvent.change(seconds, { target: { value: "1.5" } });
    await act(async () => fireEvent.blur(seconds));
    fireEvent.change(screen.getByLabelText("Transition"), { target: { value: "cut" } });
    await act(async () => {});
    expect(at.sent.map((s) => s.body)).toEqual([
      { transition_after: { style: "fade", duration: 1.5 } },
      { transition_after: { style: "cut", duration: 0 } },
    ]);
  });

  test("takes no transition that the gateway would refuse", async () => {
    const at = gateway();
    open("editor", { transition_after: { style: "fade", duration: 0.5 } });
    const seconds = (await screen.findByLabelText("Seconds", {}, SLOW)) as HTMLInputElement;
    fireEvent.change(seconds, { target: { value: "" } });
    await act(async () => fireEvent.blur(seconds));
    expect(seconds.value).toBe("0.5");
    fireEvent.change(seconds, { target: { value: "99" } });
    await act(async () => fireEvent.blur(seconds));
    expect(at.sent.map((s) => s.body)).toEqual([{ transition_after: { style: "fade", duration: 5 } }]);
  });
});

describe("what each role may do, and why not the rest", () => {
  test.each([
    ["viewer", false],
    ["reviewer", false],
    ["editor", true],
    ["owner", true],
  ] as const)("%s", async (role, mayEdit) => {
    const at = gateway();
    showInEpisode(
      role,
      <>
        <BatchBar onOpen={() => {}} />
        <Inspector
          segment={PIER as unknown as Schemas["Segment"]}
          musicId={null}
          tab="video"
          onTab={() => {}}
          onReview={() => {}}
        />
        <CompileBar />
      </>,
    );
    await screen.findByRole("button", { name: "Generate what is missing" }, SLOW);
    const reasons = [
      ["Generate what is missing", "Only editors can generate"],
      [mayEdit ? "Regenerate video" : "Only editors can generate", "Only editors can generate"],
      ["Compile film", "Only editors can compile"],
      ["Delete segment", "Only editors can change it"],
    ] as const;
    for (const [name, why] of reasons) {
      const button = screen.getByRole("button", { name });
      expect(button.getAttribute("aria-disabled"), name).toBe(mayEdit ? null : "true");
      expect(button.getAttribute("title"), name).toBe(mayEdit ? null : why);
    }
    expect((screen.getByLabelText("Directions") as HTMLTextAreaElement).readOnly).toBe(!mayEdit);
    await press("Generate what is missing");
    expect(at.sent.map((s) => s.path)).toEqual(mayEdit ? ["/episodes/e/batches"] : []);
  });
});

describe("keys of the timeline", () => {
  test("T leads to the transition after the segment, Delete asks whether it is deleted", async () => {
    const at = gateway();
    Object.assign(HTMLDialogElement.prototype, {
      showModal(this: HTMLDialogElement) {
        this.setAttribute("open", "");
      },
    });
    showInEpisode(
      "editor",
      <>
        <Timeline selected="s1" onSelect={() => {}} />
        <SegmentTools segment={PIER as unknown as Schemas["Segment"]} />
      </>,
    );
    const card = await screen.findByRole("button", { name: /1 Pier/ }, SLOW);
    fireEvent.keyDown(card, { key: "t" });
    expect(document.activeElement).toBe(screen.getByLabelText("Transition"));
    await act(async () => fireEvent.keyDown(card, { key: "Delete" }));
    const dialog = within(screen.getByRole("dialog"));
    expect(at.sent).toEqual([]); // it is asked first
    await act(async () => fireEvent.click(dialog.getByRole("button", { name: "Delete segment" })));
    expect(at.sent).toEqual([{ method: "DELETE", path: "/segments/s1", body: null }]);
  });

  test("arrows select and carry", async () => {
    const at = gateway();
    const onSelect = vi.fn();
    showInEpisode("editor", <Timeline selected="s1" onSelect={onSelect} />);
    const card = await screen.findByRole("button", { name: /1 Pier/ }, SLOW);
    fireEvent.keyDown(card, { key: "ArrowRight" });
    expect(onSelect.mock.calls).toEqual([["s2"]]);
    await act(async () => fireEvent.keyDown(card, { key: "ArrowRight", altKey: true, shiftKey: true }));
    await vi.waitFor(() =>
      expect(at.sent).toEqual([
        { method: "PUT", path: "/episodes/e/order", body: { segment_ids: ["s2", "s1"] } },
      ]),
    );
    await act(async () => fireEvent.keyDown(card, { key: "a", ctrlKey: true }));
    expect(screen.getByText("2 segments selected")).toBeTruthy();
  });
});

test("a segment that somebody else adds appears in its place", async () => {
  const answers: Record<string, unknown> = { "/episodes/e": EPISODE };
  const at = new Gateway(answers);
  showInEpisode("editor", <Timeline selected="s1" onSelect={() => {}} />);
  await screen.findByRole("button", { name: /2 公司会议室/ }, SLOW);
  const assets = [
    asset("v3", "s3", "video"),
    asset("i3", "s3", "starting_image"),
    asset("n3", "s3", "narration"),
  ];
  answers["/episodes/e"] = episode([PIER, segment(3, "Tower"), LAMP], [...ASSETS, ...assets]);
  await at.tell("changed", { resource: "segment", id: "s3", project_id: "p" });
  expect(await screen.findByRole("button", { name: /2 Tower/ })).toBeTruthy();
  expect(screen.getByRole("button", { name: /3 公司会议室/ })).toBeTruthy();
});

test("what takes its own button away gives the focus on", async () => {
  gateway();
  showInEpisode(
    "editor",
    <>
      <Timeline selected="s1" onSelect={() => {}} />
      <Inspector
        segment={PIER as unknown as Schemas["Segment"]}
        musicId={null}
        tab="video"
        onTab={() => {}}
        onReview={() => {}}
      />
    </>,
  );
  const field = (await screen.findByLabelText(/^Directions/, {}, SLOW)) as HTMLTextAreaElement;
  for (const name of ["Reset", "Save draft"]) {
    await act(async () => fireEvent.change(field, { target: { value: `before ${name}` } }));
    await press(name);
    expect(document.activeElement).toBe(field);
  }
  const card = screen.getByRole("button", { name: /1 Pier/ });
  await act(async () => fireEvent.keyDown(card, { key: "a", ctrlKey: true }));
  screen.getByRole("button", { name: "Clear the selection" }).focus();
  await press("Clear the selection");
  expect(document.activeElement).toBe(card);
  await act(async () =>
    fireEvent.click(screen.getAllByRole("button", { name: "Move to position…" })[0] as Element),
  );
  await act(async () =>
    fireEvent.change(screen.getByRole("combobox", { name: "Move to position…" }), { target: { value: "1" } }),
  );
  expect(document.activeElement).toBe(card);
});

test("the button that makes a video stays the same button, and keeps the focus", async () => {
  const at = gateway();
  showInEpisode(
    "editor",
    <Inspector
      segment={PIER as unknown as Schemas["Segment"]}
      musicId={null}
      tab="video"
      onTab={() => {}}
      onReview={() => {}}
    />,
  );
  const button = await screen.findByRole("button", { name: "Regenerate video" }, SLOW);
  button.focus();
  await act(async () => fireEvent.click(button));
  const run = { asset_id: "v1", segment_id: "s1", run_id: "r" };
  await at.tell("progress", {
    ...run,
    status: "generating",
    percent: 40,
    updated_at: "2026-01-01T00:00:01Z",
  });
  expect(document.activeElement).toBe(button);
  expect(button.textContent).toMatch(/^Generating video/);
  await at.tell("preview-ready", { ...run, versions: [], updated_at: "2026-01-01T00:00:02Z" });
  expect(document.activeElement).toBe(button);
  expect(button.textContent).toBe("Review video");
});
