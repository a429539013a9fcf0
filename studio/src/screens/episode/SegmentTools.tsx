/** What belongs to a segment itself: its transition to the next one, its notes, and its removal. */

import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { Button, Dialog, TextArea, ui } from "../../ui/ui";
import { atLeast } from "../roles";
import { useEpisode } from "./EpisodeContext";

const STYLES = ["cut", "fade", "dissolve"] as const;
const DEFAULT_SECONDS = 0.5;

export function SegmentTools({ segment }: { readonly segment: Schemas["Segment"] }) {
  const words = useWords();
  const { api, announce, did } = useApp();
  const { feed, role } = useEpisode();
  const [asking, setAsking] = useState(false);
  const [notes, setNotes] = useState(segment.user_notes);
  if (!atLeast(role, "editor")) return null;

  /** Raises Problem. `*`: taken back over whatever came since. */
  const patch = async (changes: Schemas["SegmentChanges"], revision: number | "*") => {
    try {
      await api.PATCH("/api/v1/segments/{segment_id}", {
        params: {
          path: { segment_id: segment.id },
          header: { "If-Match": revision === "*" ? "*" : `"${revision}"` },
        },
        body: changes,
      });
    } finally {
      feed.refresh({ what: "segment", id: segment.id });
    }
  };
  const change = async (
    what: string,
    changes: Schemas["SegmentChanges"],
    before: Schemas["SegmentChanges"],
  ) => {
    try {
      await patch(changes, segment.revision);
      did({
        label: words.changedOf(what, segment.segment_number),
        undo: () => patch(before, "*"),
        redo: () => patch(changes, "*"),
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      announce(error.status === 412 ? words.editElsewhere : error.message, true);
    }
  };
  const remove = async () => {
    setAsking(false);
    try {
      await api.DELETE("/api/v1/segments/{segment_id}", {
        params: {
          path: { segment_id: segment.id },
        },
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      announce(error.message, true);
    }
    feed.refresh({ what: "episode" });
  };
  const transition = segment.transition_after;
  return (
    <details>
      <summary>{words.more}</summary>
      <div className={ui.stack}>
        <label className={ui.row}>
          {words.transition}
          <select
            value={transition?.style ?? ""}
            onChange={(event) => {
              const style = event.currentTarget.value;
              const duration = style === "cut" ? 0 : transition?.duration || DEFAULT_SECONDS;
              void change(
                words.transition,
                { transition_after: style ? { style: style as (typeof STYLES)[number], duration } : null },
                { transition_after: segment.transition_after },
              );
            }}
          >
            <option value="">–</option>
            {STYLES.map((style) => (
              <option key={style} value={style}>
                {words.transitions[style]}
              </option>
            ))}
          </select>
        </label>
        <TextArea
          label={words.notes}
          rows={2}
          value={notes}
          onChange={(event) => setNotes(event.currentTarget.value)}
          onBlur={() =>
            notes !== segment.user_notes &&
            void change(words.notes, { user_notes: notes }, { user_notes: segment.user_notes })
          }
        />
        <Button look="bad" onClick={() => setAsking(true)}>
          {words.deleteSegment}
        </Button>
      </div>
      {asking ? (
        <Dialog title={`${words.deleteSegment} ${segment.segment_number}?`} onClose={() => setAsking(false)}>
          <div className={ui.row}>
            <Button look="bad" onClick={() => void remove()}>
              {words.deleteSegment}
            </Button>
            <Button onClick={() => setAsking(false)}>{words.cancel}</Button>
          </div>
        </Dialog>
      ) : null}
    </details>
  );
}
