/** Photographs, a script or a film become an episode. Each file is sent with its progress and refused by name. */

import { type DragEvent, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { Api, Schemas } from "../../api/client";
import { idempotencyKey } from "../../api/client";
import { Problem } from "../../api/problems";
import { upload } from "../../api/uploads";
import { useApp, useWords } from "../../app/context";
import { routes } from "../../app/routes";
import { bytes } from "../../language/format";
import { Button, RefusalNotice, TextField, ui } from "../../ui/ui";
import { documentOf, type Item, itemsOf, titleOf } from "./files";
import css from "./importing.module.css";

const POLL_MS = 500;

export function ImportScreen({ projectId }: { readonly projectId: string }) {
  const words = useWords();
  const { api, tokens, language, refusal } = useApp();
  const [, navigate] = useLocation();
  const [items, setItems] = useState<readonly Item[]>([]);
  const [title, setTitle] = useState("");
  const [progress, setProgress] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [over, setOver] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);
  const busy = progress !== null;

  const change = (id: string, part: Partial<Item>) =>
    setItems((now) => now.map((item) => (item.id === id ? { ...item, ...part } : item)));

  const take = (files: readonly File[]) => {
    const added = itemsOf(files, () => crypto.randomUUID());
    if (items.length === 0) setTitle(titleOf(added));
    setItems((now) => [...now, ...added]);
    setProblem(null);
    for (const item of added) {
      if (item.kind === "photograph" || item.kind === "film") void send(item);
      else if (item.kind === "unknown") change(item.id, { problem: words.notTaken });
    }
  };

  const send = async (item: Item) => {
    try {
      const found = await upload(tokens, projectId, item.file, (share) => change(item.id, { share }));
      change(item.id, { share: 1, uploadId: found.id });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      change(item.id, { share: null, problem: refusal(error) });
    }
  };

  const move = (from: number, to: number) =>
    setItems((now) => {
      const next = [...now];
      next.splice(to, 0, ...next.splice(from, 1));
      return next;
    });

  const good = items.filter((item) => item.problem === null);
  const photographs = good.filter((item) => item.kind === "photograph");
  const single = good.find((item) => item.kind === "script" || item.kind === "film");
  const ready = single ? single.kind === "script" || single.uploadId !== null : photographs.length > 0;
  const sending = good.some(
    (item) => (item.kind === "photograph" || item.kind === "film") && item.uploadId === null,
  );

  const make = async () => {
    setProblem(null);
    setProgress(0);
    try {
      const started = await begin(api, projectId, title, single, photographs);
      const done = await follow(api, started, setProgress);
      if (done.status === "completed") navigate(routes.episode(projectId, done.episode_id));
      else setProblem([done.error?.message, done.error?.recovery].filter(Boolean).join(" ") || done.status);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(refusal(error));
    } finally {
      setProgress(null);
    }
  };

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take([...event.dataTransfer.files]);
  };
  return (
    <div className={ui.stack}>
      <h1>{words.importTitle}</h1>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is an extra; the button below does the same */}
      <div
        className={css.drop}
        data-over={over || undefined}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <p>{words.importHint}</p>
        <ul className={css.kinds}>
          {(["photographs", "script", "film"] as const).map((kind) => (
            <li key={kind}>
              <b>{words.importKinds[kind].name}</b>
              <span className={ui.hint}>{words.importKinds[kind].becomes}</span>
            </li>
          ))}
        </ul>
        <input
          ref={chooser}
          type="file"
          multiple
          hidden
          accept="image/*,video/*,.yaml,.yml,.json"
          onChange={(event) => {
            take([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
        <Button look="primary" onClick={() => chooser.current?.click()}>
          {words.chooseFiles}
        </Button>
      </div>
      <ol className={css.files}>
        {items.map((item, index) => (
          <li key={item.id} className={css.file}>
            <span className={css.name} dir="auto">
              {item.kind === "photograph" && item.problem === null ? <Thumbnail file={item.file} /> : null}
              <span>
                {item.file.name} <span className={ui.hint}>{bytes(item.file.size, language)}</span>
              </span>
            </span>
            <span>
              {item.problem ? (
                <span className={css.problem}>
                  {words.refused}: {item.problem}
                </span>
              ) : item.uploadId ? (
                words.done
              ) : item.share !== null ? (
                <progress max={1} value={item.share} aria-label={item.file.name} />
              ) : null}
            </span>
            <span className={ui.row}>
              {item.kind === "photograph" && items.length > 1 ? (
                <>
                  <Button
                    look="quiet"
                    aria-label={`${words.moveLeft}: ${item.file.name}`}
                    disabledReason={index === 0 ? words.moveLeft : null}
                    onClick={() => move(index, index - 1)}
                  >
                    ↑
                  </Button>
                  <Button
                    look="quiet"
                    aria-label={`${words.moveRight}: ${item.file.name}`}
                    disabledReason={index === items.length - 1 ? words.moveRight : null}
                    onClick={() => move(index, index + 1)}
                  >
                    ↓
                  </Button>
                </>
              ) : null}
              <Button
                look="quiet"
                aria-label={`${words.remove}: ${item.file.name}`}
                onClick={() => setItems((now) => now.filter((i) => i.id !== item.id))}
              >
                ×
              </Button>
            </span>
          </li>
        ))}
      </ol>
      {good.length > 0 ? (
        <>
          {single?.kind === "script" ? null : (
            <TextField label={words.title} value={title} onChange={(e) => setTitle(e.currentTarget.value)} />
          )}
          <RefusalNotice text={problem} />
          {busy ? (
            <progress className={ui.progress} max={100} value={progress} aria-label={words.importTitle} />
          ) : null}
          <Button
            look="primary"
            disabledReason={busy || sending || !ready ? words.loading : null}
            onClick={() => void make()}
          >
            {single ? words.makeEpisodeOf(single.file.name) : words.makeEpisode(photographs.length)}
          </Button>
        </>
      ) : null}
    </div>
  );
}

/** A photograph as it is on this machine. */
function Thumbnail({ file }: { readonly file: File }) {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  // What the browser cannot show (HEIC, RAW) the gateway may still take.
  return url ? <img className={css.thumbnail} src={url} alt="" onError={() => setUrl(null)} /> : null;
}

async function begin(
  api: Api,
  projectId: string,
  title: string,
  single: Item | undefined,
  photographs: readonly Item[],
): Promise<Schemas["Import"]> {
  let body: Record<string, unknown>;
  if (single?.kind === "film") body = { upload_id: single.uploadId, title: title || titleOf([single]) };
  else if (single) body = { yaml: await single.file.text() };
  else body = { document: documentOf(title || titleOf(photographs), photographs) };
  const { data } = await api.POST("/api/v1/projects/{project_id}/imports", {
    params: { path: { project_id: projectId }, header: { "Idempotency-Key": idempotencyKey() } },
    body: body,
  });
  if (!data) throw new Error("an answer without a body");
  return data;
}

async function follow(
  api: Api,
  started: Schemas["Import"],
  onPercent: (percent: number) => void,
): Promise<Schemas["Import"]> {
  let found = started;
  while (found.status === "pending" || found.status === "processing") {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const { data } = await api.GET("/api/v1/imports/{import_id}", {
      params: { path: { import_id: started.id } },
    });
    if (data) found = data;
    onPercent(found.percent);
  }
  return found;
}
