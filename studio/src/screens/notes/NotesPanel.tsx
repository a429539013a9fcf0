/** The notes about a version as a list, and the form for one more. */

import type { KeyboardEvent } from "react";
import type { Words } from "../../language/words";
import { passFocus } from "../../ui/focus";
import { Button, RefusalNotice, TextArea, ui } from "../../ui/ui";
import { FIRST_BOX } from "./box";
import css from "./notes.module.css";
import type { Draft, Note } from "./useNotes";

interface NotesPanelProps {
  readonly words: Words;
  readonly heading: "h2" | "h3";
  readonly notes: readonly Note[];
  readonly draft: Draft | null;
  /** Whether the version has times; a picture has none. */
  readonly timed: boolean;
  /** Whether it has a picture to draw a box on. */
  readonly pictured: boolean;
  readonly shown: string | null;
  readonly mayWrite: boolean;
  /** Why nothing can be sent now. */
  readonly blocked: string | null;
  readonly refused: string | null;
  readonly me: string | null;
  readonly onBegin: () => void;
  readonly onEdit: (note: Note) => void;
  readonly onDraft: (draft: Draft) => void;
  readonly onSave: () => void;
  readonly onCancel: () => void;
  readonly onShow: (note: Note) => void;
  readonly onResolve: (note: Note) => void;
  readonly onRemove: (note: Note) => void;
}

export function NotesPanel(props: NotesPanelProps) {
  const { words, notes, draft, timed, pictured, shown, mayWrite, blocked, refused, me } = props;
  const { note } = words;
  const Heading = props.heading;
  const onKey = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape") props.onCancel();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) props.onSave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <section className={css.panel} aria-label={words.notes}>
      <header className={ui.row}>
        <Heading>{words.notes}</Heading>
        {/* It stays while a note is written: the focus comes back to it. */}
        {mayWrite ? (
          <Button title="M" disabledReason={blocked} onClick={props.onBegin}>
            {timed ? note.addHere : note.add}
          </Button>
        ) : null}
      </header>
      <RefusalNotice text={refused} />
      {draft ? (
        // biome-ignore lint/a11y/noStaticElementInteractions: keys of the form's own buttons
        <div className={css.form} onKeyDown={onKey}>
          <TextArea
            label={timed ? note.about(timeOf(draft)) : note.aboutAll}
            hint={pictured ? note.drawHint : undefined}
            rows={2}
            maxLength={2000}
            autoFocus
            value={draft.text}
            onChange={(event) => props.onDraft({ ...draft, text: event.currentTarget.value })}
          />
          <div className={ui.row}>
            <Button
              look="primary"
              title="Ctrl Enter"
              disabledReason={blocked ?? (draft.text.trim() === "" ? note.empty : null)}
              onClick={props.onSave}
            >
              {note.save}
            </Button>
            <Button title="Esc" onClick={props.onCancel}>
              {words.cancel}
            </Button>
            {pictured ? (
              <Button
                aria-pressed={draft.box !== null}
                onClick={() => props.onDraft({ ...draft, box: draft.box === null ? FIRST_BOX : null })}
              >
                {note.box}
              </Button>
            ) : null}
          </div>
        </div>
      ) : null}
      {notes.length > 0 ? (
        <ul className={css.list}>
          {notes.map((n) => (
            <li key={n.id} className={css.note} data-resolved={n.resolved || undefined}>
              {timed || n.box ? (
                <Button look="quiet" aria-pressed={n.id === shown} onClick={() => props.onShow(n)}>
                  {timed ? timeOf(n) : null} {n.box ? "▢" : null}
                  <span className={ui.hiddenText}>{note.show}</span>
                </Button>
              ) : (
                <span />
              )}
              <span className={css.said}>
                <span dir="auto">{n.text}</span>{" "}
                <span className={ui.hint}>
                  {n.author ?? n.user_id}
                  {n.resolved ? `, ${note.resolved}` : null}
                </span>
              </span>
              {mayWrite ? (
                <span className={css.acts}>
                  <Button look="quiet" disabledReason={blocked} onClick={() => props.onResolve(n)}>
                    {n.resolved ? note.reopen : note.resolve}
                  </Button>
                  {n.user_id === me ? (
                    <>
                      <Button
                        look="quiet"
                        disabledReason={blocked ?? (draft === null ? null : note.oneAtATime)}
                        onClick={() => props.onEdit(n)}
                      >
                        {note.edit}
                      </Button>
                      <Button
                        look="quiet"
                        disabledReason={blocked}
                        onClick={(event) => {
                          passFocus(event.currentTarget.closest("section")?.querySelector("header button"));
                          props.onRemove(n);
                        }}
                      >
                        {note.remove}
                      </Button>
                    </>
                  ) : null}
                </span>
              ) : null}
            </li>
          ))}
        </ul>
      ) : draft === null ? (
        <p className={ui.hint}>{mayWrite ? note.none : note.mayNot}</p>
      ) : null}
    </section>
  );
}

/** `02.4–03.1`: seconds with one decimal, as people say them. */
export function timeOf({ at, until }: { readonly at: number; readonly until: number | null }): string {
  const one = (seconds: number) => seconds.toFixed(1).padStart(4, "0");
  return until === null ? one(at) : `${one(at)}–${one(until)}`;
}
