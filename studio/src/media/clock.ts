/**
 * Which frame of a video is shown, and how to show another.
 *
 * Frame n is sought at its middle, `(n + 0.5) / fps`: a time on the edge between two frames shows either. The counter
 * tells the frame that was presented (`requestVideoFrameCallback`), not the one that was asked for.
 */

export function frameTime(frame: number, fps: number): number {
  return (frame + 0.5) / fps;
}

/** The frame presented at `mediaTime` seconds: its start, as rVFC tells it. */
export function presentedFrame(mediaTime: number, fps: number): number {
  return Math.max(0, Math.round(mediaTime * fps));
}

/** The frame that a `currentTime` lies in; for browsers without rVFC. */
export function frameAt(currentTime: number, fps: number): number {
  return Math.max(0, Math.floor(currentTime * fps + 1e-6));
}

export interface Watched {
  /** Sought at the middle of the frame; one that another overtakes is dropped. */
  seekFrame(frame: number): void;
  stop(): void;
}

/** Calls `onFrame(frame, seconds)` for every frame presented until `stop`. Never renders React by itself. */
export function watch(
  video: HTMLVideoElement,
  fps: number,
  onFrame: (frame: number, seconds: number) => void,
): Watched {
  let wanted: number | null = null;
  let handle = 0;
  let stopped = false;
  const presents = typeof video.requestVideoFrameCallback === "function";

  const presented: VideoFrameRequestCallback = (_now, { mediaTime }) => {
    if (stopped) return;
    onFrame(presentedFrame(mediaTime, fps), mediaTime);
    handle = video.requestVideoFrameCallback(presented);
  };
  const animated = () => {
    if (stopped) return;
    onFrame(frameAt(video.currentTime, fps), video.currentTime);
    handle = requestAnimationFrame(animated);
  };
  handle = presents ? video.requestVideoFrameCallback(presented) : requestAnimationFrame(animated);

  const next = () => {
    if (wanted === null || video.seeking) return;
    const time = frameTime(wanted, fps);
    wanted = null;
    video.currentTime = Math.min(time, Math.max(0, video.duration - 0.5 / fps) || time);
  };
  video.addEventListener("seeked", next);
  return {
    seekFrame(frame) {
      wanted = Math.max(0, frame);
      next();
    },
    stop() {
      stopped = true;
      video.removeEventListener("seeked", next);
      if (presents) video.cancelVideoFrameCallback(handle);
      else cancelAnimationFrame(handle);
    },
  };
}
