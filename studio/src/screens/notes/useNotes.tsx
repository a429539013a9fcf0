/**
 * Notes about one version: those there are, the one being written, and where they lie in time and in the picture.
 *
 * `lanes` and `over` go to the player, `panel` beside it. Nothing is kept to be sent later: what is typed stays in the
 * panel until it was taken, or cancelled.
 */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { idempotencyKey, type Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import type { Connection } from "../../live/sse";
import type { Lane } from "../../media/Lanes";
import type { Moment, PlayerControl } from "../../media/Player";
import { useEpisodeKey } from "../episode/EpisodeContext";
import type { Box } from "./box";
import { NoteBox } from "./NoteBox";
import { NotesPanel } from "./NotesPanel";

export type Note = Schemas["Note"];

export interface Draft extends Moment {
  /** The note that is being changed; null: a new one. */
  readonly of: Note | null;
  readonly text: string;
  readonly box: Box | null;
  /** The same for every attempt to send this note. */
  readonly key: string;
}

export interface Notes {
  readonly notes: readonly Note[];
  readonly lanes: readonly Lane[];
  readonly over: ReactNode;
  readonly panel: ReactNode;
  /** Opens the form for a note at what the player shows. */
  readonly begin: () => void;
}

const NONE: readonly Note[] = [];

export function useNotes(
  version: Schemas["Version"] | null | undefined,
  control: React.RefObject<PlayerControl | null>,
  mayWrite: boolean,
  /** Where the panel lies in the outline of the page. */
  heading: "h2" | "h3" = "h3",
): Notes {
  const words = useWords();
  const { api, announce } = useApp();
  const queries = useQueryClient();
  const connection = useEpisodeKey<Connection>("connection");
  const changed = useEpisodeKey<symbol>("changed:notes");
  const [draft, setDraft] = useState<Draft | null>(null);
  const [refused, setRefused] = useState<string | null>(null);
  const [shown, setShown] = useState<string | null>(null);
  const came = useRef<Element | null>(null);
  const id = version?.id ?? "";
  const key = useMemo(() => ["notes", id] as const, [id]);
  const found = useQuery({
    queryKey: key,
    queryFn: async () =>
      (await api.GET("/api/v1/versions/{version_id}/notes", { params: { path: { version_id: id } } })).data
        ?.data ?? [],
    enabled: id !== "",
  });
  const me = useQuery({
    queryKey: ["me"],
    queryFn: async () => (await api.GET("/api/v1/me")).data?.user_id ?? null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change told by the stream is a new symbol
  useEffect(() => void queries.invalidateQueries({ queryKey: key }), [queries, key, changed]);
  // Once the form is gone the focus goes back to where it came from, unless it has gone on meanwhile.
  useEffect(() => {
    const back = came.current;
    if (draft !== null || !(back instanceof HTMLElement)) return;
    came.current = null;
    if (document.activeElement === document.body) back.focus();
  }, [draft]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a note is about the version that it was begun on
  useEffect(() => setDraft(null), [id]);

  const notes = found.data ?? NONE;
  const offline = connection?.state === "waiting" || connection?.state === "refused";
  const timed = version?.duration !== null && version?.duration !== undefined;
  const pictured = version?.kind !== "narration" && version?.kind !== "music";

  const begin = () => {
    if (!mayWrite || version === null || version === undefined || draft !== null) return;
    came.current = document.activeElement;
    const moment = control.current?.moment() ?? { at: 0, until: null };
    setRefused(null);
    setShown(null);
    setDraft({ ...moment, of: null, text: "", box: null, key: idempotencyKey() });
  };
  const edit = (note: Note) => {
    came.current = document.activeElement;
    setRefused(null);
    setShown(note.id);
    if (timed) control.current?.seek(note.at);
    const { at, until, text, box } = note;
    setDraft({ of: note, at, until, text, box, key: idempotencyKey() });
  };
  const end = () => {
    setDraft(null);
    setRefused(null);
  };
  const attempt = async (send: () => Promise<unknown>): Promise<boolean> => {
    try {
      await send();
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setRefused(error.status === 412 ? words.editElsewhere : error.message);
      return false;
    } finally {
      void queries.invalidateQueries({ queryKey: key });
    }
  };
  const save = async () => {
    if (draft === null || draft.text.trim() === "" || offline) return;
    const { of, at, until, text, box } = draft;
    const taken = await attempt(() =>
      of === null
        ? api.POST("/api/v1/versions/{version_id}/notes", {
            params: { path: { version_id: id }, header: { "Idempotency-Key": draft.key } },
            body: { ...(timed ? { at, until } : {}), text, box },
          })
        : api.PATCH("/api/v1/notes/{note_id}", {
            // As it was when this was begun, or as the list shows it since somebody else changed it.
            params: { path: { note_id: of.id }, header: { "If-Match": `"${of.revision}"` } },
            body: { text, box },
          }),
    );
    if (!taken) {
      // The list shows theirs now: saving once more puts this over it.
      const newest = of && (await found.refetch()).data?.find((n) => n.id === of.id);
      if (newest) setDraft((d) => d && { ...d, of: newest });
      return;
    }
    announce(words.note.saved);
    end();
  };
  const resolve = (note: Note) =>
    attempt(() =>
      api.PATCH("/api/v1/notes/{note_id}", {
        params: { path: { note_id: note.id }, header: { "If-Match": `"${note.revision}"` } },
        body: { resolved: !note.resolved },
      }),
    );
  const remove = (note: Note) =>
    attempt(() => api.DELETE("/api/v1/notes/{note_id}", { params: { path: { note_id: note.id } } }));
  const show = (note: Note) => {
    setShown(note.id);
    if (timed) control.current?.seek(note.at);
  };

  const lanes = useMemo<readonly Lane[]>(
    () => [
      {
        name: words.notes,
        tone: "note",
        spans: notes.map((n) => ({ id: n.id, from: n.at, to: n.until ?? n.at, muted: n.resolved })),
      },
    ],
    [notes, words],
  );
  const box = draft ? draft.box : (notes.find((n) => n.id === shown)?.box ?? null);
  return {
    notes,
    lanes: timed ? lanes : [],
    over:
      pictured && (draft !== null || box !== null) ? (
        <NoteBox
          box={box}
          label={words.note.boxKeys}
          onChange={draft ? (next) => setDraft({ ...draft, box: next }) : null}
        />
      ) : null,
    panel:
      version === null || version === undefined ? null : (
        <NotesPanel
          words={words}
          heading={heading}
          notes={notes}
          draft={draft}
          timed={timed}
          pictured={pictured}
          shown={shown}
          mayWrite={mayWrite}
          blocked={offline ? words.note.offline : null}
          refused={refused ?? (found.error instanceof Problem ? found.error.message : null)}
          me={me.data ?? null}
          onBegin={begin}
          onEdit={edit}
          onDraft={setDraft}
          onSave={() => void save()}
          onCancel={end}
          onShow={show}
          onResolve={(note) => void resolve(note)}
          onRemove={(note) => void remove(note)}
        />
      ),
    begin,
  };
}
