import { describe, expect, test } from "vitest";
import type { Schemas } from "../src/api/client";
import { type Board, emptyBoard, fromEpisode, reduce, type StreamEvent } from "../src/live/board";

const EPISODE = "e1";

function asset(id: string, more: Partial<Schemas["Asset"]> = {}): Schemas["Asset"] {
  return {
    id,
    segment_id: `s-${id}`,
    kind: "video",
    committed: null,
    preview: null,
    active_run_id: null,
    stale: null,
    ...more,
  } as Schemas["Asset"];
}

function event(name: string, second: number, more: Record<string, unknown> = {}): StreamEvent {
  const updated_at = `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;
  return {
    name,
    data: { episode_id: EPISODE, asset_id: "a1", segment_id: "s-a1", run_id: "r1", updated_at, ...more },
  };
}

const BOARD = fromEpisode(emptyBoard(EPISODE), [asset("a1"), asset("a2")]).board;

const LIFE = [
  event("regenerate-requested", 1, { status: "requested" }),
  event("progress", 2, { status: "queued" }),
  event("progress", 3, { status: "generating", percent: 40 }),
  event("preview-ready", 4, { deadline: "2026-01-01T00:30:00Z" }),
  event("review-updated", 4, { change: "opened", deadline: "2026-01-01T00:30:00Z" }),
  event("accepted", 5),
  event("complete", 6, { version_id: "v1" }),
];

describe("a run's life", () => {
  test("each event gives its look", () => {
    let board: Board = BOARD;
    const looks = LIFE.map((e) => {
      board = reduce(board, [e]).board;
      return board.cells.get("a1")?.look;
    });
    expect(looks).toEqual(["queued", "queued", "working", "review", "review", "committing", "done"]);
  });

  test("the video is refetched at complete, never at accept", () => {
    const whats = (e: StreamEvent) => reduce(BOARD, [e]).refetches.map((r) => r.what);
    expect(whats(event("accepted", 5))).toEqual(["run"]);
    expect(whats(event("complete", 6))).toEqual(["asset", "segment"]);
  });

  test("the run is refetched when it is offered and when it is decided", () => {
    const ends = [
      event("preview-ready", 5),
      event("accepted", 5),
      event("rejected", 5),
      event("review-updated", 5, { change: "expired" }),
      event("review-updated", 5, { change: "withdrawn" }),
    ];
    for (const end of ends) {
      expect(reduce(BOARD, [end]).refetches).toContainEqual({ what: "run", id: "r1" });
    }
    expect(reduce(BOARD, [event("review-updated", 5, { change: "opened" })]).refetches).toEqual([]);
  });

  test("in any order, and twice, it ends the same", () => {
    const end = reduce(BOARD, LIFE).board.cells.get("a1");
    for (let seed = 1; seed <= 300; seed++) {
      const events = shuffled([...LIFE, ...LIFE], seed);
      const cell = events.reduce((board, e) => reduce(board, [e]).board, BOARD).cells.get("a1");
      expect(cell?.look, `seed ${seed}`).toBe(end?.look);
      expect(cell?.had, `seed ${seed}`).toBe(true);
      expect(cell?.seen, `seed ${seed}`).toEqual(end?.seen);
    }
  });

  test("in one chunk or many, it ends the same", () => {
    const one = reduce(BOARD, LIFE).board;
    const many = LIFE.reduce((board, e) => reduce(board, [e]).board, BOARD);
    expect([...one.cells]).toEqual([...many.cells]);
  });
});

test("only what changed is rendered", () => {
  const { changed } = reduce(BOARD, [event("progress", 2, { status: "generating", percent: 5 })]);
  expect([...changed]).toEqual(["cell:a1"]);
  expect([...reduce(BOARD, [event("nobody-knows-it", 3)]).changed]).toEqual([]);
  expect([...reduce(BOARD, [event("progress", 3, { episode_id: "another" })]).changed]).toEqual([]);
});

test("a failure says what to do", () => {
  const error = { code: "x", cause: "Flagged.", recovery: "Change the directions." };
  const cell = reduce(BOARD, [event("failed", 3, { status: "failed", error })]).board.cells.get("a1");
  expect([cell?.look, cell?.message, cell?.recovery]).toEqual([
    "failed",
    "Flagged.",
    "Change the directions.",
  ]);
});

test("a GET keeps the progress of the run that is still active, and takes what it committed", () => {
  const working = reduce(BOARD, [event("progress", 3, { status: "generating", percent: 40 })]).board;
  const kept = fromEpisode(working, [asset("a1", { active_run_id: "r1" }), asset("a2")]);
  expect(kept.board.cells.get("a1")?.percent).toBe(40);
  const other = fromEpisode(working, [asset("a1", { active_run_id: "r2" }), asset("a2")]);
  expect(other.board.cells.get("a1")?.look).toBe("queued");
});

test("reset drops, an asset that is not known asks for the episode", () => {
  expect(reduce(BOARD, [{ name: "reset", data: {} }]).dropped).toBe(true);
  expect(reduce(BOARD, [event("progress", 1, { asset_id: "new" })]).refetches).toEqual([{ what: "episode" }]);
});

test("a snapshot replaces batches and films", () => {
  const batch = event("batch-updated", 1, { batch_id: "b1", status: "running", total: 4, completed: 1 });
  const running = reduce(BOARD, [batch]).board;
  expect(running.batches.get("b1")?.completed).toBe(1);
  const after = reduce(running, [
    { name: "snapshot", data: { runs: [], batches: [], compilations: [] } },
  ]).board;
  expect(after.batches.size).toBe(0);
});

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const found = [...items];
  let state = seed;
  for (let i = found.length - 1; i > 0; i--) {
    state = (state * 1103515245 + 12345) % 2147483648;
    const j = state % (i + 1);
    [found[i], found[j]] = [found[j] as T, found[i] as T];
  }
  return found;
}
