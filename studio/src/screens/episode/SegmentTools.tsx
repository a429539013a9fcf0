/** What belongs to a segment itself: its transition to the next one, its notes, and its removal. */

import { useState } from "react";
import { idempotencyKey, type Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { Conflict } from "../../ui/Conflict";
import { Button, Dialog, TextArea, ui } from "../../ui/ui";
import { atLeast } from "../roles";
import { useEpisode } from "./EpisodeContext";
import css from "./episode.module.css";

const STYLES = ["cut", "fade", "dissolve"] as const;
const DEFAULT_SECONDS = 0.5;
/** As the API takes them. */
const LONGEST_TRANSITION = 5;

interface SegmentTextProps {
  readonly label: string;
  readonly hint?: string;
  /** As the gateway has it. */
  readonly kept: string;
  readonly readOnly: boolean;
  readonly onSave: (text: string, onConflict: () => void) => Promise<void>;
}

/** A text that is kept when its field is left. Where somebody else changed it, one of both is chosen. */
function SegmentText({ label, hint, kept, readOnly, onSave }: SegmentTextProps) {
  const words = useWords();
  const [typed, setTyped] = useState<string | null>(null);
  const [conflicting, setConflicting] = useState(false);
  const text = typed ?? kept;
  const save = async () => {
    setConflicting(false);
    if (typed === null || typed === kept) return setTyped(null);
    let lost = false;
    await onSave(typed, () => {
      lost = true;
      setConflicting(true);
    });
    if (!lost) setTyped(null);
  };
  return (
    <>
      <TextArea
        label={label}
        hint={hint}
        rows={2}
        maxLength={4000}
        readOnly={readOnly}
        value={text}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onBlur={() => void save()}
      />
      {conflicting && typed !== null && typed !== kept ? (
        <Conflict
          labels={words.conflict}
          fields={[{ name: label, mine: typed, theirs: kept }]}
          onMine={() => void save()}
          onTheirs={() => {
            setTyped(null);
            setConflicting(false);
          }}
        />
      ) : null}
    </>
  );
}

export function SegmentTools({ segment }: { readonly segment: Schemas["Segment"] }) {
  const words = useWords();
  const { api, announce, did, refused } = useApp();
  const { feed, role } = useEpisode();
  const [asking, setAsking] = useState(false);
  const mayEdit = atLeast(role, "editor");

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
    onConflict: () => void = () => announce(words.editElsewhere, true),
  ) => {
    try {
      await patch(changes, segment.revision);
      did({
        label: words.changedOf(what, segment.segment_number),
        undo: () => patch(before, "*"),
        redo: () => patch(changes, "*"),
      });
    } catch (error) {
      if (error instanceof Problem && error.status === 412) onConflict();
      else refused(error);
    }
  };
  /** Raises Problem. */
  const remove = async () => {
    try {
      await api.DELETE("/api/v1/segments/{segment_id}", { params: { path: { segment_id: segment.id } } });
    } finally {
      feed.refresh({ what: "episode" });
    }
  };
  /** Raises Problem: the segment was deleted too long ago. */
  const restore = async () => {
    try {
      await api.POST("/api/v1/segments/{segment_id}/restore", {
        params: { path: { segment_id: segment.id }, header: { "Idempotency-Key": idempotencyKey() } },
      });
    } finally {
      feed.refresh({ what: "episode" });
    }
  };
  const removeAsked = async () => {
    setAsking(false);
    try {
      await remove();
      did({ label: words.deletedSegment(segment.segment_number), undo: restore, redo: remove });
    } catch (error) {
      refused(error);
    }
  };
  const transition = segment.transition_after;
  return (
    <details>
      <summary>{words.more}</summary>
      <div className={ui.stack}>
        <label className={ui.row}>
          {words.transition}
          <select
            data-transition
            disabled={!mayEdit}
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
        {transition && transition.style !== "cut" ? (
          <label className={ui.row}>
            {words.seconds}
            <input
              // What the gateway has is shown, also after somebody else changed it.
              key={transition.duration}
              className={css.seconds}
              type="number"
              min={0.1}
              max={LONGEST_TRANSITION}
              step={0.1}
              readOnly={!mayEdit}
              defaultValue={transition.duration}
              onBlur={(event) => {
                const seconds = event.currentTarget.valueAsNumber;
                const duration = Math.min(LONGEST_TRANSITION, Math.max(0.1, seconds));
                if (!Number.isFinite(seconds) || duration === transition.duration) {
                  event.currentTarget.value = String(transition.duration);
                  return;
                }
                void change(
                  words.transition,
                  { transition_after: { ...transition, duration } },
                  { transition_after: transition },
                );
              }}
            />
          </label>
        ) : null}
        <SegmentText
          label={words.notes}
          kept={segment.user_notes}
          readOnly={!mayEdit}
          onSave={(text, onConflict) =>
            change(words.notes, { user_notes: text }, { user_notes: segment.user_notes }, onConflict)
          }
        />
        <SegmentText
          label={words.styleOfSegment}
          hint={words.styleOfSegmentHint}
          kept={segment.style ?? ""}
          readOnly={!mayEdit}
          onSave={(text, onConflict) =>
            change(words.styleOfSegment, { style: text || null }, { style: segment.style }, onConflict)
          }
        />
        <SegmentText
          label={words.charactersOfSegment}
          hint={words.charactersOfSegmentHint}
          kept={segment.characters ?? ""}
          readOnly={!mayEdit}
          onSave={(text, onConflict) =>
            change(
              words.charactersOfSegment,
              { characters: text || null },
              { characters: segment.characters },
              onConflict,
            )
          }
        />
        <Button
          look="bad"
          data-delete-segment
          disabledReason={mayEdit ? null : words.mayNotEdit}
          onClick={() => setAsking(true)}
        >
          {words.deleteSegment}
        </Button>
      </div>
      {asking ? (
        <Dialog title={`${words.deleteSegment} ${segment.segment_number}?`} onClose={() => setAsking(false)}>
          <div className={ui.row}>
            <Button look="bad" onClick={() => void removeAsked()}>
              {words.deleteSegment}
            </Button>
            <Button onClick={() => setAsking(false)}>{words.cancel}</Button>
          </div>
        </Dialog>
      ) : null}
    </details>
  );
}
