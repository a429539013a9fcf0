/**
 * The one place that plays a preview and decides on it, for every kind of asset.
 *
 * Closing decides nothing: the preview waits until its deadline, and "Review" opens it again.
 */

import { type KeyboardEvent, useCallback, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { Schemas } from "../../api/client";
import { idempotencyKey } from "../../api/client";
import { useApp, useWords } from "../../app/context";
import { isCommandKey } from "../../app/keys";
import { Refused } from "../../app/Refused";
import { routes } from "../../app/routes";
import { useInbox } from "../../app/useInbox";
import { useAssetGenerationFlow } from "../../editing/useAssetGenerationFlow";
import { clock } from "../../language/format";
import type { Cell, Look } from "../../live/board";
import type { Connection } from "../../live/sse";
import { ComparePlayer } from "../../media/ComparePlayer";
import type { CompareMode } from "../../media/compare";
import { Player, type PlayerControl } from "../../media/Player";
import { Button, Dialog, Notice, TextArea, ui } from "../../ui/ui";
import { useEpisode, useEpisodeKey } from "../episode/EpisodeContext";
import { useNotes } from "../notes/useNotes";
import { playableOf } from "../playable";
import { QualityEvents, qualityLanes } from "../QualityEvents";
import { atLeast } from "../roles";
import css from "./preview.module.css";
import { Stars } from "./Stars";
import { VersionFacts } from "./VersionFacts";

interface PreviewDialogProps {
  readonly run: Schemas["Run"];
  /** Whether a person opened it: then it plays once. */
  readonly opened: "by-person" | "by-itself";
  readonly onClose: () => void;
  /** Closes, and leads to the editor's form: starting another run there closes the preview. */
  readonly onRegenerate: () => void;
}

type Panel = "none" | "reject";

const DECIDED: ReadonlySet<Look> = new Set(["committing", "done", "rejected", "failed"]);

/** A decision names at most so many notes. */
const MOST_ASKED = 50;

/** Keys count only this long after the dialog opened by itself under somebody who was typing. */
const SETTLE_MS = 600;

export function PreviewDialog({ run, opened, onClose, onRegenerate }: PreviewDialogProps) {
  const { id: runId, asset_id: assetId } = run;
  const words = useWords();
  const { api, language, toast, did, refused } = useApp();
  const { feed, flows, role } = useEpisode();
  const flow = useAssetGenerationFlow(flows, feed, assetId);
  const cell = useEpisodeKey<Cell>(`cell:${assetId}`);
  const asset = useEpisodeKey<Schemas["Asset"]>(`asset:${assetId}`);
  const segment = useEpisodeKey<Schemas["Segment"]>(asset?.segment_id ? `segment:${asset.segment_id}` : null);
  const [chosen, setChosen] = useState(0);
  const [panel, setPanel] = useState<Panel>("none");
  const [rating, setRating] = useState<number | null>(null);
  const [feedback, setFeedback] = useState("");
  const [changes, setChanges] = useState({
    prompt_modifications: "",
    style_adjustments: "",
    character_prompt: "",
  });
  const [regenerate, setRegenerate] = useState(true);
  const [comparing, setComparing] = useState(false);
  const [mode, setMode] = useState<CompareMode>("wipe");
  const [, navigate] = useLocation();
  const control = useRef<PlayerControl>(null);
  /** Notes that the rejection does not ask for. */
  const [passed, setPassed] = useState<ReadonlySet<string>>(new Set());
  const openedAt = useRef(performance.now());
  const left = useTimeLeft(run.deadline);

  const version = run.versions[chosen] ?? run.versions[0];
  const waits = run.status === "preview_ready";
  // The events tell it first; the run itself says it also where they were missed.
  const moved = cell?.runId === runId && DECIDED.has(cell.look);
  const decided = moved || !(waits || run.status === "expired");
  useEffect(() => {
    if (decided) onClose();
  }, [decided, onClose]);

  const what = words[run.kind];
  const place = segment
    ? [segment.segment_number, segment.scene_info.location].filter(Boolean).join(" ")
    : run.label;
  const name = `${place}, ${what}`;
  const mayDecide = atLeast(role, "reviewer");
  const mayEdit = atLeast(role, "editor");
  const connection = useEpisodeKey<Connection>("connection");
  // A decision is never kept for later: by then the preview may be another, or decided on.
  const offline = connection?.state === "waiting" || connection?.state === "refused";
  const blocked = !mayDecide
    ? words.mayNotDecide
    : offline
      ? words.offlineNoDecision
      : !waits
        ? words.timeRanOut
        : flow?.canDecide
          ? null
          : words.looks.committing;
  const taken = useNotes(version, control, mayDecide);
  const open = taken.notes.filter((n) => !n.resolved);
  const asks = open.filter((n) => !passed.has(n.id)).slice(0, MOST_ASKED);
  const added = [changes.prompt_modifications.trim(), ...asks.map((n) => n.change)]
    .filter(Boolean)
    .join("\n");
  const suggested = Object.fromEntries(
    Object.entries({ ...changes, prompt_modifications: added }).filter(([, text]) => text.trim() !== ""),
  );
  const hasChanges = Object.keys(suggested).length > 0;

  const call = (send: (header: { "Idempotency-Key": string }) => Promise<unknown>) => async () => {
    await send({ "Idempotency-Key": idempotencyKey() });
    feed.refresh({ what: "asset", id: assetId });
  };
  const rollBack = (versionId: string) =>
    call((header) =>
      api.POST("/api/v1/versions/{version_id}/rollback", {
        params: { path: { version_id: versionId }, header },
      }),
    );
  const reopen = call((header) =>
    api.POST("/api/v1/runs/{run_id}/reopen", { params: { path: { run_id: runId }, header } }),
  );

  const approve = async () => {
    if (blocked !== null || !version || !flow) return;
    const before = asset?.committed?.id;
    if (!(await flow.accept(version.id, { rating, feedback }))) return;
    // A first approval has nothing to go back to.
    if (before && mayEdit) {
      did({ label: words.approvedOf(name), undo: rollBack(before), redo: rollBack(version.id) });
    } else toast(words.approvedOf(name));
  };
  const reject = async () => {
    if (blocked !== null || !version || !flow) return;
    const again = hasChanges && regenerate && mayEdit;
    const taken = await flow.reject(version.id, {
      rating,
      feedback,
      suggestedChanges: hasChanges ? suggested : null,
      ...(hasChanges ? { regenerate: again } : {}),
      noteIds: asks.map((n) => n.id),
    });
    if (!taken) return;
    // Once a next run works, the rejected preview is not offered again.
    if (again) toast(words.rejectedOf(name));
    else did({ label: words.rejectedOf(name), undo: reopen, redo: null });
  };
  const refresh = useCallback(
    () => feed.refresh({ what: "run", id: runId }, { what: "asset", id: assetId }),
    [feed, runId, assetId],
  );
  const offerAgain = async () => {
    try {
      await reopen();
      refresh();
    } catch (error) {
      refused(error);
    }
  };

  const inbox = useInbox().data ?? [];
  const goTo = (step: 1 | -1) => {
    const at = inbox.findIndex((run) => run.id === runId);
    const next = inbox[at < 0 ? 0 : (at + step + inbox.length) % inbox.length];
    if (next === undefined || next.id === runId) return;
    navigate(
      routes.episode(next.project_id, next.episode_id, {
        s: next.segment_id ?? undefined,
        k: next.kind,
        review: next.id,
      }),
    );
  };
  const onKey = (event: KeyboardEvent) => {
    const { nativeEvent } = event;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && panel === "reject") {
      event.preventDefault();
      void reject();
      return;
    }
    if (!isCommandKey(nativeEvent)) return;
    if (opened === "by-itself" && performance.now() - openedAt.current < SETTLE_MS) return;
    const key = event.key.toLowerCase();
    // While a rejection is written, no key approves by chance.
    if (panel === "reject") return;
    if (key === "a") void approve();
    else if (key === "r") setPanel("reject");
    else if (key === "m") taken.begin();
    else if (key === "g" && mayEdit) onRegenerate();
    else if (key === "j") goTo(1);
    else if (key === "k") goTo(-1);
    else if (key === "c" && asset?.committed?.url) setComparing(!comparing);
    else if (/^[1-5]$/.test(key)) setRating(Number(key));
    else return;
    event.preventDefault();
  };

  if (!asset) return null;
  return (
    <Dialog
      title={`${place}: ${words.readyForReview(what)}`}
      className={css.dialog ?? ""}
      // Escape leaves the panel first.
      onClose={panel === "none" ? onClose : () => setPanel("none")}
      onKeyDown={onKey}
      aside={
        <>
          <span className={css.version}>v{version?.number ?? run.number}</span>
          {left !== null && waits ? (
            <span className={css.deadline}>{words.decideWithin(clock(left))}</span>
          ) : null}
          <Button look="quiet" onClick={onClose} title="Esc">
            {words.decideLater}
          </Button>
        </>
      }
    >
      <div className={css.body}>
        {run.versions.length > 1 ? (
          <div role="tablist" className={css.variants}>
            {run.versions.map((v, n) => (
              <button
                key={v.id}
                type="button"
                role="tab"
                aria-selected={n === chosen}
                onClick={() => setChosen(n)}
                className={css.variant}
              >
                {words.variant(n + 1)}
              </button>
            ))}
          </div>
        ) : null}
        {run.status === "expired" ? (
          <Notice tone="warn">
            {words.timeRanOut}
            {mayDecide ? <Button onClick={() => void offerAgain()}>{words.offerAgain}</Button> : null}
          </Notice>
        ) : null}
        {flow?.refusal ? (
          <Refused error={flow.refusal} assertive />
        ) : flow?.error ? (
          <Notice tone="bad" assertive>
            {flow.error}
          </Notice>
        ) : null}

        <div className={css.columns}>
          <div className={css.media}>
            {version && asset.committed && comparing ? (
              <ComparePlayer
                key={version.id}
                a={{
                  media: playableOf(asset.committed),
                  label: words.committedVersion(asset.committed.number),
                }}
                b={{ media: playableOf(version), label: `${words.preview} v${version.number}` }}
                mode={mode}
                onMode={setMode}
                words={words}
                onExpired={refresh}
              />
            ) : version ? (
              <Player
                key={version.id}
                words={words}
                label={`${place}, ${what}, ${words.preview} v${version.number}`}
                badge={words.preview}
                playOnce={
                  opened === "by-person" && version.photosensitivity_warning === null && !prefersLessMotion()
                }
                onExpired={refresh}
                media={playableOf(version)}
                control={control}
                lanes={[...qualityLanes(version.quality_events, words), ...taken.lanes]}
                over={taken.over}
                onNote={taken.begin}
              />
            ) : null}
            {comparing || !version ? null : (
              <QualityEvents
                events={version.quality_events}
                words={words}
                onSeek={(seconds) => control.current?.seek(seconds)}
              />
            )}
            {comparing ? null : taken.panel}
            {asset.committed?.url ? (
              <Button
                className={css.compare}
                aria-pressed={comparing}
                title="C"
                onClick={() => setComparing(!comparing)}
              >
                {comparing ? words.previewAlone : words.compareWithCommitted(asset.committed.number)}
              </Button>
            ) : null}
            {version?.photosensitivity_warning ? (
              <Notice tone="warn">
                {version.photosensitivity_warning} {words.mayFlash}
              </Notice>
            ) : null}
            <Stars label={words.rating} value={rating} onChange={setRating} />
            <TextArea
              label={words.feedback}
              hint={words.feedbackHint}
              rows={2}
              value={feedback}
              onChange={(event) => setFeedback(event.currentTarget.value)}
            />
          </div>
          {version ? (
            <VersionFacts
              version={version}
              committed={asset.committed}
              segment={segment}
              language={language}
            />
          ) : null}
        </div>

        {panel === "reject" ? (
          <fieldset className={css.panel}>
            <legend>{words.changes}</legend>
            <TextArea
              label={words.addToDirections}
              rows={2}
              autoFocus
              value={changes.prompt_modifications}
              onChange={(e) => setChanges({ ...changes, prompt_modifications: e.currentTarget.value })}
            />
            <TextArea
              label={words.style}
              rows={1}
              value={changes.style_adjustments}
              onChange={(e) => setChanges({ ...changes, style_adjustments: e.currentTarget.value })}
            />
            <TextArea
              label={words.charactersText}
              rows={1}
              value={changes.character_prompt}
              onChange={(e) => setChanges({ ...changes, character_prompt: e.currentTarget.value })}
            />
            {open.length > 0 ? (
              <fieldset className={css.asks}>
                <legend>{words.note.askFor}</legend>
                {open.map((n) => (
                  <label key={n.id} className={ui.row}>
                    <input
                      type="checkbox"
                      checked={!passed.has(n.id)}
                      onChange={(e) => {
                        const next = new Set(passed);
                        if (e.currentTarget.checked) next.delete(n.id);
                        else next.add(n.id);
                        setPassed(next);
                      }}
                    />
                    <span dir="auto">{n.change}</span>
                  </label>
                ))}
              </fieldset>
            ) : null}
            {added && version ? (
              <p className={css.merged} dir="auto">
                <b>{words.mergedDirections}</b>
                <br />
                {`${version.directions}\n${added}`}
              </p>
            ) : null}
            {hasChanges && mayEdit ? (
              <label className={ui.row}>
                <input
                  type="checkbox"
                  checked={regenerate}
                  onChange={(e) => setRegenerate(e.currentTarget.checked)}
                />
                {words.regenerateWithThese}
              </label>
            ) : null}
          </fieldset>
        ) : null}

        {offline ? <Notice tone="warn">{words.offlineNoDecision}</Notice> : null}
        <footer className={css.actions}>
          {panel === "reject" ? (
            <>
              <Button title="Esc" onClick={() => setPanel("none")}>
                {words.cancel}
              </Button>
              <Button
                look="bad"
                className={css.decided}
                title="Ctrl Enter"
                disabledReason={blocked}
                onClick={() => void reject()}
              >
                {hasChanges && regenerate && mayEdit ? words.rejectAndRegenerate : words.reject}
              </Button>
            </>
          ) : (
            <>
              <Button look="bad" disabledReason={blocked} title="R" onClick={() => setPanel("reject")}>
                {words.rejectEllipsis}
              </Button>
              <Button title="G" disabledReason={mayEdit ? null : words.mayNotGenerate} onClick={onRegenerate}>
                {words.regenerateEllipsis}
              </Button>
              <Button look="primary" disabledReason={blocked} title="A" onClick={() => void approve()}>
                {words.approve}
              </Button>
            </>
          )}
        </footer>
      </div>
    </Dialog>
  );
}

/** Who asks for less motion starts each video. */
function prefersLessMotion(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Seconds until the deadline, counted once a second; null: there is none. */
function useTimeLeft(deadline: string | null): number | null {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (deadline === null) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [deadline]);
  return deadline === null ? null : Math.max(0, (Date.parse(deadline) - now) / 1000);
}
