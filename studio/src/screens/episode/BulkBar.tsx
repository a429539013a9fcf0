/** One action on the selected segments. Each is answered on its own: a refused one does not stop the others. */

import { type FormEvent, useState } from "react";
import { idempotencyKey, type Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { Button, Dialog, Notice, RefusalNotice, SelectField, TextArea, ui } from "../../ui/ui";
import { atLeast } from "../roles";
import { useEpisode } from "./EpisodeContext";
import css from "./episode.module.css";

type Action = Schemas["BulkAction"]["action"];

const STYLES = ["cut", "fade", "dissolve"] as const;
const DEFAULT_SECONDS = 0.5;

export function BulkBar({
  selected,
  onClear,
}: {
  /** The segments' ids, in film order. */
  readonly selected: readonly string[];
  readonly onClear: () => void;
}) {
  const words = useWords();
  const { role } = useEpisode();
  const [asking, setAsking] = useState<Action | null>(null);
  const [refused, setRefused] = useState<readonly string[]>([]);
  const actions = (["approve", "reject", "regenerate", "transition"] as const).filter((action) =>
    atLeast(role, action === "approve" || action === "reject" ? "reviewer" : "editor"),
  );
  if (selected.length === 0) return null;
  return (
    <section className={css.bar} aria-label={words.bulk}>
      <span aria-live="polite">{words.selected(selected.length)}</span>
      <span className={ui.row}>
        {actions.map((action) => (
          <Button
            key={action}
            look={action === "reject" ? "bad" : undefined}
            onClick={() => setAsking(action)}
          >
            {words.bulkActions[action]}
          </Button>
        ))}
        <Button look="quiet" title="Esc" onClick={onClear}>
          {words.clearSelection}
        </Button>
      </span>
      {refused.length > 0 ? (
        <Notice tone="bad" assertive>
          <ul>
            {refused.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </Notice>
      ) : null}
      {asking ? (
        <Ask
          action={asking}
          selected={selected}
          onClose={() => setAsking(null)}
          onDone={(lines) => {
            setAsking(null);
            setRefused(lines);
            if (lines.length === 0) onClear();
          }}
        />
      ) : null}
    </section>
  );
}

interface AskProps {
  readonly action: Action;
  readonly selected: readonly string[];
  readonly onClose: () => void;
  /** With a line for each segment that was refused. */
  readonly onDone: (refused: readonly string[]) => void;
}

/** What is about to happen to how many, with what the action needs; sent once, with one key. */
function Ask({ action, selected, onClose, onDone }: AskProps) {
  const words = useWords();
  const { api, toast, refusal } = useApp();
  const { episodeId, feed } = useEpisode();
  const [key] = useState(idempotencyKey);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setProblem(null);
    try {
      const { data } = await api.POST("/api/v1/episodes/{episode_id}/bulk", {
        params: { path: { episode_id: episodeId }, header: { "Idempotency-Key": key } },
        body: { action, targets: selected.map((id) => ({ segment_id: id })), ...fieldsOf(action, form) },
      });
      const results = data?.results ?? [];
      toast(words.bulkDone(words.bulkActions[action], data?.succeeded ?? 0, results.length));
      feed.refresh({ what: "episode" });
      onDone(results.flatMap((result) => lineOf(result, feed)));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(refusal(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={words.bulkAsk(words.bulkActions[action], selected.length)} onClose={onClose}>
      <form className={ui.stack} onSubmit={(event) => void submit(event)}>
        {action === "approve" ? <p>{words.bulkApproveHint}</p> : null}
        {action === "reject" || action === "regenerate" ? (
          <TextArea label={words.addToDirections} name="prompt" rows={2} autoFocus />
        ) : null}
        {action === "reject" ? (
          <TextArea label={words.feedback} hint={words.feedbackHint} name="feedback" rows={2} />
        ) : null}
        {action === "transition" ? (
          <SelectField label={words.transition} name="style" autoFocus>
            {STYLES.map((style) => (
              <option key={style} value={style}>
                {words.transitions[style]}
              </option>
            ))}
          </SelectField>
        ) : null}
        <RefusalNotice text={problem} />
        <div className={ui.row}>
          <Button type="submit" look="primary" disabledReason={busy ? words.loading : null}>
            {words.bulkActions[action]}
          </Button>
          <Button onClick={onClose}>{words.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}

function fieldsOf(action: Action, form: FormData): Partial<Schemas["BulkAction"]> {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  const changes = text("prompt") ? { prompt_modifications: text("prompt") } : null;
  switch (action) {
    case "approve":
      return {};
    case "reject":
      return {
        ...(text("feedback") ? { feedback: text("feedback") } : {}),
        ...(changes ? { suggested_changes: changes } : {}),
      };
    case "regenerate":
      return changes ? { changes } : {};
    case "transition": {
      const style = STYLES.find((s) => s === text("style")) ?? "cut";
      return { transition_after: { style, duration: style === "cut" ? 0 : DEFAULT_SECONDS } };
    }
  }
}

function lineOf(
  { problem, segment_id: id }: Schemas["BulkOutcome"],
  feed: ReturnType<typeof useEpisode>["feed"],
): string[] {
  if (problem === null) return [];
  const segment = id ? feed.store.get<Schemas["Segment"]>(`segment:${id}`) : undefined;
  const said = [problem.detail || problem.title, problem.recovery].filter(Boolean).join(" ");
  return [`${segment?.segment_number ?? ""} ${segment?.scene_info.location ?? ""}: ${said}`];
}
