/** The open episode as the film that Compile would make of what is committed now. */

import { useCallback, useMemo } from "react";
import type { Schemas } from "../../api/client";
import { useWords } from "../../app/context";
import { FilmPreview } from "../../media/FilmPreview";
import { type Scene, sequenceOf } from "../../media/sequence";
import { useEpisode, useEpisodeKey, useEpisodeKeys } from "./EpisodeContext";

/** A segment that says nothing of its duration is shown as long as most are. */
const DEFAULT_SECONDS = 5;
const DEFAULT_FPS = 24;

export function FilmStage({
  fps,
  startAt,
}: {
  readonly fps: number | undefined;
  readonly startAt: string | null;
}) {
  const words = useWords();
  const { feed } = useEpisode();
  const order = useEpisodeKey<readonly string[]>("order") ?? [];
  const assetIds = useEpisodeKey<readonly string[]>("assets") ?? [];
  const segments = useEpisodeKeys<Schemas["Segment"]>(
    useMemo(() => order.map((id) => `segment:${id}`), [order]),
  );
  const assets = useEpisodeKeys<Schemas["Asset"]>(
    useMemo(() => assetIds.map((id) => `asset:${id}`), [assetIds]),
  );
  const sequence = useMemo(() => {
    const byId = new Map(assets.map((asset) => [asset.id, asset]));
    return sequenceOf(
      segments.map((segment) => sceneOf(segment, byId)),
      fps ?? DEFAULT_FPS,
    );
  }, [segments, assets, fps]);
  const music = assets.find((asset) => asset.kind === "music")?.committed?.url ?? null;
  const renew = useCallback(
    (segmentId: string) => {
      const segment = feed.store.get<Schemas["Segment"]>(`segment:${segmentId}`);
      if (segment) feed.refresh({ what: "asset", id: segment.assets.video });
    },
    [feed],
  );
  return <FilmPreview sequence={sequence} music={music} words={words} onExpired={renew} startAt={startAt} />;
}

function sceneOf(segment: Schemas["Segment"], assets: ReadonlyMap<string, Schemas["Asset"]>): Scene {
  const video = assets.get(segment.assets.video)?.committed ?? null;
  const narration = assets.get(segment.assets.narration)?.committed ?? null;
  const image = assets.get(segment.assets.starting_image)?.committed ?? null;
  const place = segment.scene_info.location ?? segment.scene_info.description ?? "";
  return {
    segmentId: segment.id,
    name: `${segment.segment_number} ${place}`.trim(),
    video: video ? (video.proxy_url ?? video.url) : null,
    poster: video?.thumbnail_url ?? image?.thumbnail_url ?? null,
    duration: video?.duration ?? segment.target_duration ?? DEFAULT_SECONDS,
    transition: segment.transition_after,
    narration:
      narration?.url && narration.duration ? { url: narration.url, duration: narration.duration } : null,
  };
}
