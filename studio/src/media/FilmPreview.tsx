/** The committed segments played as the film, before any compile: gapless, with transitions, narration and music. */

import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { timecode } from "../language/format";
import type { Words } from "../language/words";
import { ui } from "../ui/ui";
import { MuteButton, PlayButton, StepButton } from "./controls";
import css from "./player.module.css";
import { Projector } from "./projector";
import type { Sequence } from "./sequence";

interface FilmPreviewProps {
  readonly sequence: Sequence;
  readonly music: string | null;
  readonly words: Words;
  /** A clip's link has expired. */
  readonly onExpired: (segmentId: string) => void;
  /** Where it begins: the first frame of this segment. */
  readonly startAt: string | null;
}

export function FilmPreview({ sequence, music, words, onExpired, startAt }: FilmPreviewProps) {
  const first = useRef<HTMLVideoElement>(null);
  const second = useRef<HTMLVideoElement>(null);
  const slider = useRef<HTMLInputElement>(null);
  const counter = useRef<HTMLSpanElement>(null);
  const projector = useRef<Projector | null>(null);
  const frame = useRef(0);
  const current = useRef({ sequence, onExpired, words });
  current.current = { sequence, onExpired, words };
  const [clip, setClip] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [muted, setMuted] = useState(false);

  useEffect(() => {
    if (first.current === null || second.current === null) return;
    const made = new Projector([first.current, second.current], {
      onFrame: (n, at) => {
        const { sequence: film, words: w } = current.current;
        frame.current = n;
        setClip(at);
        const seconds = n / film.fps;
        if (slider.current) {
          slider.current.value = String(n);
          const all = (film.frames / film.fps).toFixed(2);
          slider.current.setAttribute("aria-valuetext", w.positionText(seconds.toFixed(2), all, n));
        }
        if (counter.current) counter.current.textContent = `${timecode(seconds, film.fps)}  ${w.frame} ${n}`;
      },
      onPlaying: setPlaying,
      onError: (at) => {
        const lost = current.current.sequence.clips[at];
        if (lost) current.current.onExpired(lost.segmentId);
      },
    });
    projector.current = made;
    return () => {
      projector.current = null;
      made.close();
    };
  }, []);
  useEffect(() => projector.current?.load(sequence, music), [sequence, music]);
  useEffect(() => projector.current?.mute(muted), [muted]);
  useEffect(() => {
    const found = current.current.sequence.clips.find((c) => c.segmentId === startAt);
    if (found) projector.current?.seek(found.start);
  }, [startAt]);

  const toggle = () => (playing ? projector.current?.pause() : projector.current?.play());
  const step = (frames: number) => {
    projector.current?.pause();
    projector.current?.seek(frame.current + frames);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const second = Math.round(sequence.fps) * (event.shiftKey ? 5 : 1);
    const onSlider = event.target === slider.current;
    switch (event.key) {
      case " ":
        if (event.target instanceof HTMLButtonElement) return;
        toggle();
        break;
      case ",":
        step(-1);
        break;
      case ".":
        step(1);
        break;
      case "ArrowLeft":
        step(onSlider && !event.shiftKey ? -1 : -second);
        break;
      case "ArrowRight":
        step(onSlider && !event.shiftKey ? 1 : second);
        break;
      case "Home":
        projector.current?.seek(0);
        break;
      case "End":
        projector.current?.seek(sequence.frames - 1);
        break;
      case "s":
      case "S":
        setMuted((m) => !m);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const shown = sequence.clips[clip];
  return (
    <section className={css.player} aria-label={words.filmBeforeCompile} onKeyDown={onKey}>
      <div className={css.stage} data-film>
        {shown?.video === null ? (
          <div className={css.card}>
            {shown.poster ? <img src={shown.poster} alt="" /> : null}
            <p dir="auto">
              {shown.name}: {words.noVersion}
            </p>
          </div>
        ) : null}
        {/* biome-ignore lint/a11y/useMediaCaption: narrations are heard and shown as text */}
        <video ref={first} className={css.reel} playsInline preload="auto" />
        {/* biome-ignore lint/a11y/useMediaCaption: narrations are heard and shown as text */}
        <video ref={second} className={css.reel} playsInline preload="auto" />
        <span className={css.badge} dir="auto">
          {words.filmBeforeCompile}: {shown?.name}
        </span>
      </div>
      <div className={css.scrubber}>
        <input
          ref={slider}
          className={css.scrub}
          type="range"
          min={0}
          max={Math.max(1, sequence.frames - 1)}
          defaultValue={0}
          aria-label={words.position}
          onInput={(event) => projector.current?.seek(Number(event.currentTarget.value))}
        />
      </div>
      <div className={css.controls}>
        <StepButton words={words} by={-1} onClick={() => step(-1)} />
        <PlayButton words={words} playing={playing} onClick={toggle} />
        <StepButton words={words} by={1} onClick={() => step(1)} />
        <span className={css.time}>
          <span ref={counter} /> / {timecode(sequence.frames / sequence.fps, sequence.fps)}
        </span>
        <MuteButton words={words} muted={muted} onClick={() => setMuted((m) => !m)} />
        <span className={ui.hint}>{words.filmBeforeCompileHint}</span>
      </div>
    </section>
  );
}
