/** What is known of parts of a video, below its scrub bar: notes, and what was measured. Lists beside it tell the same. */

import type { CSSProperties } from "react";
import css from "./lanes.module.css";

/** A part, in seconds; a moment where both are the same. */
export interface Span {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly muted?: boolean;
}

export interface Lane {
  readonly name: string;
  readonly tone: "note" | "warn" | "bad" | "muted";
  readonly spans: readonly Span[];
}

/** `duration` in seconds. A span never leaves the lane, and is never too thin to see. */
export function Lanes({ lanes, duration }: { readonly lanes: readonly Lane[]; readonly duration: number }) {
  const shown = lanes.filter((lane) => lane.spans.length > 0);
  if (shown.length === 0 || duration <= 0) return null;
  return (
    <div className={css.lanes} aria-hidden>
      {shown.map((lane) => (
        <div key={lane.name} className={css.lane} data-tone={lane.tone} title={lane.name}>
          {lane.spans.map((span) => (
            <i key={span.id} data-muted={span.muted || undefined} style={placeOf(span, duration)} />
          ))}
        </div>
      ))}
    </div>
  );
}

function placeOf({ from, to }: Span, duration: number): CSSProperties {
  const share = (seconds: number) => Math.min(1, Math.max(0, seconds / duration)) * 100;
  return { left: `${share(from)}%`, width: `${share(to) - share(from)}%` };
}
