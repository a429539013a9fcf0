/**
 * The one place that plays a preview and decides on it, for every kind of asset.
 *
 * Closing decides nothing: the preview waits until its deadline, and "Review" opens it again.
 */

import { type KeyboardEvent, useCallback, useEffect, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { idempotencyKey } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { useAssetGenerationFlow } from "../../editing/useAssetGenerationFlow";
import { clock, money, score } from "../../language/format";
import { Player } from "../../media/Player";
import { Button, Dialog, Notice, TextArea, ui } from "../../ui/ui";
import { atLeast, useEpisode, useEpisodeKey } from "../episode/EpisodeContext";
import css from "./preview.module.css";
import { Stars } from "./Stars";

interface PreviewDialogProps {
  readonly runId: string;
  readonly assetId: string;
  /** Whether a person opened it: then it plays once. */
  readonly opened: "by-person" | "by-itself";
  readonly onClose: () => void;
}

type Panel = "none" | "reject";

/** Keys count only this long after the dialog opened by itself under somebody who was typing. */
const SETTLE_MS = 600;

export function PreviewDialog({ runId, assetId, opened, onClose }: PreviewDialogProps) {
  const words = useWords();
  const { api, language, announce } = useApp();
  const { feed, flows, role } = useEpisode();
  const flow = useAssetGenerationFlow(flows, feed, assetId);
  const run = useEpisodeKey<Schemas["Run"]>(`run:${runId}`);
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
  const openedAt = useRef(performance.now());
  const left = useTimeLeft(run?.deadline ?? null);

  useEffect(() => {
    if (!run) feed.refresh({ what: "run", id: runId });
  }, [feed, run, runId]);

  const version = run?.versions[chosen] ?? run?.versions[0];
  const waits = run?.status === "preview_ready";
  const decided = run !== undefined && !waits && run.status !== "expired";
  useEffect(() => {
    if (decided) onClose();
  }, [decided, onClose]);

  const mayDecide = atLeast(role, "reviewer");
  const mayEdit = atLeast(role, "editor");
  const blocked = !mayDecide ? words.mayNotDecide : flow?.canDecide ? null : words.looks.committing;
  const suggested = Object.fromEntries(Object.entries(changes).filter(([, text]) => text.trim() !== ""));
  const hasChanges = Object.keys(suggested).length > 0;

  const approve = useCallback(() => {
    if (blocked === null && version) void flow?.accept(version.id, { rating, feedback });
  }, [blocked, version, flow, rating, feedback]);
  const reject = () => {
    if (blocked !== null || !version) return;
    void flow?.reject(version.id, {
      rating,
      feedback,
      suggestedChanges: hasChanges ? suggested : null,
      ...(hasChanges ? { regenerate: regenerate && mayEdit } : {}),
    });
  };
  const reopen = async () => {
    try {
      await api.POST("/api/v1/runs/{run_id}/reopen", {
        params: { path: { run_id: runId }, header: { "Idempotency-Key": idempotencyKey() } },
      });
      feed.refresh({ what: "asset", id: assetId });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      announce(error.message, true);
    }
  };

  const onKey = (event: KeyboardEvent) => {
    const inField = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
    if (event.nativeEvent.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (inField || (opened === "by-itself" && performance.now() - openedAt.current < SETTLE_MS)) return;
    const key = event.key.toLowerCase();
    if (key === "a") approve();
    else if (key === "r") setPanel("reject");
    else if (/^[1-5]$/.test(key)) setRating(Number(key));
    else return;
    event.preventDefault();
  };

  if (!run || !asset) return null;
  const what = words[run.kind];
  const place = segment ? `${segment.segment_number} ${segment.scene_info.location ?? ""}` : run.label;
  return (
    <Dialog title={`${place}: ${words.readyForReview(what)}`} onClose={onClose} className={css.dialog ?? ""}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys of the dialog's own buttons */}
      <div className={css.body} onKeyDown={onKey}>
        <header className={css.head}>
          <span>
            v{version?.number ?? run.number}
            {run.versions.length > 1 ? (
              <span role="tablist" className={css.variants}>
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
              </span>
            ) : null}
          </span>
          {left !== null && waits ? (
            <span className={css.deadline}>{words.decideWithin(clock(left))}</span>
          ) : null}
          <Button look="quiet" onClick={onClose} title="Esc">
            {words.decideLater}
          </Button>
        </header>

        {run.status === "expired" ? (
          <Notice tone="warn">
            {words.timeRanOut}
            {mayDecide ? <Button onClick={() => void reopen()}>{words.offerAgain}</Button> : null}
          </Notice>
        ) : null}
        {flow?.error ? (
          <Notice tone="bad" assertive>
            {flow.error}
          </Notice>
        ) : null}

        <div className={css.columns}>
          <div className={css.media}>
            {version ? (
              <Player
                key={version.id}
                words={words}
                label={`${place}, ${what}, ${words.preview} v${version.number}`}
                badge={words.preview}
                playOnce={opened === "by-person" && !mayFlash(version)}
                onExpired={() => feed.refresh({ what: "run", id: runId })}
                media={{
                  kind: run.kind,
                  url: version.proxy_url ?? version.url,
                  poster: version.thumbnail_url,
                  filmstrip: version.filmstrip_url,
                  fps: version.fps,
                  duration: version.duration,
                  aspectRatio: version.aspect_ratio,
                }}
              />
            ) : null}
            {version && mayFlash(version) ? <Notice tone="warn">{words.mayFlash}</Notice> : null}
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
            <Facts version={version} committed={asset.committed} segment={segment} language={language} />
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
            {changes.prompt_modifications.trim() && version ? (
              <p className={css.merged} dir="auto">
                <b>{words.mergedDirections}</b>
                <br />
                {`${version.directions}\n${changes.prompt_modifications}`}
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

        <footer className={css.actions}>
          {panel === "reject" ? (
            <>
              <Button look="bad" disabledReason={blocked} onClick={reject}>
                {words.reject}
              </Button>
              <Button onClick={() => setPanel("none")}>{words.cancel}</Button>
            </>
          ) : (
            <Button look="bad" disabledReason={blocked} title="R" onClick={() => setPanel("reject")}>
              {words.rejectEllipsis}
            </Button>
          )}
          <Button look="primary" disabledReason={blocked} title="A" onClick={approve}>
            {words.approve}
          </Button>
        </footer>
      </div>
    </Dialog>
  );
}

interface FactsProps {
  readonly version: Schemas["Version"];
  readonly committed: Schemas["Version"] | null;
  readonly segment: Schemas["Segment"] | undefined;
  readonly language: string;
}

/** Everything R42 asks for beside the player: each quality metric, or why it is missing. */
function Facts({ version, committed, segment, language }: FactsProps) {
  const words = useWords();
  const metrics = version.quality_metrics as Readonly<Record<string, number | null>>;
  const missing = version.unmeasured as Readonly<Record<string, string>>;
  const before = (committed?.quality_metrics ?? {}) as Readonly<Record<string, number | null>>;
  const asked = version.settings as Readonly<Record<string, { value?: unknown; source?: string }>>;
  const facts: [string, string | null][] = [
    [words.model, version.model],
    [words.duration, version.duration === null ? null : `${version.duration.toFixed(2)} s`],
    [words.resolution, version.resolution],
    [words.aspectRatio, version.aspect_ratio],
    [words.seed, version.seed === null ? null : String(version.seed)],
    [words.cost, money(version.cost.actual ?? version.cost.estimated, language)],
  ];
  const askedDuration = asked.duration?.value;
  return (
    <div className={css.facts}>
      <section>
        <h3>{words.directions[version.kind]}</h3>
        <p dir="auto" className={css.directions}>
          {version.directions}
        </p>
      </section>
      <dl className={css.list}>
        {facts.map(([name, value]) =>
          value ? (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ) : null,
        )}
        {typeof askedDuration === "number" &&
        version.duration !== null &&
        askedDuration !== version.duration ? (
          <div>
            <dt>{words.duration}</dt>
            <dd>
              {words.asked} {askedDuration} s, {words.was} {version.duration} s
            </dd>
          </div>
        ) : null}
      </dl>
      <section>
        <h3>{words.quality}</h3>
        <dl className={css.list}>
          {[...new Set([...Object.keys(metrics), ...Object.keys(missing)])].map((name) => {
            const value = score(metrics[name], language);
            const earlier = score(before[name], language);
            return (
              <div key={name}>
                <dt>{words.qualityMetrics[name] ?? name.replaceAll("_", " ")}</dt>
                <dd>
                  {value ?? missing[name] ?? words.notMeasured}
                  {earlier && value ? (
                    <span className={ui.hint}>
                      {" "}
                      (v{committed?.number}: {earlier})
                    </span>
                  ) : null}
                </dd>
              </div>
            );
          })}
        </dl>
      </section>
      {segment ? (
        <section>
          <h3>{words.scene}</h3>
          <p dir="auto">
            {[segment.scene_info.location, segment.scene_info.description].filter(Boolean).join(". ")}
          </p>
          {segment.scene_info.characters.length > 0 ? (
            <p dir="auto">
              {words.characters}: {segment.scene_info.characters.join(", ")}
            </p>
          ) : null}
        </section>
      ) : null}
    </div>
  );
}

/** Flicker at or above this share may disturb photosensitive people: nothing plays unasked. */
const FLICKER_LIMIT = 3;

function mayFlash(version: Schemas["Version"]): boolean {
  const flicker = (version.quality_metrics as Record<string, number | null>).flashes_per_second;
  return typeof flicker === "number" && flicker >= FLICKER_LIMIT;
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
