/** One asset being edited, against the gateway: carries out what `editor.ts` decides. Mirrors `client/controller.py`. */

import { type Api, idempotencyKey, type Schemas } from "../api/client";
import { Problem } from "../api/problems";
import * as editing from "./editor";

export interface Review {
  readonly rating?: number | null;
  readonly feedback?: string | null;
  readonly suggestedChanges?: Readonly<Record<string, unknown>> | null;
  readonly regenerate?: boolean | null;
  /** The notes that the decision is about. */
  readonly noteIds?: readonly string[];
}

export class AssetController {
  state: editing.Editor;
  /** Of the draft that was edited, for If-Match: what somebody else saved meanwhile is not overwritten unseen. */
  private revision: number;
  /** As last read. */
  private newest: number;

  constructor(
    private readonly api: Api,
    asset: Schemas["Asset"],
    private readonly onChange: (state: editing.Editor) => void,
    /** GETs the asset soon, once for all that ask within 150 ms. */
    private readonly refresh: (assetId: string) => void,
    /** A start or a decision was refused; null: none is any more. */
    private readonly onRefused: (problem: Problem | null) => void = () => {},
  ) {
    this.state = ofAsset(asset);
    this.revision = asset.revision;
    this.newest = asset.revision;
  }

  edit(draft: editing.Values): void {
    this.set(editing.edit(this.state, draft));
  }

  reset(): void {
    this.set(editing.reset(this.state));
  }

  leave(): void {
    this.set(editing.leave(this.state));
  }

  openReview(): void {
    this.set(editing.openReview(this.state));
  }

  closeReview(): void {
    this.set(editing.closeReview(this.state));
  }

  /**
   * Keeps the draft at the gateway, so that it is there elsewhere and after a reload. Raises Problem: 412 where
   * somebody else saved other directions since this draft was begun; `over` puts it over theirs.
   */
  async save(over = false): Promise<void> {
    const { assetId, draft } = this.state;
    const settings = { ...draft.parameters, ...(draft.model ? { model: draft.model } : {}) };
    const put = async (revision: number) => {
      const { data } = await this.api.PUT("/api/v1/assets/{asset_id}/draft", {
        params: { path: { asset_id: assetId }, header: { "If-Match": `"${revision}"` } },
        body: { directions: draft.directions, settings },
      });
      this.revision = this.newest = data?.revision ?? revision;
    };
    try {
      await put(over ? this.newest : this.revision);
    } catch (error) {
      if (!(error instanceof Problem && error.status === 412)) throw error;
      const { data: now } = await this.api.GET("/api/v1/assets/{asset_id}", {
        params: { path: { asset_id: assetId } },
      });
      if (!now) throw error;
      this.newest = now.revision;
      const theirs = now.draft?.directions;
      if (!over && theirs && theirs !== now.committed?.directions && theirs !== draft.directions) throw error;
      await put(now.revision); // of nobody's texts
    }
    this.set(editing.saved(this.state, draft));
    this.refresh(this.state.assetId);
  }

  async start(variants = 1): Promise<void> {
    await this.do(editing.start(this.state), {}, variants);
  }

  /** True if the gateway took the decision. */
  async accept(versionId: string | null = null, review: Review = {}): Promise<boolean> {
    return this.do(editing.accept(this.state, versionId), review);
  }

  /** True if the gateway took the decision. */
  async reject(versionId: string | null = null, review: Review = {}): Promise<boolean> {
    return this.do(editing.reject(this.state, versionId), review);
  }

  apply(event: editing.RunEvent): void {
    void this.do(editing.apply(this.state, event));
  }

  /** A GET showed the asset. */
  show(asset: Schemas["Asset"]): void {
    this.newest = asset.revision;
    this.set(editing.caughtUp(this.state, ofAsset(asset)));
    // What is being typed was begun over the draft that was shown then.
    if (!editing.hasChanges(this.state)) this.revision = asset.revision;
  }

  /** True if a decision was among the effects, and was taken. */
  private async do([state, effects]: editing.Step, review: Review = {}, variants = 1): Promise<boolean> {
    let decided = false;
    this.set(state);
    for (const effect of effects) {
      switch (effect.type) {
        case "start":
          await this.send(effect.values, variants);
          break;
        case "decide":
          decided = await this.decide(effect, review);
          break;
        case "refresh":
          this.refresh(this.state.assetId);
          break;
      }
    }
    return decided;
  }

  private async send(values: editing.Values, variants: number): Promise<void> {
    this.onRefused(null);
    try {
      const { data } = await this.api.POST("/api/v1/assets/{asset_id}/runs", {
        params: { path: { asset_id: this.state.assetId }, header: { "Idempotency-Key": idempotencyKey() } },
        body: { ...bodyOf(values), variants },
      });
      const run = data && "id" in data ? data : null;
      if (run?.updated_at) this.set(editing.started(this.state, run.id, run.updated_at));
    } catch (error) {
      const problem = refusalOf(error);
      this.onRefused(problem);
      await this.do(editing.notStarted(this.state, problem.message));
    }
  }

  private async decide(decide: editing.Effect & { type: "decide" }, review: Review): Promise<boolean> {
    this.onRefused(null);
    try {
      await this.api.POST("/api/v1/runs/{run_id}/review", {
        params: { path: { run_id: decide.runId }, header: { "Idempotency-Key": idempotencyKey() } },
        body: {
          action: decide.action,
          version_id: decide.versionId,
          rating: review.rating ?? null,
          feedback: review.feedback || null,
          ...(review.suggestedChanges ? { suggested_changes: review.suggestedChanges } : {}),
          ...(review.noteIds?.length ? { note_ids: [...review.noteIds] } : {}),
          ...(review.regenerate === undefined ? {} : { regenerate: review.regenerate }),
        },
      });
      return true;
    } catch (error) {
      const problem = refusalOf(error);
      this.onRefused(problem);
      await this.do(editing.notDecided(this.state, problem.message));
      return false;
    }
  }

  private set(state: editing.Editor): void {
    if (state === this.state) return;
    this.state = state;
    this.onChange(state);
  }
}

/** What a GET shows: a preview that waits is offered, not opened by itself. */
export function ofAsset(asset: Schemas["Asset"]): editing.Editor {
  const version = asset.committed;
  const committed: editing.Committed = version
    ? { versionId: version.id, url: version.url, values: valuesOf(version), at: asset.committed_at }
    : { ...editing.NOTHING_COMMITTED, at: asset.committed_at };
  const editor = editing.newEditor(asset.id, committed, savedDraft(asset, committed.values));
  const { preview: run, updated_at: at } = asset;
  if (run !== null) {
    return {
      ...editor,
      phase: run.status === "preview_ready" ? "review" : "committing",
      runId: run.id,
      previews: run.versions.map((v) => ({ versionId: v.id, values: valuesOf(v) })),
      percent: 100,
      seen: run.updated_at ? [run.updated_at, 2] : null,
    };
  }
  if (asset.active_run_id) {
    return { ...editor, phase: "generating", runId: asset.active_run_id, seen: at ? [at, 0] : null };
  }
  return { ...editor, seen: at ? [at, 5] : null };
}

/** What a person has chosen for the next run, with the directions of the committed version if there are no others. */
function savedDraft(asset: Schemas["Asset"], committed: editing.Values): editing.Values {
  const { model, ...parameters } = (asset.draft?.settings ?? {}) as Record<string, unknown>;
  return {
    directions: asset.draft?.directions || committed.directions,
    model: typeof model === "string" ? model : null,
    parameters,
  };
}

/** What a run is requested with: only what was changed, the gateway has the rest. */
export function bodyOf({ directions, model, parameters }: editing.Values): Record<string, unknown> {
  return {
    ...(directions ? { directions } : {}),
    ...(model ? { model } : {}),
    ...(Object.keys(parameters).length > 0 ? { settings: parameters } : {}),
  };
}

function valuesOf(version: Schemas["Version"]): editing.Values {
  return editing.valuesOf({ ...version, version_id: version.id });
}

function refusalOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  throw error;
}
