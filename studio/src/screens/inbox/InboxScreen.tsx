/** Everything that waits for a decision, in all projects: the soonest deadline first. */

import { Link } from "wouter";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { routes } from "../../app/routes";
import { useInbox } from "../../app/useInbox";
import { clock, score } from "../../language/format";
import { posterOf } from "../../media/links";
import { Empty, Skeleton, ui } from "../../ui/ui";
import css from "./inbox.module.css";

export function InboxScreen() {
  const words = useWords();
  const { language } = useApp();
  const inbox = useInbox();
  return (
    <div className={ui.stack}>
      <h1>{words.inbox}</h1>
      {inbox.isPending ? <Skeleton label={words.loading} lines={6} /> : null}
      {inbox.error ? <Refused error={inbox.error} onAgain={inbox.refetch} automatic /> : null}
      {inbox.data?.length === 0 ? <Empty title={words.nothingWaits} hint={words.nothingWaitsHint} /> : null}
      <ol className={css.queue}>
        {(inbox.data ?? []).map((run) => (
          <li key={run.id}>
            <Link
              className={css.entry}
              href={routes.episode(run.project_id, run.episode_id, {
                s: run.segment_id ?? undefined,
                k: run.kind,
                review: run.id,
              })}
            >
              {run.versions[0]?.thumbnail_url ? (
                <img
                  className={css.poster}
                  {...posterOf(run.versions[0].thumbnail_url, 128)}
                  alt=""
                  loading="lazy"
                />
              ) : (
                <span className={css.poster} />
              )}
              <span>
                <b>{run.label}</b>
                <br />
                <span className={ui.hint} dir="auto">
                  {run.project_name} · {run.episode_title}
                </span>
              </span>
              <span>
                {score(
                  (run.versions[0]?.quality_metrics as Record<string, number> | undefined)?.overall_score,
                  language,
                )}
              </span>
              <span className={css.deadline}>
                {run.deadline ? clock((Date.parse(run.deadline) - Date.now()) / 1000) : "–"}
              </span>
            </Link>
          </li>
        ))}
      </ol>
    </div>
  );
}
