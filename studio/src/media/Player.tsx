/** Plays one version: a video with a frame-exact scrubber, a picture, or a sound with its waveform. */

import { Maximize } from "lucide-react";
import {
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useRef,
  useState,
} from "react";
import { timecode } from "../language/format";
import type { Words } from "../language/words";
import { Button, classes } from "../ui/ui";
import { type Watched, watch } from "./clock";
import { LoopButton, MuteButton, PlayButton, StepButton } from "./controls";
import { type Lane, Lanes } from "./Lanes";
import css from "./player.module.css";
import { SoundPlayer } from "./SoundPlayer";
import { useSource } from "./source";

export interface Playable {
  readonly kind: "video" | "starting_image" | "image" | "narration" | "music";
  readonly url: string | null;
  readonly poster: string | null;
  readonly filmstrip: string | null;
  /** Of a sound: where its peaks are. */
  readonly peaks?: string | null;
  /** As exact as it is known. */
  readonly fps: number | null;
  readonly frames?: number | null;
  /** Frames are not where the rate puts them: their numbers are approximate. */
  readonly variableRate?: boolean;
  readonly duration: number | null;
  readonly aspectRatio: string | null;
  readonly captions?: string | null;
}

/** Where the player is, in seconds: the start of the frame presented, or the part that is looped. */
export interface Moment {
  readonly at: number;
  readonly until: number | null;
}

export interface PlayerControl {
  moment(): Moment;
  /** Pauses at the frame that begins there. */
  seek(seconds: number): void;
}

interface PlayerProps {
  readonly media: Playable;
  readonly words: Words;
  /** What it is, for screen readers: "Segment 3 video, preview v5". */
  readonly label: string;
  readonly badge?: ReactNode;
  /** Plays once when it is shown; only for a preview that a person opened. */
  readonly playOnce?: boolean;
  /** Goes there, each time that another object asks for it. */
  readonly seek?: { readonly seconds: number } | null;
  /** The link has expired (410): the owner fetches the resource again and gives a new one. */
  readonly onExpired?: () => void;
  readonly control?: Ref<PlayerControl>;
  /** What is known of its parts, below the scrub bar. */
  readonly lanes?: readonly Lane[];
  /** Over the picture, in its shape. */
  readonly over?: ReactNode;
  /** The key M. */
  readonly onNote?: () => void;
}

export function Player(props: PlayerProps) {
  const { media, words, label, badge, over } = props;
  const ratio = { "--ratio": cssRatio(media.aspectRatio) } as CSSProperties;
  if (media.url === null) {
    return (
      <section className={css.player} style={ratio} aria-label={label}>
        <div className={css.stage}>
          {media.poster ? (
            <img className={css.picture} src={media.poster} alt="" />
          ) : (
            <p>{words.nothingToPlay}</p>
          )}
          {badge ? <span className={css.badge}>{badge}</span> : null}
        </div>
      </section>
    );
  }
  switch (media.kind) {
    case "video":
      return <VideoPlayer {...props} url={media.url} />;
    case "narration":
    case "music":
      return <SoundPlayer {...props} url={media.url} />;
    default:
      return (
        <section className={css.player} style={ratio} aria-label={label}>
          <div className={css.stage}>
            <img className={css.picture} src={media.url} alt={label} />
            {over ? <div className={css.over}>{over}</div> : null}
            {badge ? <span className={css.badge}>{badge}</span> : null}
          </div>
        </section>
      );
  }
}

const SPEEDS: readonly number[] = [0.25, 0.5, 1, 1.5, 2];

function VideoPlayer({
  media,
  url,
  words,
  label,
  badge,
  playOnce,
  seek = null,
  onExpired,
  control,
  lanes,
  over,
  onNote,
}: PlayerProps & { url: string }) {
  const video = useRef<HTMLVideoElement>(null);
  const slider = useRef<HTMLInputElement>(null);
  const counter = useRef<HTMLSpanElement>(null);
  const watched = useRef<Watched | null>(null);
  const frame = useRef(0);
  const { link: source, broken, onError, ensure } = useSource(video, url, onExpired);
  const [playing, setPlaying] = useState(false);
  const [loop, setLoop] = useState(false);
  const [muted, setMuted] = useState(false);
  const [speed, setSpeed] = useState(1);
  /** Frames between which it is played again and again; null: none chosen. */
  const [range, setRange] = useState<{ readonly from: number; readonly to: number } | null>(null);
  const looped = useRef(range);
  looped.current = range;
  const fps = media.fps ?? 24;
  const about = media.variableRate ? "≈" : "";
  const [duration, setDuration] = useState(media.duration ?? 0);

  useEffect(() => {
    const element = video.current;
    if (element === null || source === null) return;
    const present = (n: number, seconds: number) => {
      frame.current = n;
      const between = looped.current;
      if (between !== null && !element.paused && (n >= between.to || n < between.from)) {
        watched.current?.seekFrame(between.from);
      }
      if (slider.current) {
        slider.current.value = String(n);
        const all = (element.duration || duration).toFixed(2);
        slider.current.setAttribute("aria-valuetext", words.positionText(seconds.toFixed(2), all, n));
      }
      if (counter.current)
        counter.current.textContent = `${timecode(seconds, fps)}  ${words.frame} ${about}${n}`;
    };
    const watching = watch(element, fps, present);
    watched.current = watching;
    present(frame.current, element.currentTime);
    return () => watching.stop();
  }, [source, fps, duration, words, about]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another source is another video to play
  useEffect(() => {
    if (playOnce) void video.current?.play().catch(() => {});
  }, [source, playOnce]);

  useEffect(() => {
    if (seek === null) return;
    ensure();
    watched.current?.seekFrame(Math.round(seek.seconds * fps));
  }, [seek, fps, ensure]);

  const toggle = useCallback(() => {
    const element = video.current;
    if (!element) return;
    ensure();
    if (element.paused) void element.play().catch(() => {});
    else element.pause();
  }, [ensure]);

  const step = useCallback(
    (frames: number) => {
      ensure();
      video.current?.pause();
      watched.current?.seekFrame(frame.current + frames);
    },
    [ensure],
  );

  useImperativeHandle(
    control,
    () => ({
      moment: () =>
        looped.current === null
          ? { at: frame.current / fps, until: null }
          : { at: looped.current.from / fps, until: (looped.current.to + 1) / fps },
      seek: (seconds) => step(Math.round(seconds * fps) - frame.current),
    }),
    [fps, step],
  );

  const last = Math.max(1, (media.frames || Math.round(duration * fps)) - 1);
  const setRate = (rate: number) => {
    setSpeed(rate);
    if (video.current) video.current.playbackRate = rate;
  };
  const faster = (by: 1 | -1) => {
    const at = SPEEDS.indexOf(speed);
    setRate(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + by))] ?? 1);
  };
  /** J a second back, K pause, L play, and faster each time; a video plays backwards in no browser. */
  const shuttle = (key: string) => {
    const element = video.current;
    if (element === null) return;
    if (key === "k") element.pause();
    else if (key === "j") step(-Math.round(fps));
    else if (element.paused) toggle();
    else faster(1);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onControl = event.target instanceof HTMLButtonElement || event.target instanceof HTMLSelectElement;
    const seconds = Math.round(fps) * (event.shiftKey ? 5 : 1);
    const onSlider = event.target === slider.current;
    const inDialog = event.currentTarget.closest("dialog") !== null;
    switch (event.key) {
      case " ":
        if (onControl) return;
        toggle();
        break;
      case ",":
        step(-1);
        break;
      case ".":
        step(1);
        break;
      case "ArrowLeft":
        if (onSlider && !event.shiftKey) step(-1);
        else step(-seconds);
        break;
      case "ArrowRight":
        if (onSlider && !event.shiftKey) step(1);
        else step(seconds);
        break;
      case "i":
      case "I":
        setRange({ from: frame.current, to: range?.to ?? last });
        break;
      case "o":
      case "O":
        setRange({ from: range?.from ?? 0, to: frame.current });
        break;
      case "\\":
        setRange(null);
        break;
      case "-":
      case "=":
        faster(event.key === "=" ? 1 : -1);
        break;
      case "j":
      case "J":
      case "k":
      case "K":
      case "l":
      case "L":
        // In the preview these lead to the next and the previous one.
        if (inDialog) return;
        shuttle(event.key.toLowerCase());
        break;
      case "m":
      case "M":
        if (onNote === undefined) return;
        video.current?.pause();
        onNote();
        break;
      case "Home":
        watched.current?.seekFrame(0);
        break;
      case "End":
        watched.current?.seekFrame(last);
        break;
      case "s":
      case "S":
        setMuted((m) => !m);
        break;
      case "f":
      case "F":
        void video.current?.requestFullscreen?.();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <section
      className={css.player}
      aria-label={label}
      style={{ "--ratio": cssRatio(media.aspectRatio) } as CSSProperties}
      onKeyDown={onKey}
    >
      <div className={css.stage}>
        {broken ? <p>{words.unplayable}</p> : null}
        <video
          ref={video}
          className={css.video}
          hidden={broken}
          poster={media.poster ?? undefined}
          loop={loop || range !== null}
          muted={muted}
          playsInline
          preload="metadata"
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onLoadedMetadata={(event) => {
            setDuration(event.currentTarget.duration);
            event.currentTarget.playbackRate = speed;
          }}
          onError={onError}
        >
          {media.captions ? <track kind="captions" src={media.captions} default /> : null}
        </video>
        {over ? <div className={css.over}>{over}</div> : null}
        {badge ? <span className={css.badge}>{badge}</span> : null}
      </div>
      <div className={css.scrubber}>
        <div className={css.strip}>
          {media.filmstrip ? (
            <img className={css.filmstrip} src={media.filmstrip} alt="" loading="lazy" />
          ) : null}
          <input
            ref={slider}
            className={classes(css.scrub, media.filmstrip !== null && css.onStrip)}
            type="range"
            min={0}
            max={last}
            step={1}
            defaultValue={0}
            aria-label={words.position}
            onInput={(event) => watched.current?.seekFrame(Number(event.currentTarget.value))}
          />
        </div>
        {lanes ? <Lanes lanes={lanes} duration={duration} /> : null}
      </div>
      <div className={css.controls}>
        <StepButton words={words} by={-1} shortcut="," onClick={() => step(-1)} />
        <PlayButton words={words} playing={playing} shortcut="Space" onClick={toggle} />
        <StepButton words={words} by={1} shortcut="." onClick={() => step(1)} />
        <span className={css.time} title={media.variableRate ? words.variableRate : undefined}>
          <span ref={counter} /> <span className={css.total}>/ {timecode(duration, fps)}</span>
        </span>
        {range ? (
          <Button look="quiet" title="\" onClick={() => setRange(null)}>
            {words.loopBetween(range.from, range.to)} ×
          </Button>
        ) : null}
        <LoopButton words={words} loop={loop} onClick={() => setLoop((l) => !l)} />
        <MuteButton words={words} muted={muted} onClick={() => setMuted((m) => !m)} />
        <select
          aria-label={words.speed}
          value={speed}
          onChange={(event) => {
            setRate(Number(event.currentTarget.value));
          }}
        >
          {SPEEDS.map((s) => (
            <option key={s} value={s}>
              {s}×
            </option>
          ))}
        </select>
        <Button
          look="quiet"
          aria-label={words.fullscreen}
          title={`${words.fullscreen} (F)`}
          onClick={() => void video.current?.requestFullscreen?.()}
        >
          <Maximize size={16} aria-hidden />
        </Button>
      </div>
    </section>
  );
}

/** Of an aspect ratio such as "16:9". */
export function cssRatio(ratio: string | null): string {
  return ratio && /^\d+(\.\d+)?:\d+(\.\d+)?$/.test(ratio) ? ratio.replace(":", " / ") : "16 / 9";
}
