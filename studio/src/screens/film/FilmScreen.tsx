/** The last film: played in place, with its chapters, files, rating and warnings; and the films before it. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { routes } from "../../app/routes";
import { bytes, clock, dateTime } from "../../language/format";
import { said } from "../../language/messages";
import { asDownload } from "../../media/links";
import { Player } from "../../media/Player";
import { Button, Empty, Notice, Skeleton, ui } from "../../ui/ui";
import { Provenance } from "../Provenance";
import { fractionOf } from "../playable";
import { Stars } from "../preview/Stars";
import css from "./film.module.css";

export function FilmScreen({
  projectId,
  episodeId,
}: {
  readonly projectId: string;
  readonly episodeId: string;
}) {
  const words = useWords();
  const { api, language, refused } = useApp();
  const queries = useQueryClient();
  const [chosen, setChosen] = useState<string | null>(null);
  const [seek, setSeek] = useState<{ readonly seconds: number } | null>(null);
  /** What was just chosen, until the gateway's answer is shown. */
  const [rated, setRated] = useState<{ readonly film: string; readonly rating: number } | null>(null);
  const key = ["films", episodeId];
  const films = useQuery({
    queryKey: key,
    queryFn: async () =>
      (
        await api.GET("/api/v1/episodes/{episode_id}/compilation-jobs", {
          params: { path: { episode_id: episodeId } },
        })
      ).data?.data ?? [],
    // A film that is being made says so itself on the episode's page; here a look now and then is enough.
    refetchInterval: (query) =>
      query.state.data?.some((f) => f.status === "pending" || f.status === "processing") ? 1000 : false,
  });
  if (films.isPending) return <Skeleton page label={words.loading} lines={8} />;
  if (films.error) return <Refused error={films.error} onAgain={films.refetch} automatic />;
  const made = films.data.filter((f) => f.status === "completed" && !f.gone);
  const film = made.find((f) => f.id === chosen) ?? made[0];
  const making = films.data.find((f) => f.status === "pending" || f.status === "processing");

  const rate = async (rating: number) => {
    if (!film) return;
    setRated({ film: film.id, rating });
    try {
      await api.PUT("/api/v1/compilation-jobs/{compilation_id}/rating", {
        params: { path: { compilation_id: film.id } },
        body: { rating },
      });
      await queries.invalidateQueries({ queryKey: key });
    } catch (error) {
      refused(error);
    } finally {
      setRated(null);
    }
  };
  return (
    <div className={ui.stack}>
      <header className={`${ui.row} ${ui.spread}`}>
        <h1>{words.film}</h1>
        <Link href={routes.episode(projectId, episodeId)}>{words.timeline}</Link>
      </header>
      {making ? (
        <Notice tone="muted">
          {said(making, language) || words.compiling}
          {making.queue_position ? words.queuePosition(making.queue_position) : null}
          <progress max={100} value={making.progress} aria-label={words.compiling} />
        </Notice>
      ) : null}
      {!film && !making ? <Empty title={words.noFilm} hint={words.noFilmHint} /> : null}
      {film ? (
        <div className={css.film}>
          <Player
            key={film.id}
            words={words}
            label={words.film}
            seek={seek}
            onExpired={() => void queries.invalidateQueries({ queryKey: key })}
            media={{
              kind: "video",
              url: film.output_video_url,
              poster: film.poster_url,
              filmstrip: null,
              fps: fractionOf(film.frame_rate) ?? film.fps,
              duration: film.output_duration,
              aspectRatio: ratioOf(film.resolution),
              captions: film.captions_url,
            }}
          />
          <div className={css.about}>
            <div className={`${ui.row} ${css.facts}`}>
              {film.output_duration !== null ? <span>{clock(film.output_duration)}</span> : null}
              {film.resolution ? <span>{film.resolution}</span> : null}
              {film.output_file_size !== null ? <span>{bytes(film.output_file_size, language)}</span> : null}
              {film.loudness_lufs !== null ? (
                <span>
                  {words.loudness} {film.loudness_lufs.toFixed(1)} LUFS
                </span>
              ) : null}
            </div>
            <div className={ui.row}>
              {film.output_video_url ? (
                <a className={`${ui.button} ${ui.primary}`} href={asDownload(film.output_video_url)} download>
                  {words.download} MP4
                </a>
              ) : null}
              {film.captions_url ? (
                <a className={ui.button} href={asDownload(film.captions_url)} download>
                  WebVTT
                </a>
              ) : null}
              {film.subtitles_url ? (
                <a className={ui.button} href={asDownload(film.subtitles_url)} download>
                  SRT
                </a>
              ) : null}
              {film.timeline_url ? (
                <a className={ui.button} href={asDownload(film.timeline_url)} download>
                  OTIO
                </a>
              ) : null}
            </div>
            <Provenance of="film" id={film.id} pending={film.provenance === "pending"} />
            {film.chapters.length > 0 ? (
              <section aria-label={words.chapters}>
                <h2>{words.chapters}</h2>
                <ol className={css.chapters}>
                  {film.chapters.map((chapter) => (
                    <li key={`${chapter.start} ${chapter.title}`}>
                      <Button look="quiet" onClick={() => setSeek({ seconds: chapter.start })}>
                        <span className={ui.hint}>{clock(chapter.start)}</span>{" "}
                        <span dir="auto">{chapter.title}</span>
                      </Button>
                    </li>
                  ))}
                </ol>
              </section>
            ) : null}
            {film.left_out.length > 0 ? (
              <Notice tone="warn">{words.leftOut(film.left_out.length)}</Notice>
            ) : null}
            <Stars
              label={words.rating}
              value={rated?.film === film.id ? rated.rating : film.rating}
              onChange={(rating) => void rate(rating)}
            />
            {film.warnings.length > 0 ? (
              <details>
                <summary>
                  {words.warnings} ({film.warnings.length})
                </summary>
                <ul className={css.warnings}>
                  {film.warnings.map((warning) => (
                    <li key={String(warning)}>{String(warning)}</li>
                  ))}
                </ul>
              </details>
            ) : null}
          </div>
        </div>
      ) : null}
      {made.length > 1 ? (
        <section>
          <h2>{words.films}</h2>
          <ul className={css.earlier}>
            {made.map((f) => (
              <li key={f.id}>
                <button
                  type="button"
                  className={ui.button}
                  aria-pressed={f.id === film?.id}
                  onClick={() => setChosen(f.id)}
                >
                  {dateTime(f.created_at, language)}
                </button>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </div>
  );
}

function ratioOf(resolution: string | null): string | null {
  return resolution?.replace("x", ":") ?? null;
}
