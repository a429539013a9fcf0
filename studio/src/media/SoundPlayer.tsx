/** Plays a sound below its waveform, to the hundredth of a second. */

import {
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useEffect,
  useImperativeHandle,
  useRef,
  useState,
} from "react";
import { seconds as secondsOf } from "../language/format";
import type { Words } from "../language/words";
import { LoopButton, MuteButton, PlayButton } from "./controls";
import { type Lane, Lanes } from "./Lanes";
import type { Playable, PlayerControl } from "./Player";
import css from "./player.module.css";
import { useSource } from "./source";
import { Waveform } from "./Waveform";

/** Steps of the scrub bar and of the keys `,` and `.`, in seconds. */
const STEP = 0.01;
const NUDGE = 0.1;

interface SoundPlayerProps {
  readonly media: Playable;
  readonly url: string;
  readonly words: Words;
  readonly label: string;
  readonly badge?: ReactNode;
  readonly playOnce?: boolean;
  readonly onExpired?: () => void;
  readonly control?: Ref<PlayerControl>;
  readonly lanes?: readonly Lane[];
  readonly onNote?: () => void;
}

export function SoundPlayer(props: SoundPlayerProps) {
  const { media, url, words, label, badge, playOnce, onExpired, control, lanes, onNote } = props;
  const audio = useRef<HTMLAudioElement>(null);
  const slider = useRef<HTMLInputElement>(null);
  const counter = useRef<HTMLSpanElement>(null);
  const { link, broken, onError, ensure } = useSource(audio, url, onExpired);
  const [playing, setPlaying] = useState(false);
  const [loop, setLoop] = useState(false);
  const [muted, setMuted] = useState(false);
  const [duration, setDuration] = useState(media.duration ?? 0);

  // The playhead is written where it is shown: nothing renders while a sound plays.
  useEffect(() => {
    const element = audio.current;
    if (element === null || link === null) return;
    let handle = 0;
    const show = () => {
      const at = element.currentTime;
      if (slider.current) {
        slider.current.value = String(at);
        slider.current.setAttribute(
          "aria-valuetext",
          words.soundPosition(at.toFixed(2), duration.toFixed(2)),
        );
      }
      if (counter.current) counter.current.textContent = secondsOf(at);
      if (!element.paused) handle = requestAnimationFrame(show);
    };
    const moved = () => {
      cancelAnimationFrame(handle);
      show();
    };
    const events = ["play", "pause", "seeked", "loadedmetadata"] as const;
    for (const name of events) element.addEventListener(name, moved);
    moved();
    return () => {
      cancelAnimationFrame(handle);
      for (const name of events) element.removeEventListener(name, moved);
    };
  }, [link, duration, words]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another link is another sound to play
  useEffect(() => {
    if (playOnce) void audio.current?.play().catch(() => {});
  }, [link, playOnce]);

  const seek = (to: number) => {
    ensure();
    if (audio.current) audio.current.currentTime = Math.min(Math.max(0, to), duration);
  };
  const toggle = () => {
    const element = audio.current;
    if (element === null) return;
    ensure();
    if (element.paused) void element.play().catch(() => {});
    else element.pause();
  };
  useImperativeHandle(control, () => ({
    moment: () => ({ at: audio.current?.currentTime ?? 0, until: null }),
    seek: (to) => {
      audio.current?.pause();
      seek(to);
    },
  }));

  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const now = audio.current?.currentTime ?? 0;
    const long = event.shiftKey ? 5 : 1;
    switch (event.key) {
      case " ":
        if (event.target instanceof HTMLButtonElement) return;
        toggle();
        break;
      case ",":
        seek(now - NUDGE);
        break;
      case ".":
        seek(now + NUDGE);
        break;
      case "ArrowLeft":
        seek(now - long);
        break;
      case "ArrowRight":
        seek(now + long);
        break;
      case "Home":
        seek(0);
        break;
      case "End":
        seek(duration);
        break;
      case "s":
      case "S":
        setMuted((m) => !m);
        break;
      case "m":
      case "M":
        if (onNote === undefined) return;
        audio.current?.pause();
        onNote();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <section className={css.player} aria-label={label} onKeyDown={onKey}>
      <div className={css.sound}>
        <Waveform peaks={media.peaks ?? null} poster={media.poster} />
        {broken ? <p>{words.unplayable}</p> : null}
        {badge ? <span className={css.badge}>{badge}</span> : null}
        <audio
          ref={audio}
          loop={loop}
          muted={muted}
          preload="metadata"
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onLoadedMetadata={(event) => {
            if (Number.isFinite(event.currentTarget.duration)) setDuration(event.currentTarget.duration);
          }}
          onError={onError}
        />
      </div>
      <div className={css.scrubber}>
        <input
          ref={slider}
          className={css.scrub}
          type="range"
          min={0}
          max={Math.max(STEP, duration)}
          step={STEP}
          defaultValue={0}
          aria-label={words.position}
          onInput={(event) => seek(Number(event.currentTarget.value))}
        />
        {lanes ? <Lanes lanes={lanes} duration={duration} /> : null}
      </div>
      <div className={css.controls}>
        <PlayButton words={words} playing={playing} shortcut="Space" onClick={toggle} />
        <span className={css.time}>
          <span ref={counter} /> / {secondsOf(duration)}
        </span>
        <LoopButton words={words} loop={loop} onClick={() => setLoop((l) => !l)} />
        <MuteButton words={words} muted={muted} shortcut="S" onClick={() => setMuted((m) => !m)} />
      </div>
    </section>
  );
}
