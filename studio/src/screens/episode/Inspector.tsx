/** One segment's assets (or the episode's music): their drafts, what would be used, and the button that makes them. */

import { type KeyboardEvent, type MouseEvent, useEffect, useId, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { useModels } from "../../app/useModels";
import { bodyOf } from "../../editing/controller";
import { type AssetGenerationFlow, useAssetGenerationFlow } from "../../editing/useAssetGenerationFlow";
import { useKeptDraft } from "../../editing/useKeptDraft";
import { length, score } from "../../language/format";
import { said } from "../../language/messages";
import type { Cell, Kind } from "../../live/board";
import { Conflict } from "../../ui/Conflict";
import { passFocus } from "../../ui/focus";
import { propertiesOf, SchemaForm, type Values } from "../../ui/SchemaForm";
import { Button, Notice, SelectField, TextArea, ui } from "../../ui/ui";
import { About } from "../About";
import { ModelOptions } from "../ModelOptions";
import { atLeast } from "../roles";
import { useEpisode, useEpisodeKey } from "./EpisodeContext";
import css from "./episode.module.css";
import { LookBadge } from "./looks";
import { SegmentTools } from "./SegmentTools";
import { UploadVersion } from "./UploadVersion";
import { Versions } from "./Versions";

const TABS = ["video", "starting_image", "narration", "music"] as const;
export type Tab = (typeof TABS)[number];

export function isTab(kind: string | undefined): kind is Tab {
  return TABS.some((tab) => tab === kind);
}

interface InspectorProps {
  readonly segment: Schemas["Segment"] | undefined;
  readonly musicId: string | null;
  readonly tab: Tab;
  readonly onTab: (tab: Tab) => void;
  readonly onReview: (runId: string) => void;
}

export function Inspector({ segment, musicId, tab, onTab, onReview }: InspectorProps) {
  const words = useWords();
  const id = useId();
  const assetId = tab === "music" ? musicId : (segment?.assets[tab] ?? null);
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] ?? tab;
    onTab(next);
    requestAnimationFrame(() => document.getElementById(`${id}-${next}`)?.focus());
  };
  return (
    <section
      className={css.inspector}
      aria-label={segment ? `${words.segment} ${segment.segment_number}` : words.music}
    >
      {segment ? (
        <h2 dir="auto">
          {segment.segment_number} {segment.scene_info.location ?? segment.scene_info.description ?? ""}
        </h2>
      ) : null}
      <div role="tablist" className={css.tabs} onKeyDown={onKey}>
        {TABS.map((kind) => (
          <button
            key={kind}
            type="button"
            role="tab"
            id={`${id}-${kind}`}
            aria-selected={kind === tab}
            aria-controls={`${id}-panel`}
            tabIndex={kind === tab ? 0 : -1}
            className={css.tab}
            onClick={() => onTab(kind)}
          >
            {words[kind]}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${tab}`} className={ui.stack}>
        {assetId ? (
          <AssetEditor
            key={assetId}
            assetId={assetId}
            kind={tab}
            segment={segment}
            onReview={onReview}
            onStartingImage={() => onTab("starting_image")}
          />
        ) : null}
      </div>
      {segment ? <SegmentTools key={segment.id} segment={segment} /> : null}
    </section>
  );
}

interface AssetEditorProps {
  readonly assetId: string;
  readonly kind: Kind;
  readonly segment: Schemas["Segment"] | undefined;
  readonly onReview: (runId: string) => void;
  readonly onStartingImage: () => void;
}

function AssetEditor({ assetId, kind, segment, onReview, onStartingImage }: AssetEditorProps) {
  const words = useWords();
  const { language, announce, toast, refused } = useApp();
  const { flows, feed, role } = useEpisode();
  const flow = useAssetGenerationFlow(flows, feed, assetId);
  const asset = useEpisodeKey<Schemas["Asset"]>(`asset:${assetId}`);
  const cell = useEpisodeKey<Cell>(`cell:${assetId}`);
  const [variants, setVariants] = useState(1);
  const [conflicting, setConflicting] = useState(false);
  useKeptDraft(assetId, flow, () => toast(words.draftRestored));
  useLeaving(flow);
  const models = useModels();
  if (flow === null || !asset) return null;
  const { draft } = flow;
  const ofKind = models.filter((m) => (m.kinds as readonly string[]).includes(kind));
  const effective = asset.defaults.model as Schemas["Setting"] | undefined;
  const chosen = draft.model ?? (typeof effective?.value === "string" ? effective.value : "");
  const limit = ofKind.find((m) => m.slug === chosen)?.max_prompt_chars ?? null;
  const mayEdit = atLeast(role, "editor");

  const save = async (over = false) => {
    setConflicting(false);
    try {
      await flow.save(over);
      announce(words.draftSaved);
    } catch (error) {
      if (!(error instanceof Problem && error.status === 412)) return refused(error);
      feed.refresh({ what: "asset", id: assetId });
      setConflicting(true);
    }
  };
  /** Both buttons go away once nothing is unsaved. */
  const leaving = (act: () => void) => (event: MouseEvent) => {
    passFocus(event.currentTarget.closest("[role=tabpanel]")?.querySelector("[data-directions]"));
    act();
  };
  const theirs = asset.draft?.directions || (asset.committed?.directions ?? "");
  return (
    <>
      <div className={ui.row}>
        {cell ? <LookBadge cell={cell} /> : null}
        {asset.committed ? (
          <span>{words.committedVersion(asset.committed.number)}</span>
        ) : (
          <span>{words.noVersion}</span>
        )}
        {asset.committed ? <QualityBadge version={asset.committed} language={language} /> : null}
      </div>
      {asset.stale ? <Notice tone="warn">{words.stale}</Notice> : null}
      {flow.refusal ? (
        <Refused
          error={flow.refusal}
          assertive
          onAgain={flow.canStart ? () => flow.start(variants) : undefined}
        />
      ) : flow.error ? (
        <Notice tone="bad" assertive>
          {cell?.look === "failed" ? said(cell, language) : flow.error}
        </Notice>
      ) : cell?.look === "failed" ? (
        <Notice tone="bad">
          {said(cell, language)} {cell.message.includes(cell.recovery) ? null : cell.recovery}
        </Notice>
      ) : null}
      {conflicting && theirs !== draft.directions ? (
        <Conflict
          labels={words.conflict}
          fields={[{ name: words.directions[kind], mine: draft.directions, theirs }]}
          onMine={() => void save(true)}
          onTheirs={() => {
            setConflicting(false);
            flow.edit({ ...draft, directions: theirs });
          }}
        />
      ) : null}
      <TextArea
        label={
          <>
            {words.directions[kind]}
            {flow.hasChanges ? <span className={css.unsaved}>● {words.unsaved}</span> : null}
          </>
        }
        hint={limit ? `${length(draft.directions)} / ${limit}` : undefined}
        data-directions
        value={draft.directions}
        readOnly={!mayEdit}
        rows={6}
        onChange={(event) => flow.edit({ ...draft, directions: event.currentTarget.value })}
      />
      <SelectField
        label={words.model}
        hint={
          effective && !draft.model
            ? words.fromSource(words.sources[effective.source] ?? effective.source)
            : null
        }
        value={chosen}
        disabled={!mayEdit}
        onChange={(event) => flow.edit({ ...draft, model: event.currentTarget.value || null })}
      >
        <ModelOptions models={ofKind} chosen={chosen} />
      </SelectField>
      <Parameters
        properties={propertiesOf((ofKind.find((m) => m.slug === chosen)?.settings_schema ?? {}) as Values)}
        draft={draft}
        defaults={asset.defaults as Readonly<Record<string, Schemas["Setting"]>>}
        mayEdit={mayEdit}
        onChange={(parameters) => flow.edit({ ...draft, parameters })}
      />
      <Guessed defaults={asset.defaults as Readonly<Record<string, Schemas["Setting"]>>} draft={draft} />
      <div className={ui.row}>
        <MainButton
          flow={flow}
          kind={kind}
          hasVersion={asset.committed !== null}
          needsImage={kind === "video" && segment !== undefined && !hasImage(feed, segment)}
          mayEdit={mayEdit}
          variants={variants}
          onReview={() => flow.state.runId && onReview(flow.state.runId)}
          onStartingImage={onStartingImage}
        />
        <label className={ui.row}>
          {words.variants}
          <select
            value={variants}
            disabled={!mayEdit}
            onChange={(e) => setVariants(Number(e.currentTarget.value))}
          >
            {[1, 2, 3, 4].map((n) => (
              <option key={n}>{n}</option>
            ))}
          </select>
        </label>
        <About
          of={
            mayEdit && flow.canStart && draft.directions.trim() !== ""
              ? { what: "run", id: assetId, body: { ...bodyOf(draft), variants } }
              : null
          }
        />
        {flow.hasChanges ? (
          <>
            <Button onClick={leaving(flow.reset)}>{words.resetDraft}</Button>
            <Button onClick={leaving(() => void save())}>{words.saveDraft}</Button>
          </>
        ) : null}
      </div>
      {mayEdit ? <UploadVersion assetId={assetId} kind={kind} /> : null}
      <Versions assetId={assetId} committedId={asset.committed?.id ?? null} />
    </>
  );
}

/** Drops what is unsaved when the editor is left, and offers it again. */
function useLeaving(flow: AssetGenerationFlow | null) {
  const words = useWords();
  const { toast } = useApp();
  const current = useRef({ flow, toast, words });
  current.current = { flow, toast, words };
  useEffect(
    () => () => {
      const { flow: left, toast: show, words: w } = current.current;
      if (left === null) return;
      const { draft, hasChanges } = left;
      left.leave();
      if (hasChanges) show(w.unsavedDropped, { label: w.undo, run: () => left.edit(draft) });
    },
    [],
  );
}

function hasImage(feed: ReturnType<typeof useEpisode>["feed"], segment: Schemas["Segment"]): boolean {
  const image = feed.store.get<Cell>(`cell:${segment.assets.starting_image}`);
  return image === undefined || image.had;
}

interface MainButtonProps {
  readonly flow: AssetGenerationFlow;
  readonly kind: Kind;
  readonly hasVersion: boolean;
  readonly needsImage: boolean;
  readonly mayEdit: boolean;
  readonly variants: number;
  readonly onReview: () => void;
  readonly onStartingImage: () => void;
}

/** Names what it makes, or why it cannot. One button throughout, so that the focus stays on it. */
function MainButton(props: MainButtonProps) {
  const { flow, kind, hasVersion, needsImage, mayEdit, variants, onReview, onStartingImage } = props;
  const words = useWords();
  const { api, refused } = useApp();
  const what = words[kind];
  const again = hasVersion ? words.regenerate(what) : words.generate(what);
  if (flow.state.phase === "review") {
    return (
      <span className={ui.row}>
        <Button look="primary" onClick={onReview}>
          {words.review(what)}
        </Button>
      </span>
    );
  }
  if (flow.isGenerating || flow.state.phase === "committing") {
    const cancel = async () => {
      const runId = flow.state.runId;
      if (runId === null) return;
      try {
        await api.POST("/api/v1/runs/{run_id}/cancel", {
          params: { path: { run_id: runId }, header: { "Idempotency-Key": crypto.randomUUID() } },
        });
      } catch (error) {
        refused(error);
      }
    };
    const busy =
      flow.state.phase === "committing" ? words.looks.committing : words.generating(what, flow.percent);
    return (
      <span className={ui.row}>
        <Button look="primary" disabledReason={busy}>
          {busy}
        </Button>
        {flow.isGenerating && mayEdit ? <Button onClick={() => void cancel()}>{words.cancel}</Button> : null}
      </span>
    );
  }
  if (!mayEdit) {
    return (
      <span className={ui.row}>
        <Button look="primary" disabledReason={words.mayNotGenerate}>
          {words.mayNotGenerate}
        </Button>
      </span>
    );
  }
  if (needsImage) {
    return (
      <span className={ui.row}>
        <Button look="primary" onClick={onStartingImage}>
          {words.imageFirst}
        </Button>
      </span>
    );
  }
  const empty = flow.draft.directions.trim() === "" ? words.writeFirst : null;
  return (
    <span className={ui.row}>
      <Button
        look="primary"
        disabledReason={empty ?? (flow.canStart ? null : words.looks.committing)}
        onClick={() => void flow.start(variants)}
      >
        {empty ?? again}
      </Button>
    </span>
  );
}

function QualityBadge({
  version,
  language,
}: {
  readonly version: Schemas["Version"];
  readonly language: string;
}) {
  const words = useWords();
  const overall = score((version.quality_metrics as Record<string, number | null>).overall_score, language);
  return <span className={ui.hint}>{overall ? `${words.quality} ${overall}` : null}</span>;
}

interface ParametersProps {
  readonly properties: ReturnType<typeof propertiesOf>;
  readonly draft: AssetGenerationFlow["draft"];
  readonly defaults: Readonly<Record<string, Schemas["Setting"]>>;
  readonly mayEdit: boolean;
  readonly onChange: (parameters: Values) => void;
}

/** What the gateway guesses from the text (the language of a narration), how sure it is, and what ends the guessing. */
function Guessed({ defaults, draft }: Pick<ParametersProps, "defaults" | "draft">) {
  const { words, language } = useApp();
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  return Object.entries(defaults)
    .filter(([name, { source }]) => source === "guessed" && draft.parameters[name] === undefined)
    .map(([name, { value, confidence }]) => (
      <p key={name} className={ui.hint}>
        {words.parameters[name] ?? name}: {words.guessed(String(value), percent.format(confidence ?? 0))}
      </p>
    ));
}

/** The model's own settings for the next run; where nothing is chosen, what would be used and where it comes from. */
function Parameters({ properties, draft, defaults, mayEdit, onChange }: ParametersProps) {
  const words = useWords();
  if (Object.keys(properties).length === 0) return null;
  const inherited = (name: string) => {
    const setting = defaults[name];
    if (setting === undefined || setting.value === null) return null;
    return `${String(setting.value)} (${words.fromSource(words.sources[setting.source] ?? setting.source)})`;
  };
  return (
    <details>
      <summary>{words.settingsOfRun}</summary>
      <div className={css.parameters}>
        <SchemaForm
          properties={properties}
          values={draft.parameters}
          inherited={inherited}
          readOnly={!mayEdit}
          onChange={onChange}
          labels={{
            name: (name) => words.parameters[name] ?? name.replaceAll("_", " "),
            yes: words.yes,
            no: words.no,
          }}
        />
      </div>
    </details>
  );
}
