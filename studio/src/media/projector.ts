/**
 * Shows a `Sequence` with two video elements in turn, without a gap: while one plays, the other holds the next clip,
 * decoded, sought and paused. It starts a frame before it is due and is raised at its first presented frame; until then
 * the last frame of the one before stays.
 */

import { frameTime, presentedFrame } from "./clock";
import { attach } from "./pool";
import { blend, type Clip, clipAt, type Sequence } from "./sequence";

/** Levels as Compile sets them (`sound_plan.py`), as factors: music 6 dB under the voice, 16 dB while it speaks. */
const MUSIC = 10 ** (-6 / 20);
const MUSIC_DUCKED = 10 ** (-16 / 20);
const OWN_SOUND = 10 ** (-12 / 20);

/** A next clip that is decoded is raised at the latest then, also if the browser does not tell of frames beneath. */
const RAISE_MS = 120;

interface Reel {
  readonly video: HTMLVideoElement;
  /** Which clip it holds. */
  clip: number | null;
  detach: (() => void) | null;
  /** Seconds of the clip that were presented last; null: nothing of this clip yet. */
  presented: number | null;
  /** When it was started beneath the one before, in ms; null: it was not. */
  started: number | null;
}

export interface ProjectorEvents {
  /** For every frame presented: the film's frame, and the clip that is shown. */
  readonly onFrame: (frame: number, clip: number) => void;
  readonly onPlaying: (playing: boolean) => void;
  /** A clip's link has expired or its file cannot be played. */
  readonly onError: (clip: number) => void;
}

export class Projector {
  private readonly reels: readonly [Reel, Reel];
  private front = 0;
  private sequence: Sequence = { fps: 24, clips: [], voices: [], frames: 0 };
  private frame = 0;
  private playing = false;
  private ticking = 0;
  /** A clip without a video is shown as its card by the clock; when its time began, in ms. */
  private card: { readonly began: number; readonly from: number } | null = null;
  private readonly voices: HTMLAudioElement[] = [];
  private music: HTMLAudioElement | null = null;
  private muted = false;

  constructor(
    videos: readonly [HTMLVideoElement, HTMLVideoElement],
    private readonly events: ProjectorEvents,
  ) {
    const reel = (video: HTMLVideoElement): Reel => ({
      video,
      clip: null,
      detach: null,
      presented: null,
      started: null,
    });
    this.reels = [reel(videos[0]), reel(videos[1])];
    for (const each of this.reels) this.watch(each);
  }

  /** Another sequence, or the same with newer links: what is shown stays where it is. */
  load(sequence: Sequence, music: string | null): void {
    const before = this.sequence;
    this.sequence = sequence;
    for (const reel of this.reels) {
      const [old, now] = [before.clips[reel.clip ?? -1], sequence.clips[reel.clip ?? -1]];
      if (reel.clip !== null && old?.video !== now?.video) this.unload(reel);
    }
    this.silence();
    this.voices.length = 0;
    for (const voice of sequence.voices) this.voices.push(sound(voice.url));
    this.music = music === null ? null : sound(music);
    if (this.music) this.music.loop = true;
    this.seek(Math.min(this.frame, Math.max(0, sequence.frames - 1)));
  }

  close(): void {
    this.pause();
    this.silence();
    for (const reel of this.reels) this.unload(reel);
  }

  mute(muted: boolean): void {
    this.muted = muted;
  }

  play(): void {
    if (this.playing || this.sequence.clips.length === 0) return;
    if (this.frame >= this.sequence.frames - 1) this.seek(0);
    this.playing = true;
    this.events.onPlaying(true);
    this.run(this.current());
    this.ticking = requestAnimationFrame(() => this.tick());
  }

  pause(): void {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.ticking);
    for (const { video } of this.reels) video.pause();
    this.silence();
    this.events.onPlaying(false);
  }

  seek(frame: number): void {
    const to = Math.min(Math.max(0, frame), Math.max(0, this.sequence.frames - 1));
    const at = clipAt(this.sequence, to);
    const clip = this.sequence.clips[at];
    if (!clip) return;
    this.frame = to;
    const held = this.reels.findIndex((reel) => reel.clip === at);
    this.front = held >= 0 ? held : this.front;
    const reel = this.current();
    for (const { video } of this.reels) video.pause();
    this.cue(reel, at, to - clip.start);
    this.show(1);
    this.cueNext();
    this.events.onFrame(to, at);
    if (this.playing) this.run(reel);
  }

  private current(): Reel {
    return this.reels[this.front] ?? this.reels[0];
  }

  private other(): Reel {
    return this.reels[1 - this.front] ?? this.reels[1];
  }

  /** Puts a clip into a reel, paused at one of its frames. */
  private cue(reel: Reel, at: number, frame: number): void {
    const clip = this.sequence.clips[at];
    if (!clip) return;
    if (reel.clip !== at) {
      this.unload(reel);
      reel.clip = at;
      if (clip.video !== null) reel.detach = attach(reel.video, clip.video);
    }
    reel.presented = null;
    reel.started = null;
    this.card = clip.video === null ? { began: performance.now(), from: frame } : this.card;
    if (clip.video !== null) reel.video.currentTime = frameTime(frame, this.sequence.fps);
  }

  private cueNext(): void {
    const at = (this.current().clip ?? 0) + 1;
    if (at < this.sequence.clips.length) this.cue(this.other(), at, 0);
  }

  private unload(reel: Reel): void {
    reel.video.pause();
    reel.detach?.();
    reel.detach = null;
    reel.clip = null;
    reel.presented = null;
    reel.started = null;
  }

  private run(reel: Reel): void {
    const clip = this.clipOf(reel);
    if (clip?.video) void reel.video.play().catch(() => {});
    else this.card = { began: performance.now(), from: this.frame - (clip?.start ?? 0) };
  }

  private clipOf(reel: Reel): Clip | undefined {
    return reel.clip === null ? undefined : this.sequence.clips[reel.clip];
  }

  /** Seconds into the clip of a reel, as presented. */
  private place(reel: Reel): number {
    const clip = this.clipOf(reel);
    if (clip?.video === null) {
      const { began, from } = this.card ?? { began: performance.now(), from: 0 };
      return from / this.sequence.fps + (performance.now() - began) / 1000;
    }
    if (reel.video.ended) return reel.video.duration;
    return reel.presented ?? 0;
  }

  private tick(): void {
    if (!this.playing) return;
    const { fps } = this.sequence;
    const [reel, next] = [this.current(), this.other()];
    const clip = this.clipOf(reel);
    if (!clip) return;
    const at = this.place(reel) * fps;
    this.tell(reel, clip, at);
    const upcoming = this.clipOf(next);
    const due = clip.frames - clip.overlap;
    if (upcoming === undefined || next.clip !== (reel.clip ?? 0) + 1) {
      if (at >= clip.frames - 1 || reel.video.ended) {
        this.pause();
        return;
      }
    } else if (at >= due - 1) {
      const begun = this.begin(next, upcoming);
      const part = clip.overlap > 0 ? (at - due) / clip.overlap : 1;
      if (begun) this.show(part);
      if (begun && (part >= 1 || reel.video.ended)) this.swap();
    }
    this.hear();
    this.ticking = requestAnimationFrame(() => this.tick());
  }

  /** Starts the next clip beneath; true once it shows a frame of its own. */
  private begin(next: Reel, clip: Clip): boolean {
    if (clip.video === null) return true;
    if (next.started === null) {
      next.started = performance.now();
      next.presented = null;
    }
    if (next.video.paused && !next.video.ended) void next.video.play().catch(() => {});
    const late = performance.now() - next.started > RAISE_MS;
    return next.presented !== null || (late && next.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
  }

  private swap(): void {
    const before = this.current();
    this.front = 1 - this.front;
    const now = this.current();
    if (this.clipOf(now)?.video === null) this.card = { began: performance.now(), from: 0 };
    this.show(1);
    this.unload(before);
    this.cueNext();
  }

  /** `part` 0..1 of the way into the next clip; 1: the front alone, or the next one if it is due. */
  private show(part: number): void {
    const [reel, next] = [this.current(), this.other()];
    const clip = this.clipOf(reel);
    const blending = this.playing && clip !== undefined && clip.overlap > 0 && part < 1;
    const { earlier, later } = blending ? blend(clip.style, part) : { earlier: 1, later: 1 };
    put(reel, clip?.video === null ? 0 : earlier, 1);
    put(next, clip?.video === null ? 0 : later, 0);
    const own = this.muted ? 0 : OWN_SOUND;
    reel.video.volume = own * (blending ? 1 - part : 1);
    next.video.volume = own * (blending ? part : 0);
  }

  private tell(reel: Reel, clip: Clip, at: number): void {
    const frame = Math.min(this.sequence.frames - 1, clip.start + Math.floor(at + 1e-6));
    if (frame === this.frame) return;
    this.frame = frame;
    this.events.onFrame(frame, reel.clip ?? 0);
  }

  private hear(): void {
    const now = this.frame / this.sequence.fps;
    let speaks = false;
    this.sequence.voices.forEach((voice, n) => {
      const audio = this.voices[n];
      if (!audio) return;
      const due = voice.from <= now && now < voice.to;
      speaks ||= due;
      audio.muted = this.muted;
      if (due && audio.paused && !audio.ended) {
        audio.currentTime = now - voice.from;
        void audio.play().catch(() => {});
      } else if (!due && !audio.paused) audio.pause();
    });
    if (this.music === null) return;
    this.music.muted = this.muted;
    this.music.volume = speaks ? MUSIC_DUCKED : MUSIC;
    if (this.music.paused) {
      if (this.music.duration > 0) this.music.currentTime = now % this.music.duration;
      void this.music.play().catch(() => {});
    }
  }

  private silence(): void {
    for (const audio of [...this.voices, ...(this.music ? [this.music] : [])]) audio.pause();
  }

  private watch(reel: Reel): void {
    const { video } = reel;
    const presented: VideoFrameRequestCallback = (_now, { mediaTime }) => {
      video.requestVideoFrameCallback(presented);
      if (reel.clip === null) return;
      reel.presented = mediaTime;
      if (this.playing || reel !== this.current()) return;
      const clip = this.clipOf(reel);
      if (clip) this.tell(reel, clip, presentedFrame(mediaTime, this.sequence.fps));
    };
    video.requestVideoFrameCallback(presented);
    video.addEventListener("error", () => {
      if (reel.clip !== null && video.hasAttribute("src")) this.events.onError(reel.clip);
    });
  }
}

function put({ video }: Reel, opacity: number, layer: number): void {
  video.style.opacity = String(opacity);
  video.style.zIndex = String(layer);
}

function sound(url: string): HTMLAudioElement {
  const audio = new Audio(url);
  audio.preload = "auto";
  return audio;
}
