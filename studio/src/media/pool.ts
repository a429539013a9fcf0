/**
 * The videos that hold a connection. A browser has six per origin, a paused video with a source holds one, and the
 * stream another: at most three are attached, and a new one takes the place of the oldest.
 */

const MOST = 3;

interface Attached {
  readonly video: HTMLMediaElement;
  readonly link: string;
}

const attached: Attached[] = [];

/** Gives the video its source; the function returned takes it away, which is what frees the connection. */
export function attach(video: HTMLMediaElement, link: string): () => void {
  forget(video);
  attached.push({ video, link });
  while (attached.length > MOST) {
    const oldest = attached[0];
    if (oldest) release(oldest.video);
  }
  video.setAttribute("src", link);
  return () => {
    if (attached.some((a) => a.video === video && a.link === link)) release(video);
  };
}

function release(video: HTMLMediaElement): void {
  forget(video);
  video.removeAttribute("src");
  video.load();
}

function forget(video: HTMLMediaElement): void {
  const at = attached.findIndex((a) => a.video === video);
  if (at >= 0) attached.splice(at, 1);
}
