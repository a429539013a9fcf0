/** Compiles the committed segments into the film, and leads to it. */

import { useState } from "react";
import { Link } from "wouter";
import { idempotencyKey, type Schemas } from "../../api/client";
import { useApp, useWords } from "../../app/context";
import { routes } from "../../app/routes";
import { said } from "../../language/messages";
import type { Board, Cell } from "../../live/board";
import { Button, SelectField, ui } from "../../ui/ui";
import { About } from "../About";
import { atLeast } from "../roles";
import { useEpisode, useEpisodeKey } from "./EpisodeContext";
import css from "./episode.module.css";

const STYLES = ["cut", "fade", "dissolve"] as const;
const CAPTIONS = ["none", "soft", "burned"] as const;
/** What becomes of the videos' own sound. */
const OWN_SOUND = ["keep", "lower", "mute"] as const;
/** Integrated loudness in LUFS: the web, the default, broadcast. */
const LOUDNESS = [-14, -16, -23] as const;

type Sound = Pick<Schemas["AudioConfig"], "background_music" | "segment_sound" | "loudness_lufs">;
/** As the gateway has them where none are sent. */
const USUAL_SOUND: Sound = { background_music: true, segment_sound: "lower", loudness_lufs: -16 };

export function CompileBar() {
  const words = useWords();
  const { api, language, refused } = useApp();
  const { projectId, episodeId, feed, role } = useEpisode();
  const order = useEpisodeKey<readonly string[]>("order") ?? [];
  const works = useEpisodeKey<Board>("works");
  const [style, setStyle] = useState<(typeof STYLES)[number] | "">("");
  const [captions, setCaptions] = useState<(typeof CAPTIONS)[number]>("soft");
  const [sound, setSound] = useState<Sound>(USUAL_SOUND);
  const body = { ...(style ? { transition_style: style } : {}), captions, audio_config: sound };
  // Rendered again when any event changes the works or the order; a card's own state is its own.
  const missing = order.flatMap((id, index) => {
    const segment = feed.store.get<Schemas["Segment"]>(`segment:${id}`);
    const cell = segment ? feed.store.get<Cell>(`cell:${segment.assets.video}`) : undefined;
    return cell?.had ? [] : [index + 1];
  });
  const film = [...(works?.films.values() ?? [])].at(-1);
  const running = film && (film.status === "pending" || film.status === "processing");
  const nothing = missing.length === order.length;

  const compile = async () => {
    try {
      await api.POST("/api/v1/episodes/{episode_id}/compile", {
        params: { path: { episode_id: episodeId }, header: { "Idempotency-Key": idempotencyKey() } },
        body,
      });
    } catch (error) {
      refused(error);
    }
  };
  return (
    <section className={`${css.bar} ${css.compile}`} aria-label={words.compile}>
      {atLeast(role, "editor") ? (
        <>
          <label className={ui.row}>
            {words.transition}
            <select value={style} onChange={(e) => setStyle(e.currentTarget.value as typeof style)}>
              <option value="">{words.asSegmentsSay}</option>
              {STYLES.map((s) => (
                <option key={s} value={s}>
                  {words.transitions[s]}
                </option>
              ))}
            </select>
          </label>
          <label className={ui.row}>
            {words.captions}
            <select value={captions} onChange={(e) => setCaptions(e.currentTarget.value as typeof captions)}>
              {CAPTIONS.map((c) => (
                <option key={c} value={c}>
                  {words.captionModes[c]}
                </option>
              ))}
            </select>
          </label>
          <SoundOptions sound={sound} onChange={setSound} />
        </>
      ) : null}
      <span className={`${ui.hint} ${css.plan}`}>
        {missing.length > 0 && !nothing ? words.leavesOut(missing.join(", ")) : null}
      </span>
      {running ? (
        <span className={ui.row}>
          {said(film, language) || words.compiling}
          <progress max={100} value={film.percent ?? 0} aria-label={words.compiling} />
        </span>
      ) : film?.status === "completed" ? (
        // Its message goes on changing after it is ready (credentials are added); the link's name does not.
        <span className={ui.row}>
          {said(film, language)}
          <Link href={routes.film(projectId, episodeId)}>{words.watchFilm}</Link>
        </span>
      ) : film?.status === "failed" ? (
        <span data-tone="bad">{said(film, language)}</span>
      ) : (
        <Link className={`${ui.button} ${ui.quiet}`} href={routes.film(projectId, episodeId)}>
          {words.film}
        </Link>
      )}
      {atLeast(role, "editor") && !nothing && !running ? (
        <About
          of={{
            what: "film",
            id: episodeId,
            body,
          }}
        />
      ) : null}
      <Button
        look="primary"
        disabledReason={
          !atLeast(role, "editor")
            ? words.mayNotCompile
            : nothing
              ? words.noFilmHint
              : running
                ? words.compiling
                : null
        }
        onClick={() => void compile()}
      >
        {words.compile}
      </Button>
    </section>
  );
}

function SoundOptions({
  sound,
  onChange,
}: {
  readonly sound: Sound;
  readonly onChange: (sound: Sound) => void;
}) {
  const words = useWords();
  return (
    <details className={css.sound}>
      <summary>{words.sound}</summary>
      <div className={css.soundOptions}>
        <label className={ui.row}>
          <input
            type="checkbox"
            checked={sound.background_music}
            onChange={(e) => onChange({ ...sound, background_music: e.currentTarget.checked })}
          />
          {words.music}
        </label>
        <SelectField
          label={words.ownSound}
          value={sound.segment_sound}
          onChange={(e) => {
            const next = OWN_SOUND.find((s) => s === e.currentTarget.value);
            if (next) onChange({ ...sound, segment_sound: next });
          }}
        >
          {OWN_SOUND.map((s) => (
            <option key={s} value={s}>
              {words.ownSounds[s]}
            </option>
          ))}
        </SelectField>
        <SelectField
          label={words.loudness}
          value={sound.loudness_lufs}
          onChange={(e) => {
            const next = LOUDNESS.find((l) => l === Number(e.currentTarget.value));
            if (next) onChange({ ...sound, loudness_lufs: next });
          }}
        >
          {LOUDNESS.map((l) => (
            <option key={l} value={l}>
              {l} LUFS ({words.loudnessFor[l]})
            </option>
          ))}
        </SelectField>
      </div>
    </details>
  );
}
