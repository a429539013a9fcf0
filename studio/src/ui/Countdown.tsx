/** Seconds until a time, said anew each second; `onEnd` once at its end. */

import { useEffect, useRef, useState } from "react";

export function Countdown({
  until,
  text,
  onEnd,
}: {
  /** In ms of `Date.now()`. */
  readonly until: number;
  readonly text: (seconds: number) => string;
  readonly onEnd?: (() => void) | undefined;
}) {
  const [now, setNow] = useState(() => Date.now());
  const ended = useRef(onEnd);
  ended.current = onEnd;
  useEffect(() => {
    let over = false;
    const timer = setInterval(() => {
      setNow(Date.now());
      if (over || Date.now() < until) return;
      over = true;
      clearInterval(timer);
      ended.current?.();
    }, 1000);
    return () => clearInterval(timer);
  }, [until]);
  // Read once, not every second: the sentence around it is announced.
  return <span aria-live="off">{text(Math.max(0, Math.ceil((until - now) / 1000)))}</span>;
}
