/** What happened in a project, newest first; each entry leads to its editor. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { routes } from "../../app/routes";
import { dateTime } from "../../language/format";
import { said } from "../../language/messages";
import { posterOf } from "../../media/links";
import { Empty, Skeleton, ui } from "../../ui/ui";
import css from "./activity.module.css";

export function ActivityScreen({ projectId }: { readonly projectId: string }) {
  const words = useWords();
  const { api, language } = useApp();
  const feed = useQuery({
    queryKey: ["activity", projectId],
    queryFn: async () =>
      (
        await api.GET("/api/v1/projects/{project_id}/progress", {
          params: { path: { project_id: projectId } },
        })
      ).data?.data ?? [],
    refetchInterval: 5000,
  });
  return (
    <div className={ui.stack}>
      <h1>{words.activity}</h1>
      {feed.isPending ? <Skeleton label={words.loading} lines={6} /> : null}
      {feed.error ? <Refused error={feed.error} onAgain={feed.refetch} automatic /> : null}
      {feed.data?.length === 0 ? <Empty title={words.noActivity} /> : null}
      <ol className={css.feed}>
        {(feed.data ?? []).map((entry) => (
          <li key={entry.id} className={css.entry}>
            {entry.thumbnail_url ? (
              <img className={css.poster} {...posterOf(entry.thumbnail_url, 96)} alt="" loading="lazy" />
            ) : (
              <span className={css.poster} />
            )}
            <div>
              <Link
                href={routes.episode(projectId, entry.episode_id, {
                  s: entry.segment_id ?? undefined,
                  k: entry.kind,
                })}
              >
                {entry.label}
              </Link>
              <p dir="auto">{said(entry, language)}</p>
              <p className={ui.hint}>{dateTime(entry.at, language)}</p>
            </div>
          </li>
        ))}
      </ol>
    </div>
  );
}
