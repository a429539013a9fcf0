/** The generation flow of one asset, the same for every kind: `editor.ts` in React. */

import { useMemo } from "react";
import type { Api, Schemas } from "../api/client";
import type { Problem } from "../api/problems";
import type { EpisodeFeed } from "../live/episode";
import { useKey } from "../live/react";
import { AssetController } from "./controller";
import * as editing from "./editor";

export interface AssetGenerationFlow {
  readonly state: editing.Editor;
  readonly draft: editing.Values;
  readonly hasChanges: boolean;
  readonly percent: number;
  readonly isGenerating: boolean;
  readonly isReviewOpen: boolean;
  readonly isDecisionPending: boolean;
  readonly canStart: boolean;
  readonly canDecide: boolean;
  readonly error: string | null;
  /** What the gateway refused, if that is the error. */
  readonly refusal: Problem | null;
  readonly edit: (draft: editing.Values) => void;
  readonly save: (over?: boolean) => Promise<void>;
  readonly start: (variants?: number) => Promise<void>;
  readonly openReview: () => void;
  readonly closeReview: () => void;
  readonly accept: AssetController["accept"];
  readonly reject: AssetController["reject"];
  readonly reset: () => void;
  /** The editor is closed, for another segment or page: what is unsaved is dropped. */
  readonly leave: () => void;
}

/** Controllers of one open episode: made when an asset is first edited, fed by the episode's stream. */
export class Flows {
  private readonly controllers = new Map<string, AssetController>();
  private readonly stop: () => void;

  constructor(
    private readonly api: Api,
    private readonly feed: EpisodeFeed,
  ) {
    this.stop = feed.listen({
      onRunEvent: (event) => this.controllers.get(event.asset_id)?.apply(event),
      onAsset: (asset) => this.controllers.get(asset.id)?.show(asset),
    });
  }

  close(): void {
    this.stop();
    this.controllers.clear();
  }

  /** The controller of an asset that the episode has; null before its first GET. */
  of(assetId: string): AssetController | null {
    const known = this.controllers.get(assetId);
    if (known) return known;
    const asset = this.feed.store.get<Schemas["Asset"]>(`asset:${assetId}`);
    if (!asset) return null;
    const controller = new AssetController(
      this.api,
      asset,
      (state) => this.feed.store.set([[`flow:${assetId}`, state]]),
      (id) => this.feed.refresh({ what: "asset", id }),
      (problem) => this.feed.store.set([[`refusal:${assetId}`, problem ?? undefined]]),
    );
    this.controllers.set(assetId, controller);
    return controller;
  }
}

export function useAssetGenerationFlow(
  flows: Flows,
  feed: EpisodeFeed,
  assetId: string,
): AssetGenerationFlow | null {
  const asset = useKey<Schemas["Asset"]>(feed.store, `asset:${assetId}`);
  const controller = useMemo(() => (asset ? flows.of(assetId) : null), [flows, assetId, asset]);
  // Its first state is its own: a store that is written while something renders would render others.
  const state = useKey<editing.Editor>(feed.store, `flow:${assetId}`) ?? controller?.state;
  const refusal = useKey<Problem>(feed.store, `refusal:${assetId}`);
  return useMemo(() => {
    if (controller === null || state === undefined) return null;
    return {
      state,
      draft: state.draft,
      hasChanges: editing.hasChanges(state),
      percent: state.percent,
      isGenerating: editing.isGenerating(state),
      isReviewOpen: state.isReviewOpen,
      isDecisionPending: state.isDecisionPending,
      canStart: editing.canStart(state),
      canDecide: editing.canDecide(state),
      error: state.error,
      refusal: state.error !== null && refusal?.message === state.error ? refusal : null,
      edit: (draft) => controller.edit(draft),
      save: (over) => controller.save(over),
      start: (variants = 1) => controller.start(variants),
      openReview: () => controller.openReview(),
      closeReview: () => controller.closeReview(),
      accept: (versionId, review) => controller.accept(versionId, review),
      reject: (versionId, review) => controller.reject(versionId, review),
      reset: () => controller.reset(),
      leave: () => controller.leave(),
    };
  }, [controller, state, refusal]);
}
