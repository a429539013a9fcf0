/**
 * The state of an episode as a watcher sees it: segments x what is made for them, kept up to date by events.
 *
 * Pure: `fromEpisode` builds it from a GET, `reduce` moves it by the events of one chunk. Only the newest event of an
 * asset counts: `(updated_at, rank)`, as in `editing/editor.ts`.
 */

import type { Schemas } from "../api/client";
import { compare, compareTimes, type Place } from "../editing/editor";

export type Kind = Schemas["Asset"]["kind"];

/** How a cell looks. */
export type Look =
  | "nothing"
  | "queued"
  | "working"
  | "review"
  | "committing"
  | "done"
  | "rejected"
  | "failed"
  | "stopped";

/** One asset. `percent` is 0-100 while it is made; `had` says that a committed version exists. */
export interface Cell {
  readonly assetId: string;
  readonly segmentId: string | null;
  readonly kind: Kind;
  readonly look: Look;
  readonly percent: number;
  readonly message: string;
  readonly message_code: string | null;
  readonly message_args: Readonly<Record<string, unknown>>;
  readonly recovery: string;
  readonly runId: string | null;
  readonly deadline: string | null;
  readonly had: boolean;
  readonly stale: boolean;
  /** Of the newest event applied. */
  readonly seen: Place | null;
}

/** A batch, a compilation or an import as last heard of. */
export interface Work {
  readonly id: string;
  readonly status: string;
  readonly percent: number | null;
  readonly message: string;
  readonly message_code: string | null;
  readonly message_args: Readonly<Record<string, unknown>>;
  readonly completed: number;
  readonly approved: number;
  readonly failed: number;
  readonly total: number;
  readonly currentSegment: number | null;
  readonly updatedAt: string | null;
}

export interface Board {
  readonly episodeId: string;
  readonly cells: ReadonlyMap<string, Cell>;
  readonly batches: ReadonlyMap<string, Work>;
  readonly films: ReadonlyMap<string, Work>;
  readonly imports: ReadonlyMap<string, Work>;
}

/** What has to be fetched after an event. The reader of these bundles them (`refetch.ts`). */
export type Refetch =
  | { readonly what: "episode" }
  | { readonly what: "order" }
  | { readonly what: "settings" }
  | { readonly what: "project" }
  | { readonly what: "members" }
  | { readonly what: "notes"; readonly id: string }
  | { readonly what: "segment"; readonly id: string }
  | { readonly what: "asset"; readonly id: string }
  | { readonly what: "run"; readonly id: string }
  | { readonly what: "film"; readonly id: string }
  | { readonly what: "import"; readonly id: string };

export interface StreamEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Reduced {
  readonly board: Board;
  /** `cell:<asset>`, `batch:<id>`, `film:<id>`, `import:<id>`: what subscribers of these keys must render. */
  readonly changed: ReadonlySet<string>;
  readonly refetches: readonly Refetch[];
  /** `reset`: everything that was fetched is out of date. Drafts stay. */
  readonly dropped: boolean;
}

const LOOKS: Readonly<Record<string, Look>> = {
  requested: "queued",
  queued: "queued",
  generating: "working",
  preview_ready: "review",
  accepted: "committing",
  complete: "done",
  rejected: "rejected",
  expired: "stopped",
  failed: "failed",
  cancelled: "stopped",
};

const RANKS: Readonly<Record<string, number>> = {
  "regenerate-requested": 0,
  progress: 1,
  "preview-ready": 2,
  "review-updated": 3,
  accepted: 4,
  rejected: 4,
  failed: 5,
  complete: 5,
};

/** After these the run that a dialog may show says something else: offered, decided, or out of time. */
const REVIEWED = new Set(["preview-ready", "review-updated", "accepted", "rejected"]);

const FINISHED_WORK = new Set(["completed", "failed", "cancelled"]);

export function isActive(cell: Cell): boolean {
  return (
    cell.look === "queued" || cell.look === "working" || cell.look === "review" || cell.look === "committing"
  );
}

export function emptyBoard(episodeId: string): Board {
  return { episodeId, cells: new Map(), batches: new Map(), films: new Map(), imports: new Map() };
}

/** What a GET shows, keeping the progress of runs that are still active. */
export function fromEpisode(before: Board, assets: readonly Schemas["Asset"][]): Reduced {
  const changed = new Set<string>();
  const cells = new Map<string, Cell>();
  for (const asset of assets) {
    const known = before.cells.get(asset.id);
    const cell = cellOf(asset, known);
    cells.set(asset.id, cell);
    if (known === undefined || !sameCell(known, cell)) changed.add(`cell:${asset.id}`);
  }
  for (const id of before.cells.keys()) if (!cells.has(id)) changed.add(`cell:${id}`);
  return { board: { ...before, cells }, changed, refetches: [], dropped: false };
}

/** One asset as a GET shows it; what events told since counts more. */
export function cellOf(asset: Schemas["Asset"], known?: Cell): Cell {
  const run = asset.preview;
  const base: Cell = {
    assetId: asset.id,
    segmentId: asset.segment_id,
    kind: asset.kind,
    look: asset.committed ? "done" : "nothing",
    percent: 0,
    ...NOTHING_SAID,
    recovery: "",
    runId: null,
    deadline: null,
    had: asset.committed !== null,
    stale: asset.stale !== null,
    seen: known?.seen ?? null,
  };
  const keeps = known !== undefined && (isActive(known) || known.look === "failed");
  if (keeps && asset.active_run_id === known.runId) return { ...known, had: base.had, stale: base.stale };
  if (run !== null) {
    return {
      ...base,
      look: LOOKS[run.status] ?? "working",
      percent: run.percent ?? 0,
      ...saidBy({ ...run }),
      recovery: run.error?.recovery ?? "",
      runId: run.id,
      deadline: run.deadline,
      seen: run.updated_at ? [run.updated_at, 2] : base.seen,
    };
  }
  if (asset.active_run_id !== null) return { ...base, look: "queued", runId: asset.active_run_id };
  return base;
}

/** The events of one chunk, in order. */
export function reduce(board: Board, events: readonly StreamEvent[]): Reduced {
  const draft = new Draft(board);
  for (const event of events) draft.apply(event);
  return draft.result();
}

class Draft {
  private readonly cells: Map<string, Cell>;
  private readonly batches: Map<string, Work>;
  private readonly films: Map<string, Work>;
  private readonly imports: Map<string, Work>;
  private readonly changed = new Set<string>();
  private readonly refetches = new Map<string, Refetch>();
  private dropped = false;

  constructor(private readonly before: Board) {
    this.cells = new Map(before.cells);
    this.batches = new Map(before.batches);
    this.films = new Map(before.films);
    this.imports = new Map(before.imports);
  }

  result(): Reduced {
    const { cells, batches, films, imports, changed, dropped } = this;
    const board = changed.size > 0 ? { ...this.before, cells, batches, films, imports } : this.before;
    return { board, changed, refetches: [...this.refetches.values()], dropped };
  }

  apply({ name, data }: StreamEvent): void {
    if (name === "reset") {
      this.dropped = true;
      return;
    }
    if (name === "snapshot") {
      this.snapshot(data);
      return;
    }
    const episode = data.episode_id;
    if (name === "changed") {
      if (episode === this.before.episodeId || episode === null || episode === undefined) this.resource(data);
      return;
    }
    if (episode !== this.before.episodeId) return;
    switch (name) {
      case "batch-updated":
        this.work("batch", this.batches, text(data.batch_id), data);
        return;
      case "film-updated":
        this.work("film", this.films, text(data.compilation_job_id), data);
        if (data.status === "completed") this.refetch({ what: "film", id: text(data.compilation_job_id) });
        return;
      case "import-progress":
      case "import-ready":
      case "import-failed":
        this.work("import", this.imports, text(data.import_id), data);
        if (name === "import-ready") this.refetch({ what: "episode" });
        return;
      default:
        if (name in RANKS) this.run(name, data);
    }
  }

  private run(name: string, data: Readonly<Record<string, unknown>>): void {
    const assetId = text(data.asset_id);
    const cell = this.cells.get(assetId);
    if (name === "complete") {
      this.refetch({ what: "asset", id: assetId });
      const segment = text(data.segment_id);
      if (segment) this.refetch({ what: "segment", id: segment });
    }
    if (cell === undefined) {
      this.refetch({ what: "episode" });
      return;
    }
    const place: Place | null = data.updated_at ? [text(data.updated_at), RANKS[name] ?? 0] : null;
    if (place !== null && cell.seen !== null && compare(place, cell.seen) <= 0) return;
    const moved = move(cell, name, data);
    if (moved === null) return;
    const opened = name === "review-updated" && data.change === "opened";
    this.put({ ...moved, seen: opened ? cell.seen : (place ?? cell.seen) });
    if (REVIEWED.has(name) && !opened) this.refetch({ what: "run", id: text(data.run_id) });
  }

  private resource(data: Readonly<Record<string, unknown>>): void {
    const id = text(data.id);
    switch (data.resource) {
      case "asset":
        this.refetch({ what: "asset", id });
        return;
      case "segment":
        this.refetch(data.deleted === true ? { what: "episode" } : { what: "segment", id });
        return;
      case "order":
        this.refetch({ what: "order" });
        return;
      case "settings":
        this.refetch({ what: "settings" });
        return;
      case "project":
        this.refetch({ what: "project" });
        return;
      case "note":
        this.refetch({ what: "notes", id: text(data.version_id) });
        return;
      case "member":
        this.refetch({ what: "members" });
        return;
      default:
        this.refetch({ what: "episode" });
    }
  }

  private snapshot(data: Readonly<Record<string, unknown>>): void {
    for (const work of [this.batches, this.films, this.imports]) work.clear();
    this.changed.add("works");
    for (const run of list(data.runs)) {
      const cell = this.cells.get(text(run.asset_id));
      if (cell === undefined) continue;
      const place: Place | null = run.updated_at ? [text(run.updated_at), 0] : null;
      const older = cell.seen !== null && place !== null && compareTimes(place[0], cell.seen[0]) < 0;
      if (older) continue;
      const look = LOOKS[text(run.status)] ?? "working";
      const percent = number(run.percent) ?? 0;
      const [runId, deadline] = [text(run.run_id), textOrNull(run.deadline)];
      this.put({
        ...cell,
        look,
        percent,
        ...saidBy(run),
        recovery: "",
        runId,
        deadline,
        seen: place ?? cell.seen,
      });
    }
    for (const batch of list(data.batches)) this.apply({ name: "batch-updated", data: batch });
    for (const film of list(data.compilations)) this.apply({ name: "film-updated", data: film });
    this.refetch({ what: "episode" });
  }

  private work(
    prefix: string,
    works: Map<string, Work>,
    id: string,
    data: Readonly<Record<string, unknown>>,
  ): void {
    const known = works.get(id);
    const updatedAt = textOrNull(data.updated_at);
    if (known?.updatedAt && updatedAt) {
      const order = compareTimes(updatedAt, known.updatedAt);
      if (order < 0 || (order === 0 && FINISHED_WORK.has(known.status))) return;
    }
    works.set(id, {
      id,
      status: text(data.status),
      percent: number(data.progress) ?? number(data.percent),
      ...saidBy(data),
      completed: number(data.completed) ?? 0,
      approved: number(data.approved) ?? 0,
      failed: number(data.failed) ?? 0,
      total: number(data.total) ?? 0,
      currentSegment: number(data.current_segment),
      updatedAt,
    });
    this.changed.add(`${prefix}:${id}`).add("works");
  }

  private put(cell: Cell): void {
    const known = this.cells.get(cell.assetId);
    this.cells.set(cell.assetId, cell);
    if (known === undefined || !sameCell(known, cell)) this.changed.add(`cell:${cell.assetId}`);
  }

  private refetch(refetch: Refetch): void {
    this.refetches.set("id" in refetch ? `${refetch.what}:${refetch.id}` : refetch.what, refetch);
  }
}

/** The cell after this event; null if it does not concern how the cell looks. */
function move(cell: Cell, name: string, data: Readonly<Record<string, unknown>>): Cell | null {
  const news = saidBy(data);
  const same: Cell = { ...cell, ...news, recovery: "", runId: textOrNull(data.run_id) ?? cell.runId };
  switch (name) {
    case "regenerate-requested":
      return { ...same, look: "queued", percent: 0, deadline: null };
    case "progress": {
      const queued = data.status === "requested" || data.status === "queued";
      return { ...same, look: queued ? "queued" : "working", percent: number(data.percent) ?? 0 };
    }
    case "preview-ready":
      return { ...same, look: "review", percent: 100, deadline: textOrNull(data.deadline) };
    case "accepted":
      return { ...same, look: "committing", percent: 100, deadline: null };
    case "rejected": {
      const next = textOrNull(data.next_run_id);
      return {
        ...same,
        look: next ? "queued" : "rejected",
        percent: 0,
        deadline: null,
        runId: next ?? same.runId,
      };
    }
    case "review-updated":
      if (data.change === "opened") return { ...cell, deadline: textOrNull(data.deadline) };
      if (data.change === "expired" || data.change === "withdrawn")
        return { ...same, look: "stopped", deadline: null };
      return null;
    case "failed": {
      const error = (data.error ?? {}) as Record<string, unknown>;
      const cancelled = data.status === "cancelled";
      return {
        ...same,
        look: cancelled ? "stopped" : "failed",
        message: news.message || text(error.cause) || text(error.code),
        recovery: text(error.recovery),
      };
    }
    case "complete":
      return { ...same, look: "done", percent: 100, deadline: null, had: true };
    default:
      return null;
  }
}

/** The arguments of a message are told by its text. */
const NOT_COMPARED: ReadonlySet<keyof Cell> = new Set(["seen", "message_args"]);

function sameCell(a: Cell, b: Cell): boolean {
  return (Object.keys(a) as (keyof Cell)[]).every((k) => NOT_COMPARED.has(k) || Object.is(a[k], b[k]));
}

const NOTHING_SAID = { message: "", message_code: null, message_args: {} } as const;

function saidBy(data: Readonly<Record<string, unknown>>) {
  const args = data.message_args;
  return {
    message: text(data.message),
    message_code: textOrNull(data.message_code),
    message_args:
      typeof args === "object" && args !== null ? (args as Readonly<Record<string, unknown>>) : {},
  };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function list(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value : [];
}
