/** The model and its settings that new runs of each kind take where nobody says otherwise. */

import { useState } from "react";
import type { Schemas } from "../../api/client";
import { useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { useModels } from "../../app/useModels";
import { propertiesOf, SchemaForm, type Values } from "../../ui/SchemaForm";
import { Button, RefusalNotice, SelectField, Skeleton, ui } from "../../ui/ui";
import { ModelOptions } from "../ModelOptions";
import { atLeast } from "../roles";
import { SettingsConflicts } from "./SettingsConflicts";
import css from "./settings.module.css";
import { type TabProps, useSettings } from "./useSettings";

const SECTIONS = ["video", "image", "narration", "music"] as const;
type Section = (typeof SECTIONS)[number];

/** The kind of asset whose models a section chooses from. */
const KINDS = { video: "video", image: "starting_image", narration: "narration", music: "music" } as const;
/** Of the video section, but no setting of its model. */
const NOT_SETTINGS = new Set(["model", "image_model"]);

export function DefaultsTab({ projectId, role }: TabProps) {
  const words = useWords();
  const { settings, save, problem, conflict, resolve } = useSettings(projectId);
  /** The section whose conflict was resolved last, and how many were: it shows what the gateway has. */
  const [resolved, setResolved] = useState<{ readonly section: string; readonly count: number } | null>(null);
  const end = async (whose: "mine" | "theirs") => {
    const section = conflict?.differences[0]?.path[0] ?? "";
    if (await resolve(whose)) setResolved({ section, count: (resolved?.count ?? 0) + 1 });
  };
  const models = useModels();
  if (settings.error) return <Refused error={settings.error} onAgain={settings.refetch} automatic />;
  if (!settings.data) return <Skeleton label={words.loading} lines={10} />;
  return (
    <section className={ui.stack}>
      <p className={ui.hint}>{words.defaultsHint}</p>
      <RefusalNotice text={problem} />
      <SettingsConflicts conflict={conflict} onResolve={(whose) => void end(whose)} />
      {SECTIONS.map((section) => (
        <Defaults
          key={resolved?.section === section ? `${section} ${resolved.count}` : section}
          section={section}
          kept={settings.data?.[section] as Values}
          models={models}
          mayEdit={atLeast(role, "editor")}
          save={save}
        />
      ))}
    </section>
  );
}

interface DefaultsProps {
  readonly section: Section;
  readonly kept: Values;
  readonly models: readonly Schemas["Model"][];
  readonly mayEdit: boolean;
  readonly save: (changes: Schemas["SettingsChanges"]) => Promise<boolean>;
}

function Defaults({ section, kept, models, mayEdit, save }: DefaultsProps) {
  const words = useWords();
  const [typed, setTyped] = useState<Values | null>(null);
  const values = typed ?? present(kept);
  const kind = KINDS[section];
  const ofKind = models.filter((m) => (m.kinds as readonly string[]).includes(kind));
  const usual = ofKind.find((m) => (m.default_for as readonly string[]).includes(kind));
  const slug = typeof values.model === "string" ? values.model : "";
  const model = ofKind.find((m) => m.slug === slug) ?? usual;
  const send = async () => {
    // A merge patch: what was taken out here is null there.
    const removed = Object.keys(present(kept)).filter((name) => !(name in values) && name !== "image_model");
    const changes = { ...values, ...Object.fromEntries(removed.map((name) => [name, null])) };
    if (await save({ [section]: changes })) setTyped(null);
  };
  const { model: _, ...parameters } = values;
  return (
    <form
      className={css.item}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <h2>{words[kind]}</h2>
      <SelectField
        label={words.model}
        value={slug}
        disabled={!mayEdit}
        onChange={(event) => {
          const next = event.currentTarget.value;
          setTyped(next ? { ...parameters, model: next } : parameters);
        }}
      >
        <option value="">
          {words.builtIn}: {usual?.title ?? "–"}
        </option>
        <ModelOptions models={ofKind} chosen={slug} />
      </SelectField>
      {model ? (
        <SchemaForm
          properties={propertiesOf(model.settings_schema as Values)}
          values={Object.fromEntries(Object.entries(parameters).filter(([name]) => !NOT_SETTINGS.has(name)))}
          inherited={() => null}
          readOnly={!mayEdit}
          labels={{
            name: (name) => words.parameters[name] ?? name.replaceAll("_", " "),
            yes: words.yes,
            no: words.no,
          }}
          onChange={(next) => setTyped(slug ? { ...next, model: slug } : next)}
        />
      ) : null}
      <div className={ui.row}>
        <Button
          type="submit"
          disabledReason={mayEdit ? (typed ? null : words.nothingChanged) : words.editorsOnly}
        >
          {words.save}
        </Button>
        {typed ? <Button onClick={() => setTyped(null)}>{words.resetDraft}</Button> : null}
      </div>
    </form>
  );
}

function present(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}
