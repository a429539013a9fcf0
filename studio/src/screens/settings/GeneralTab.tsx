/** Name, style, how batches and previews wait, and the output of new episodes. */

import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { Button, RefusalNotice, SelectField, Skeleton, TextArea, TextField, ui } from "../../ui/ui";
import { atLeast } from "../roles";
import { SettingsConflicts } from "./SettingsConflicts";
import { type TabProps, useSettings } from "./useSettings";

const RATES = [12, 24, 25, 30, 50, 60] as const;
const FITS = ["blur", "crop", "pad"] as const;

export function GeneralTab({ projectId, role }: TabProps) {
  const words = useWords();
  const { settings, save, problem, conflict, resolve, shown } = useSettings(projectId);
  if (settings.error) return <Refused error={settings.error} onAgain={settings.refetch} automatic />;
  if (!settings.data) return <Skeleton label={words.loading} lines={8} />;
  return (
    <>
      <Name projectId={projectId} mayEdit={atLeast(role, "editor")} />
      <General key={shown} settings={settings.data} role={role} save={save} problem={problem} />
      <SettingsConflicts conflict={conflict} onResolve={(whose) => void resolve(whose)} />
    </>
  );
}

interface GeneralProps {
  readonly settings: Schemas["Settings"];
  readonly role: TabProps["role"];
  readonly save: (changes: Schemas["SettingsChanges"]) => Promise<boolean>;
  readonly problem: string | null;
}

function General({ settings, role, save, problem }: GeneralProps) {
  const words = useWords();
  const mayEdit = atLeast(role, "editor");
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const minutes = text("deadline");
    const deadline = minutes === "" ? null : Number(minutes);
    void save({
      style: text("style") || null,
      workflow: text("workflow") as Schemas["Settings"]["workflow"],
      output: {
        width: Number(text("width")),
        height: Number(text("height")),
        fps: Number(text("fps")) as (typeof RATES)[number],
        fit: text("fit") as (typeof FITS)[number],
      },
      // Only an owner may change it, and only a change needs one.
      ...(deadline === settings.review.deadline_minutes ? {} : { review: { deadline_minutes: deadline } }),
    });
  };
  return (
    <form className={ui.stack} onSubmit={submit}>
      <TextArea
        label={words.style}
        hint={words.styleHint}
        name="style"
        rows={3}
        maxLength={4000}
        readOnly={!mayEdit}
        defaultValue={settings.style ?? ""}
      />
      <div className={ui.fields}>
        <SelectField
          label={words.workflow}
          name="workflow"
          disabled={!mayEdit}
          defaultValue={settings.workflow}
        >
          <option value="step_by_step">{words.workflows.step_by_step}</option>
          <option value="monolithic">{words.workflows.monolithic}</option>
        </SelectField>
        <TextField
          label={words.deadlineMinutes}
          hint={role === "owner" ? words.deadlineHint : words.ownersOnly}
          name="deadline"
          type="number"
          min={1}
          step="any"
          readOnly={role !== "owner"}
          defaultValue={settings.review.deadline_minutes ?? ""}
        />
      </div>
      <fieldset className={ui.stack}>
        <legend className={ui.legend}>{words.outputOfNew}</legend>
        <div className={ui.fields}>
          <TextField
            label={words.width}
            name="width"
            type="number"
            min={36}
            max={3840}
            step={2}
            readOnly={!mayEdit}
            defaultValue={settings.output.width}
          />
          <TextField
            label={words.height}
            name="height"
            type="number"
            min={36}
            max={3840}
            step={2}
            readOnly={!mayEdit}
            defaultValue={settings.output.height}
          />
          <SelectField
            label={words.frameRate}
            name="fps"
            disabled={!mayEdit}
            defaultValue={settings.output.fps}
          >
            {RATES.map((rate) => (
              <option key={rate}>{rate}</option>
            ))}
          </SelectField>
          <SelectField label={words.fit} name="fit" disabled={!mayEdit} defaultValue={settings.output.fit}>
            {FITS.map((fit) => (
              <option key={fit} value={fit}>
                {words.fits[fit]}
              </option>
            ))}
          </SelectField>
        </div>
      </fieldset>
      <RefusalNotice text={problem} />
      <div className={ui.row}>
        <Button type="submit" look="primary" disabledReason={mayEdit ? null : words.editorsOnly}>
          {words.save}
        </Button>
        {mayEdit ? null : <span className={ui.hint}>{words.editorsOnly}</span>}
      </div>
    </form>
  );
}

function Name({ projectId, mayEdit }: { readonly projectId: string; readonly mayEdit: boolean }) {
  const words = useWords();
  const { api, announce, refusal } = useApp();
  const queries = useQueryClient();
  const project = queries.getQueryData<Schemas["Project"]>(["project", projectId]);
  const [problem, setProblem] = useState<string | null>(null);
  if (!project) return null;
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setProblem(null);
    try {
      await api.PATCH("/api/v1/projects/{project_id}", {
        params: { path: { project_id: projectId }, header: { "If-Match": `"${project.revision}"` } },
        body: { name: String(form.get("name")), description: String(form.get("description")) },
      });
      announce(words.saved);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error.status === 412 ? words.settingsElsewhere : refusal(error));
    }
    await queries.invalidateQueries({ queryKey: ["project", projectId] });
    await queries.invalidateQueries({ queryKey: ["projects"] });
  };
  return (
    <form className={ui.stack} onSubmit={(event) => void submit(event)}>
      <div className={ui.fields}>
        <TextField
          label={words.name}
          name="name"
          required
          maxLength={200}
          readOnly={!mayEdit}
          defaultValue={project.name}
        />
        <TextField
          label={words.description}
          name="description"
          maxLength={4000}
          readOnly={!mayEdit}
          defaultValue={project.description}
        />
      </div>
      <RefusalNotice text={problem} />
      <div>
        <Button type="submit" disabledReason={mayEdit ? null : words.editorsOnly}>
          {words.rename}
        </Button>
      </div>
    </form>
  );
}
