/** The kept versions of an asset: when, how good, and the way back to an earlier one. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { idempotencyKey } from "../../api/client";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { routes } from "../../app/routes";
import { costText, dateTime, score } from "../../language/format";
import { posterOf } from "../../media/links";
import { passFocus } from "../../ui/focus";
import { Button, Skeleton, ui } from "../../ui/ui";
import { Provenance } from "../Provenance";
import { atLeast } from "../roles";
import { useEpisode } from "./EpisodeContext";
import css from "./episode.module.css";

export function Versions({
  assetId,
  committedId,
}: {
  readonly assetId: string;
  readonly committedId: string | null;
}) {
  const words = useWords();
  const { api, language, refused } = useApp();
  const { role, feed, projectId, episodeId } = useEpisode();
  const [open, setOpen] = useState(false);
  const queries = useQueryClient();
  const versions = useQuery({
    queryKey: ["versions", assetId],
    queryFn: async () =>
      (await api.GET("/api/v1/assets/{asset_id}/versions", { params: { path: { asset_id: assetId } } })).data
        ?.data ?? [],
    enabled: open,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another committed version means another list
  useEffect(() => {
    const stale = () => void queries.invalidateQueries({ queryKey: ["versions", assetId] });
    stale();
    return feed.listen({
      onAsset: () => {},
      // A preview is a version from its first moment, and stays one when it is rejected or not chosen.
      onRunEvent: ({ name, asset_id }) => {
        if (asset_id === assetId && name !== "progress") stale();
      },
    });
  }, [queries, feed, assetId, committedId]);

  const rollBack = async (versionId: string) => {
    try {
      await api.POST("/api/v1/versions/{version_id}/rollback", {
        params: { path: { version_id: versionId }, header: { "Idempotency-Key": idempotencyKey() } },
      });
      feed.refresh({ what: "asset", id: assetId });
    } catch (error) {
      refused(error);
    }
  };
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words.versions}</summary>
      {versions.isPending && open ? <Skeleton label={words.loading} /> : null}
      {versions.error ? <Refused error={versions.error} onAgain={versions.refetch} automatic /> : null}
      <ol className={css.versions}>
        {(versions.data ?? []).map((version) => (
          <li key={version.id} className={css.version} data-committed={version.committed || undefined}>
            {version.thumbnail_url ? (
              <img
                className={css.versionPoster}
                {...posterOf(version.thumbnail_url, 96)}
                alt=""
                loading="lazy"
              />
            ) : (
              <span className={css.versionPoster} />
            )}
            <div>
              <b>v{version.number}</b>{" "}
              {version.committed ? words.committed : (words.versionStatus[version.status] ?? version.status)}
              <p className={ui.hint}>
                {dateTime(version.created_at, language)} · {words.quality}{" "}
                {score((version.quality_metrics as Record<string, number | null>).overall_score, language) ??
                  words.notMeasured}{" "}
                · {words.cost} {costText(version.cost, words, language)}
              </p>
              <p className={css.clamp} dir="auto">
                {version.directions}
              </p>
              {version.gone ? null : <Provenance of="version" id={version.id} />}
            </div>
            {committedId && !version.committed && version.url && version.status !== "preview" ? (
              <Link
                href={routes.compare(projectId, episodeId, assetId, { a: committedId, b: version.id })}
                aria-label={`${words.compareVersions}: v${version.number}`}
              >
                {words.compareVersions}
              </Link>
            ) : null}
            {version.status === "accepted" &&
            !version.committed &&
            !version.gone &&
            atLeast(role, "editor") ? (
              <Button
                onClick={(event) => {
                  passFocus(event.currentTarget.closest("details")?.querySelector("summary"));
                  void rollBack(version.id);
                }}
              >
                {words.rollBack}
              </Button>
            ) : null}
          </li>
        ))}
      </ol>
    </details>
  );
}
