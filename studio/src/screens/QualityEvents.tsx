/** Where a video is black, frozen, flashing or cut, as measured: lanes below the scrub bar, and a list that leads there. */

import type { Schemas } from "../api/client";
import type { Words } from "../language/words";
import type { Lane } from "../media/Lanes";
import { Button, ui } from "../ui/ui";

type Event = Schemas["QualityEvent"];

const KINDS = ["flash", "black", "frozen", "cut"] as const;
const TONES = { flash: "bad", black: "warn", frozen: "warn", cut: "muted" } as const;

export function qualityLanes(events: readonly Event[], words: Words): readonly Lane[] {
  return KINDS.map((kind) => ({
    name: words.qualityEvents[kind],
    tone: TONES[kind],
    spans: events
      .filter((event) => event.kind === kind)
      .map(({ start, end }) => ({ id: `${start}-${end}`, from: start, to: end })),
  }));
}

/** `2.4–3.1 s`; a cut is a moment. */
export function eventText({ kind, start, end }: Event, words: Words): string {
  const when = start === end ? `${start.toFixed(1)} s` : `${start.toFixed(1)}–${end.toFixed(1)} s`;
  return `${words.qualityEvents[kind]} ${when}`;
}

export function QualityEvents({
  events,
  words,
  onSeek,
}: {
  readonly events: readonly Event[];
  readonly words: Words;
  readonly onSeek: (seconds: number) => void;
}) {
  if (events.length === 0) return null;
  return (
    <details>
      <summary>{words.qualityEvents.found(events.length)}</summary>
      <div className={ui.row}>
        {events.map((event) => (
          <Button
            key={`${event.kind}-${event.start}-${event.end}`}
            look="quiet"
            onClick={() => onSeek(event.start)}
          >
            {eventText(event, words)}
          </Button>
        ))}
      </div>
    </details>
  );
}
