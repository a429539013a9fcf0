/** Who appears in the project: a description that goes into prompts, and reference pictures. */

import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { upload } from "../../api/uploads";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { Button, Empty, RefusalNotice, Skeleton, TextArea, TextField, ui } from "../../ui/ui";
import { atLeast } from "../roles";
import { SettingsConflicts } from "./SettingsConflicts";
import css from "./settings.module.css";
import { type TabProps, useSettings } from "./useSettings";

type Character = Schemas["ProjectCharacter"];

const MOST_PICTURES = 10;

export function CharactersTab({ projectId, role }: TabProps) {
  const words = useWords();
  const { settings, save, problem, conflict, resolve } = useSettings(projectId);
  const [typed, setTyped] = useState<readonly Character[] | null>(null);
  if (settings.error) return <Refused error={settings.error} onAgain={settings.refetch} automatic />;
  if (!settings.data) return <Skeleton label={words.loading} lines={6} />;
  const mayEdit = atLeast(role, "editor");
  const characters = typed ?? settings.data.characters;
  const put = (at: number, character: Character) =>
    setTyped(characters.map((c, n) => (n === at ? character : c)));
  const send = async () => {
    const named = characters.filter((c) => c.name.trim() !== "");
    if (await save({ characters: named.map((c) => ({ ...c, name: c.name.trim() })) })) setTyped(null);
  };
  return (
    <section className={ui.stack}>
      <p className={ui.hint}>{words.charactersHint}</p>
      {characters.length === 0 ? <Empty title={words.noCharacters} /> : null}
      <ul className={css.list}>
        {characters.map((character, n) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a character has no identity but its place
          <li key={n} className={css.item}>
            <TextField
              label={words.name}
              value={character.name}
              maxLength={200}
              readOnly={!mayEdit}
              onChange={(event) => put(n, { ...character, name: event.currentTarget.value })}
            />
            <TextArea
              label={words.description}
              rows={2}
              maxLength={4000}
              value={character.description ?? ""}
              readOnly={!mayEdit}
              onChange={(event) => put(n, { ...character, description: event.currentTarget.value || null })}
            />
            {mayEdit ? (
              <Pictures projectId={projectId} character={character} onChange={(next) => put(n, next)} />
            ) : null}
            {mayEdit ? (
              <div>
                <Button look="bad" onClick={() => setTyped(characters.filter((_, m) => m !== n))}>
                  {words.remove}
                </Button>
              </div>
            ) : null}
          </li>
        ))}
      </ul>
      <RefusalNotice text={problem} />
      <SettingsConflicts
        conflict={conflict}
        onResolve={(whose) => void resolve(whose).then((kept) => kept && setTyped(null))}
      />
      {mayEdit ? (
        <div className={ui.row}>
          <Button onClick={() => setTyped([...characters, { name: "", description: null, upload_ids: [] }])}>
            {words.addCharacter}
          </Button>
          <Button
            look="primary"
            disabledReason={typed ? null : words.nothingChanged}
            onClick={() => void send()}
          >
            {words.save}
          </Button>
          {typed ? <Button onClick={() => setTyped(null)}>{words.resetDraft}</Button> : null}
        </div>
      ) : (
        <p className={ui.hint}>{words.editorsOnly}</p>
      )}
    </section>
  );
}

function Pictures({
  projectId,
  character,
  onChange,
}: {
  readonly projectId: string;
  readonly character: Character;
  readonly onChange: (character: Character) => void;
}) {
  const words = useWords();
  const { tokens, refusal } = useApp();
  const [share, setShare] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const add = async (file: File) => {
    setProblem(null);
    try {
      const uploaded = await upload(tokens, projectId, file, setShare);
      onChange({ ...character, upload_ids: [...character.upload_ids, uploaded.id] });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(`${file.name}: ${refusal(error)}`);
    } finally {
      setShare(null);
    }
  };
  const count = character.upload_ids.length;
  return (
    <div className={ui.stack}>
      <div className={css.pictures}>
        <span>{words.referencePictures(count)}</span>
        {count > 0 ? (
          <Button look="quiet" onClick={() => onChange({ ...character, upload_ids: [] })}>
            {words.removePictures}
          </Button>
        ) : null}
      </div>
      {count < MOST_PICTURES ? (
        <label className={ui.field}>
          <span className={ui.label}>{words.addPicture}</span>
          <input
            type="file"
            accept="image/*"
            disabled={share !== null}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              event.currentTarget.value = "";
              if (file) void add(file);
            }}
          />
        </label>
      ) : null}
      {share !== null ? <progress max={1} value={share} aria-label={words.addPicture} /> : null}
      <RefusalNotice text={problem} />
    </div>
  );
}
