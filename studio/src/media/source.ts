/** The source of a video element: attached through the pool, and renewed when its signed link expires while it plays. */

import { type RefObject, useCallback, useEffect, useRef, useState } from "react";
import { sameMedia } from "./links";
import { attach } from "./pool";

/** How long a new link may take before the file counts as unplayable. */
const RENEWAL_MS = 10_000;

interface Resume {
  readonly time: number;
  readonly playing: boolean;
}

export interface Source {
  /** The link in use. It changes with the object, and with a renewal; not when a refetch only signed it anew. */
  readonly link: string | null;
  /** Neither this link nor a new one could be played. */
  readonly broken: boolean;
  /** For `onError` of the element. */
  readonly onError: () => void;
  /** Takes the source back that another video has displaced; true if it had to. */
  readonly ensure: () => boolean;
}

/** `onExpired`: the owner fetches the resource again, which gives a new `url`. Playback goes on at the same time. */
export function useSource(
  video: RefObject<HTMLMediaElement | null>,
  url: string | null,
  onExpired?: () => void,
): Source {
  const [link, setLink] = useState(url);
  const [broken, setBroken] = useState(false);
  const renewing = useRef<Resume | null>(null);
  const renewed = useRef(false); // and not yet played: a second failure is the file's own
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);

  useEffect(() => {
    const other = !sameMedia(link, url);
    if (link === url || (!other && renewing.current === null)) return;
    if (timer.current !== null) clearTimeout(timer.current);
    if (other) {
      renewing.current = null;
      renewed.current = false;
    } else renewed.current = true;
    setBroken(false);
    setLink(url);
  }, [link, url]);
  useEffect(() => () => void (timer.current !== null && clearTimeout(timer.current)), []);

  useEffect(() => {
    const element = video.current;
    if (element === null || link === null) return;
    const resume = renewing.current;
    renewing.current = null;
    const loaded = () => {
      if (resume === null) return;
      element.currentTime = resume.time;
      if (resume.playing) void element.play().catch(() => {});
    };
    const plays = () => {
      renewed.current = false;
    };
    element.addEventListener("loadedmetadata", loaded, { once: true });
    element.addEventListener("loadeddata", plays);
    const detach = attach(element, link);
    return () => {
      element.removeEventListener("loadedmetadata", loaded);
      element.removeEventListener("loadeddata", plays);
      detach();
    };
  }, [video, link]);

  const onError = useCallback(() => {
    const element = video.current;
    if (element === null || !element.hasAttribute("src")) return;
    if (onExpired === undefined || renewed.current) {
      setBroken(true);
      return;
    }
    if (renewing.current !== null) return;
    renewing.current = { time: element.currentTime, playing: !element.paused };
    timer.current = setTimeout(() => setBroken(true), RENEWAL_MS);
    onExpired();
  }, [video, onExpired]);

  const ensure = useCallback(() => {
    const element = video.current;
    if (element === null || link === null || element.hasAttribute("src")) return false;
    attach(element, link);
    return true;
  }, [video, link]);

  return { link, broken, onError, ensure };
}
