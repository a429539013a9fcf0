/** Two versions of one asset beside or over each other, on one clock: videos, pictures, or sounds in turn. */

import { type CSSProperties, type KeyboardEvent, useCallback, useEffect, useRef, useState } from "react";
import { timecode } from "../language/format";
import type { Words } from "../language/words";
import { Button, classes, ui } from "../ui/ui";
import { frameTime, type Watched, watch } from "./clock";
import { COMPARE_MODES, type CompareMode, correct, isBeside, nextMode, placeOf, type Side } from "./compare";
import css from "./compare.module.css";
import { PlayButton, StepButton } from "./controls";
import { cssRatio, type Playable } from "./Player";
import { useSource } from "./source";

export interface Compared {
  readonly media: Playable;
  /** Such as "v2, committed". */
  readonly label: string;
}

interface ComparePlayerProps {
  readonly a: Compared;
  readonly b: Compared;
  readonly mode: CompareMode;
  readonly onMode: (mode: CompareMode) => void;
  readonly words: Words;
  /** Where to begin, in seconds of the leading side. */
  readonly from?: number;
  /** Where it was paused or sought: for the address. */
  readonly onRest?: (seconds: number) => void;
  /** A link has expired: the owner fetches new ones. */
  readonly onExpired?: () => void;
}

type Ear = "a" | "b" | "off";

export function ComparePlayer(props: ComparePlayerProps) {
  const { a, b, mode, onMode, words } = props;
  const [share, setShare] = useState(50);
  const kind = a.media.kind;
  const isSound = kind === "narration" || kind === "music";
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isSound || isField(event.target)) return;
    if (event.key.toLowerCase() !== "x") return;
    event.preventDefault();
    event.stopPropagation();
    onMode(nextMode(mode));
  };
  return (
    <section className={css.compare} aria-label={words.compareOf(a.label, b.label)} onKeyDown={onKey}>
      {isSound ? null : (
        <fieldset className={ui.row}>
          <legend className={ui.hiddenText}>{words.compareMode}</legend>
          {COMPARE_MODES.map((m) => (
            <Button key={m} aria-pressed={m === mode} title="X" onClick={() => onMode(m)}>
              {words.compareModes[m]}
            </Button>
          ))}
        </fieldset>
      )}
      {isSound ? (
        <div className={css.sounds}>
          {[a, b].map(({ media, label }) => (
            <figure key={label}>
              <figcaption>{label}</figcaption>
              {media.poster ? <img src={media.poster} alt="" /> : null}
              {/* biome-ignore lint/a11y/useMediaCaption: the scripts are shown below */}
              <audio src={media.url ?? undefined} controls preload="metadata" aria-label={label} />
            </figure>
          ))}
        </div>
      ) : kind === "video" ? (
        <Videos {...props} share={share} onShare={setShare} />
      ) : (
        <>
          <Stage mode={mode} share={share} a={a} b={b}>
            <img src={a.media.url ?? undefined} alt={a.label} />
            <img src={b.media.url ?? undefined} alt={b.label} />
          </Stage>
          <Share mode={mode} share={share} onShare={setShare} words={words} />
        </>
      )}
    </section>
  );
}

function Stage({
  mode,
  share,
  a,
  b,
  children: [first, second],
}: {
  readonly mode: CompareMode;
  readonly share: number;
  readonly a: Compared;
  readonly b: Compared;
  readonly children: readonly [React.ReactNode, React.ReactNode];
}) {
  const style = {
    "--share": `${share}%`,
    "--part": share / 100,
    "--ratio": cssRatio(a.media.aspectRatio),
  } as CSSProperties;
  return (
    <div className={css.stage} data-mode={mode} style={style}>
      <figure className={css.a}>
        {first}
        <figcaption>A: {a.label}</figcaption>
      </figure>
      <figure className={css.b}>
        {second}
        <figcaption>B: {b.label}</figcaption>
      </figure>
    </div>
  );
}

/** Where the wipe's bar is, or how much of B shows through; holding the button shows B alone. */
function Share({
  mode,
  share,
  onShare,
  words,
}: {
  readonly mode: CompareMode;
  readonly share: number;
  readonly onShare: (share: number) => void;
  readonly words: Words;
}) {
  if (mode !== "wipe" && mode !== "onion") return null;
  return (
    <div className={ui.row}>
      <label className={classes(ui.row, css.share)}>
        {mode === "wipe" ? words.wipeAt : words.onionOf}
        <input
          type="range"
          min={0}
          max={100}
          value={share}
          aria-valuetext={`${share} %`}
          onChange={(event) => onShare(Number(event.currentTarget.value))}
        />
      </label>
      <Button onClick={() => onShare(share < 50 ? 100 : 0)}>{words.flip}</Button>
    </div>
  );
}

function Videos({
  a,
  b,
  mode,
  words,
  share,
  onShare,
  from = 0,
  onRest,
  onExpired,
}: ComparePlayerProps & { readonly share: number; readonly onShare: (share: number) => void }) {
  const videoA = useRef<HTMLVideoElement>(null);
  const videoB = useRef<HTMLVideoElement>(null);
  const counter = useRef<HTMLSpanElement>(null);
  const slider = useRef<HTMLInputElement>(null);
  const clock = useRef<Watched | null>(null);
  const frame = useRef(0);
  const [playing, setPlaying] = useState(false);
  const [offset, setOffset] = useState(0);
  const [ear, setEar] = useState<Ear>("a");
  const sourceA = useSource(videoA, a.media.url, onExpired);
  const sourceB = useSource(videoB, b.media.url, onExpired);
  const sideA = sideOf(a.media);
  const sideB = sideOf(b.media);
  const leadsB = sideB.duration > sideA.duration;
  const [leading, following] = leadsB ? [videoB, videoA] : [videoA, videoB];
  const [lead, side] = leadsB ? [sideB, sideA] : [sideA, sideB];
  // `offset` is B's, in its frames: the follower's is the same with its sign.
  const shift = (leadsB ? -1 : 1) * (offset / sideB.fps);
  const start = useRef(from);

  // biome-ignore lint/correctness/useExhaustiveDependencies: other videos are other elements' sources
  useEffect(() => {
    const master = leading.current;
    const other = following.current;
    if (master === null || other === null) return;
    let now = { media: master.currentTime, at: performance.now() };
    const put = (seconds: number) => {
      const wanted = placeOf(seconds, shift, side);
      if (!isBeside(other.currentTime, wanted, side)) other.currentTime = wanted;
    };
    const shown = (n: number, seconds: number) => {
      frame.current = n;
      now = { media: seconds, at: performance.now() };
      if (slider.current) {
        slider.current.value = String(n);
        const all = lead.duration.toFixed(2);
        slider.current.setAttribute("aria-valuetext", words.positionText(seconds.toFixed(2), all, n));
      }
      if (counter.current) {
        counter.current.textContent = `${timecode(seconds, lead.fps)}  ${words.frame} ${n}`;
      }
      if (master.paused) put(frameTime(n, lead.fps));
    };
    const watched = watch(master, lead.fps, shown);
    clock.current = watched;
    const follow = watch(other, side.fps, (_n, seconds) => {
      if (master.paused || other.seeking) return;
      const leader = now.media + ((performance.now() - now.at) / 1000) * master.playbackRate;
      const wanted = placeOf(leader, shift, side);
      const correction = correct(seconds, wanted, side, master.playbackRate);
      other.playbackRate = correction.type === "nudge" ? correction.rate : master.playbackRate;
      if (correction.type === "seek" && wanted < side.duration - 1 / side.fps) other.currentTime = wanted;
    });
    const play = () => {
      put(master.currentTime);
      void other.play().catch(() => {});
      setPlaying(true);
    };
    const pause = () => {
      other.pause();
      put(master.currentTime);
      setPlaying(false);
      onRest?.(master.currentTime);
    };
    const sought = () => {
      if (!master.paused) put(master.currentTime);
    };
    const loaded = () => {
      if (start.current > 0) master.currentTime = start.current;
      start.current = 0;
      put(master.currentTime);
    };
    master.addEventListener("play", play);
    master.addEventListener("pause", pause);
    master.addEventListener("ended", pause);
    master.addEventListener("seeked", sought);
    master.addEventListener("loadedmetadata", loaded);
    other.addEventListener("loadedmetadata", loaded);
    if (master.paused) put(master.currentTime);
    return () => {
      watched.stop();
      follow.stop();
      master.removeEventListener("play", play);
      master.removeEventListener("pause", pause);
      master.removeEventListener("ended", pause);
      master.removeEventListener("seeked", sought);
      master.removeEventListener("loadedmetadata", loaded);
      other.removeEventListener("loadedmetadata", loaded);
    };
  }, [sourceA.link, sourceB.link, leadsB, shift, words]);

  const toggle = () => {
    const master = leading.current;
    if (!master) return;
    sourceA.ensure();
    sourceB.ensure();
    if (master.paused) void master.play().catch(() => {});
    else master.pause();
  };
  const last = Math.max(1, Math.round(lead.duration * lead.fps) - 1);
  const step = useCallback(
    (frames: number) => {
      leading.current?.pause();
      const to = Math.min(last, Math.max(0, frame.current + frames));
      clock.current?.seekFrame(to);
      onRest?.(frameTime(to, lead.fps));
    },
    [leading, last, lead.fps, onRest],
  );
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target)) return;
    if (event.key === " " && !(event.target instanceof HTMLButtonElement)) toggle();
    else if (event.key === ",") step(-1);
    else if (event.key === ".") step(1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys of the controls below
    <div className={ui.stack} onKeyDown={onKey}>
      <Stage mode={mode} share={share} a={a} b={b}>
        <video
          ref={videoA}
          muted={ear !== "a"}
          poster={a.media.poster ?? undefined}
          playsInline
          preload="auto"
          onError={sourceA.onError}
        />
        <video
          ref={videoB}
          muted={ear !== "b"}
          poster={b.media.poster ?? undefined}
          playsInline
          preload="auto"
          onError={sourceB.onError}
        />
      </Stage>
      <Share mode={mode} share={share} onShare={onShare} words={words} />
      <input
        ref={slider}
        className={css.scrub}
        type="range"
        min={0}
        max={last}
        defaultValue={0}
        aria-label={words.position}
        onInput={(event) => clock.current?.seekFrame(Number(event.currentTarget.value))}
        onChange={(event) => onRest?.(frameTime(Number(event.currentTarget.value), lead.fps))}
      />
      <div className={ui.row}>
        <StepButton words={words} by={-1} shortcut="," onClick={() => step(-1)} />
        <PlayButton words={words} playing={playing} onClick={toggle} />
        <StepButton words={words} by={1} shortcut="." onClick={() => step(1)} />
        <span className={css.time}>
          <span ref={counter} /> / {timecode(lead.duration, lead.fps)}
        </span>
        <span className={ui.row}>
          {words.offset}
          <Button aria-label={`−1: ${words.offsetLess}`} onClick={() => setOffset((o) => o - 1)}>
            −1
          </Button>
          <output className={css.time}>{offset}</output>
          <Button aria-label={`+1: ${words.offsetMore}`} onClick={() => setOffset((o) => o + 1)}>
            +1
          </Button>
        </span>
        <label className={ui.row}>
          {words.soundOf}
          <select value={ear} onChange={(event) => setEar(event.currentTarget.value as Ear)}>
            <option value="a">A</option>
            <option value="b">B</option>
            <option value="off">{words.off}</option>
          </select>
        </label>
      </div>
    </div>
  );
}

function sideOf(media: Playable): Side {
  return { fps: media.fps ?? 24, duration: media.duration ?? 0 };
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=range]), textarea, select");
}
