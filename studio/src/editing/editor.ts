/**
 * Editing one asset: the draft, the decision, and what may be shown before the gateway has confirmed it.
 *
 * A pure state machine, the same for every kind, equal to `client/editing.py` function by function; shared vectors
 * (`tests/data/editing`) hold both to the same states. A call or an event gives the next state and its effects.
 *
 * Times are the gateway's RFC 3339 strings and are compared as strings: they have microseconds, which a Date loses.
 */

export type Parameters = Readonly<Record<string, unknown>>;

/**
 * Of a draft: what a person chose, with settings of the model as parameters. Of a version: how it was made, with its
 * measured duration, resolution and aspect ratio as parameters; a model need not take those.
 */
export interface Values {
  readonly directions: string;
  readonly model: string | null;
  readonly parameters: Parameters;
}

/** What every view but the preview plays. `at` is when it was committed. */
export interface Committed {
  readonly versionId: string | null;
  readonly url: string | null;
  readonly values: Values;
  readonly at: string | null;
}

/** One version that can be decided on. */
export interface Preview {
  readonly versionId: string;
  readonly values: Values;
}

export type Phase = "idle" | "generating" | "review" | "committing";

export type Effect =
  | { readonly type: "start"; readonly values: Values }
  | {
      readonly type: "decide";
      readonly runId: string;
      readonly versionId: string;
      readonly action: "approve" | "reject";
    }
  | { readonly type: "refresh" };

export const REFRESH_DEBOUNCE_MS = 150;

/** What an optimistic update replaced, and the draft that it put there. */
interface Undo {
  readonly committed: Committed;
  readonly baseline: Values;
  readonly draft: Values;
  readonly put: Values;
}

/** How new an event is: its time; of the same moment, the later step of a run. */
export type Place = readonly [at: string, rank: number];

export interface Editor {
  readonly assetId: string;
  readonly committed: Committed;
  readonly draft: Values;
  readonly baseline: Values;
  readonly phase: Phase;
  readonly runId: string | null;
  readonly percent: number;
  readonly previews: readonly Preview[];
  readonly isReviewOpen: boolean;
  readonly isDecisionPending: boolean;
  readonly isStarting: boolean;
  readonly error: string | null;
  readonly seen: Place | null;
  readonly undo: Undo | null;
}

export type Step = readonly [Editor, readonly Effect[]];

/** A run's event as the stream sends it; only the fields that editing reads. */
export interface RunEvent {
  readonly name: string;
  readonly asset_id: string;
  readonly run_id?: string | null;
  readonly updated_at?: string | null;
  readonly status?: string | null;
  readonly message?: string | null;
  readonly percent?: number | null;
  readonly change?: string | null;
  readonly reason?: string | null;
  readonly version_id?: string | null;
  readonly next_run_id?: string | null;
  readonly error?: { readonly cause?: string | null; readonly code?: string | null } | null;
  readonly versions?: readonly PreviewVersion[];
}

export interface PreviewVersion {
  readonly version_id: string;
  readonly directions?: string | null;
  readonly model?: string | null;
  readonly duration?: number | null;
  readonly resolution?: string | null;
  readonly aspect_ratio?: string | null;
}

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

const REFRESH: readonly Effect[] = [{ type: "refresh" }];

export const NO_VALUES: Values = { directions: "", model: null, parameters: {} };
export const NOTHING_COMMITTED: Committed = { versionId: null, url: null, values: NO_VALUES, at: null };

export function newEditor(assetId: string, committed = NOTHING_COMMITTED, draft = NO_VALUES): Editor {
  return {
    assetId,
    committed,
    draft,
    baseline: draft,
    phase: "idle",
    runId: null,
    percent: 0,
    previews: [],
    isReviewOpen: false,
    isDecisionPending: false,
    isStarting: false,
    error: null,
    seen: null,
    undo: null,
  };
}

export function hasChanges(editor: Editor): boolean {
  return !sameValues(editor.draft, editor.baseline);
}

export function isGenerating(editor: Editor): boolean {
  return editor.isStarting || editor.phase === "generating";
}

/** A preview that waits may be made again: that closes it. */
export function canStart(editor: Editor): boolean {
  const free = editor.phase === "idle" || editor.phase === "review";
  return free && !editor.isStarting && !editor.isDecisionPending;
}

export function canDecide(editor: Editor): boolean {
  return editor.phase === "review" && !editor.isDecisionPending && !editor.isStarting;
}

export function edit(editor: Editor, draft: Values): Editor {
  return { ...editor, draft };
}

/** The gateway keeps these values now; what was typed meanwhile stays unsaved. */
export function saved(editor: Editor, values: Values): Editor {
  return { ...editor, baseline: values };
}

/** Close the editor: what is unsaved is dropped, the review decides nothing. */
export function leave(editor: Editor): Editor {
  return { ...editor, draft: editor.baseline, isReviewOpen: false };
}

/** Drop what is unsaved, and the error. */
export function reset(editor: Editor): Editor {
  return { ...editor, draft: editor.baseline, error: null };
}

export function start(editor: Editor): Step {
  if (!canStart(editor)) return [editor, []];
  const starting = { ...editor, isStarting: true, isReviewOpen: false, error: null };
  return [starting, [{ type: "start", values: changes(editor.draft, editor.baseline) }]];
}

/** The gateway took the run; its own events may have come before this answer. */
export function started(before: Editor, runId: string, at: string): Editor {
  const editor = { ...before, isStarting: false };
  if (editor.seen !== null && compare([at, 0], editor.seen) <= 0) return editor;
  return generating({ ...editor, seen: [at, 0] }, runId, 0);
}

export function notStarted(editor: Editor, error: string): Step {
  return [{ ...editor, isStarting: false, error }, REFRESH];
}

export function openReview(editor: Editor): Editor {
  return { ...editor, isReviewOpen: editor.phase === "review" };
}

/** Closing decides nothing: the preview goes on waiting. */
export function closeReview(editor: Editor): Editor {
  return { ...editor, isReviewOpen: false };
}

/** Take a preview (the only one, unless named). */
export function accept(editor: Editor, versionId: string | null = null): Step {
  const preview = chosen(editor, versionId);
  if (!canDecide(editor) || preview === null || editor.runId === null) return [editor, []];
  const { committed, baseline, draft } = editor;
  const put = kept(editor, preview.values);
  const shown: Editor = {
    ...editor,
    committed: { ...committed, values: preview.values },
    draft: put,
    baseline: put,
    isDecisionPending: true,
    error: null,
    undo: { committed, baseline, draft, put },
  };
  return [shown, [{ type: "decide", runId: editor.runId, versionId: preview.versionId, action: "approve" }]];
}

export function reject(editor: Editor, versionId: string | null = null): Step {
  const preview = chosen(editor, versionId) ?? editor.previews[0] ?? null;
  if (!canDecide(editor) || preview === null || editor.runId === null) return [editor, []];
  return [
    { ...editor, isDecisionPending: true, error: null },
    [{ type: "decide", runId: editor.runId, versionId: preview.versionId, action: "reject" }],
  ];
}

/** The decision was refused: somebody was faster, or its time ran out. */
export function notDecided(editor: Editor, error: string): Step {
  return [{ ...undone(editor), isDecisionPending: false, error }, REFRESH];
}

/** An event of this asset; one that is not newer than what is known changes nothing, but `complete` refreshes. */
export function apply(editor: Editor, event: RunEvent): Step {
  const effects = event.name === "complete" ? REFRESH : [];
  const place: Place | null = event.updated_at ? [event.updated_at, RANKS[event.name] ?? 0] : null;
  if (event.asset_id !== editor.assetId) return [editor, []];
  if (event.name === "review-updated" && event.change === "opened") return [editor, []]; // says less than the preview
  if (place !== null && editor.seen !== null && compare(place, editor.seen) <= 0) return [editor, effects];
  return [moved({ ...editor, seen: place ?? editor.seen }, event), effects];
}

/** What a GET shows. An answer that was under way while a newer one was applied is dropped. */
export function refreshed(editor: Editor, committed: Committed, baseline: Values): Editor {
  if (committed.at && editor.committed.at && compareTimes(committed.at, editor.committed.at) < 0)
    return editor;
  if (editor.undo !== null && committed.at === editor.committed.at) {
    // Not committed yet: the player has its new link, the texts stay ahead.
    return { ...editor, committed: { ...editor.committed, url: committed.url } };
  }
  const draft = hasChanges(editor) ? editor.draft : baseline;
  return { ...editor, committed, baseline, draft, undo: null };
}

/** All that a GET shows, also the run: for what was missed. Events that came since count more. */
export function caughtUp(before: Editor, fresh: Editor): Editor {
  const editor = refreshed(before, fresh.committed, fresh.baseline);
  const busy = before.isStarting || before.isDecisionPending || before.undo !== null;
  const older = fresh.seen !== null && before.seen !== null && compare(fresh.seen, before.seen) < 0;
  const unchanged = fresh.phase === before.phase && fresh.runId === before.runId;
  if (busy || older || unchanged) return editor;
  return {
    ...editor,
    phase: fresh.phase,
    runId: fresh.runId,
    previews: fresh.previews,
    seen: fresh.seen ?? before.seen,
    isReviewOpen: editor.isReviewOpen && fresh.phase === "review",
    percent: fresh.percent,
  };
}

function moved(editor: Editor, event: RunEvent): Editor {
  const runId = event.run_id ?? null;
  switch (event.name) {
    case "regenerate-requested":
      return generating(editor, runId, 0);
    case "progress":
      return editor.phase === "committing" ? editor : generating(editor, runId, event.percent ?? 0);
    case "preview-ready":
      return {
        ...editor,
        phase: "review",
        runId,
        percent: 100,
        previews: (event.versions ?? []).map((v) => ({ versionId: v.version_id, values: valuesOf(v) })),
        isReviewOpen: true,
        isDecisionPending: false,
        isStarting: false,
        error: null,
      };
    case "accepted":
      return accepted({ ...editor, runId }, event.version_id ?? null);
    case "rejected":
      return event.next_run_id ? generating(undone(editor), event.next_run_id, 0) : idle(undone(editor));
    case "review-updated":
      switch (event.change) {
        case "expired":
        case "withdrawn":
          return idle(undone(editor));
        case "refused":
          return { ...undone(editor), isDecisionPending: false, error: event.reason ?? null };
        default:
          return editor;
      }
    case "failed": {
      const text = event.message || errorText(event.error);
      return { ...idle(undone(editor)), error: event.status === "cancelled" ? null : text };
    }
    case "complete":
      return idle(editor);
    default:
      return editor;
  }
}

function generating(editor: Editor, runId: string | null, percent: number): Editor {
  return {
    ...editor,
    phase: "generating",
    runId,
    percent,
    previews: [],
    error: null,
    isReviewOpen: false,
    isDecisionPending: false,
    isStarting: false,
  };
}

function idle(editor: Editor): Editor {
  return {
    ...editor,
    phase: "idle",
    runId: null,
    previews: [],
    percent: 0,
    isReviewOpen: false,
    isDecisionPending: false,
    isStarting: false,
  };
}

/** Ours, shown already; or somebody else's, shown now. Their acceptance does not drop what is unsaved here. */
function accepted(before: Editor, versionId: string | null): Editor {
  let editor = before;
  const taken = editor.previews.find((p) => p.versionId === versionId)?.values;
  if (taken !== undefined && (editor.undo === null || !sameValues(editor.committed.values, taken))) {
    editor = undone(editor);
    const { committed, baseline, draft } = editor;
    const put = kept(editor, taken);
    editor = {
      ...editor,
      committed: { ...committed, values: taken },
      baseline: put,
      draft: hasChanges(editor) ? draft : put,
      undo: { committed, baseline, draft, put },
    };
  }
  return {
    ...editor,
    phase: "committing",
    percent: 100,
    previews: [],
    isReviewOpen: false,
    isDecisionPending: false,
    isStarting: false,
  };
}

/**
 * What the gateway keeps as the draft after an acceptance: the accepted directions, the accepted model if it was chosen,
 * and the parameters that were saved before.
 */
function kept({ draft, baseline }: Editor, taken: Values): Values {
  const model = draft.model === taken.model ? taken.model : baseline.model;
  return { directions: taken.directions, model, parameters: baseline.parameters };
}

/** What was chosen since the baseline; empty where the draft is as it was saved. */
function changes(draft: Values, baseline: Values): Values {
  const parameters = Object.entries(draft.parameters).filter(
    ([name, value]) => !same(value, baseline.parameters[name]),
  );
  return {
    directions: draft.directions === baseline.directions ? "" : draft.directions,
    model: draft.model === baseline.model ? null : draft.model,
    parameters: Object.fromEntries(parameters),
  };
}

/** Take back an optimistic update, but not what was typed since. */
function undone(editor: Editor): Editor {
  const { undo } = editor;
  if (undo === null) return editor;
  const draft = sameValues(editor.draft, undo.put) ? undo.draft : editor.draft;
  return { ...editor, committed: undo.committed, baseline: undo.baseline, draft, undo: null };
}

function chosen(editor: Editor, versionId: string | null): Preview | null {
  if (versionId === null) return editor.previews.length === 1 ? (editor.previews[0] ?? null) : null;
  return editor.previews.find((p) => p.versionId === versionId) ?? null;
}

export function valuesOf(version: PreviewVersion): Values {
  const parameters: Record<string, unknown> = {};
  for (const name of ["duration", "resolution", "aspect_ratio"] as const) {
    const value = version[name];
    if (value !== null && value !== undefined) parameters[name] = value;
  }
  return { directions: version.directions ?? "", model: version.model ?? null, parameters };
}

function errorText(error: RunEvent["error"]): string | null {
  return error ? error.cause || error.code || "" : null;
}

export function compare(a: Place, b: Place): number {
  return compareTimes(a[0], b[0]) || a[1] - b[1];
}

/** RFC 3339 in UTC, with or without fractions of a second: fractions differ in length, so they are padded. */
export function compareTimes(a: string, b: string): number {
  const [x, y] = [sortable(a), sortable(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function sortable(time: string): string {
  const [whole = "", fraction = ""] = time.replace(/(Z|\+00:00)$/, "").split(".");
  return `${whole}.${fraction.padEnd(6, "0")}`;
}

export function sameValues(a: Values, b: Values): boolean {
  return a.directions === b.directions && a.model === b.model && same(a.parameters, b.parameters);
}

/** Deep equality of JSON values. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(x);
  return keys.length === Object.keys(y).length && keys.every((k) => k in y && same(x[k], y[k]));
}
