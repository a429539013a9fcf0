/** Generating many segments: starts a batch, shows the one that runs, pauses, resumes and cancels it. */

import { type FocusEvent, useLayoutEffect, useRef, useState } from "react";
import { idempotencyKey, type Schemas } from "../../api/client";
import { useApp, useWords } from "../../app/context";
import { said } from "../../language/messages";
import type { Board, Cell, Kind, Work } from "../../live/board";
import { Button, ui } from "../../ui/ui";
import { About } from "../About";
import { atLeast } from "../roles";
import { useEpisode, useEpisodeKey } from "./EpisodeContext";
import css from "./episode.module.css";

const ACTIVE = new Set(["running", "waiting_review", "paused"]);

interface BatchBarProps {
  /** Opens a segment at what failed there. */
  readonly onOpen: (segmentId: string, kind: Kind) => void;
}

export function BatchBar({ onOpen }: BatchBarProps) {
  const words = useWords();
  const { api, language, refused } = useApp();
  const { episodeId, feed, role } = useEpisode();
  const works = useEpisodeKey<Board>("works");
  const [mode, setMode] = useState<"sequential" | "parallel">("sequential");
  const batches: readonly Work[] = [...(works?.batches.values() ?? [])];
  const batch = batches.filter((b) => ACTIVE.has(b.status)).at(-1);
  const ended = batch === undefined ? batches.at(-1) : undefined;
  const mayEdit = atLeast(role, "editor");
  const { root, onFocus, onBlur } = useKeptFocus(batch?.status);

  const send = async (call: () => Promise<unknown>) => {
    try {
      await call();
      feed.refresh({ what: "episode" });
    } catch (error) {
      refused(error);
    }
  };
  const header = () => ({ "Idempotency-Key": idempotencyKey() });
  if (batch === undefined) {
    return (
      <section
        className={css.idle}
        aria-label={words.batch}
        ref={root}
        tabIndex={-1}
        onFocus={onFocus}
        onBlur={onBlur}
      >
        {ended ? <span className={ui.hint}>{said(ended, language)}</span> : null}
        {ended && ended.failed > 0 ? <Failed onOpen={onOpen} /> : null}
        <select
          aria-label={words.batch}
          value={mode}
          onChange={(e) => setMode(e.currentTarget.value === "parallel" ? "parallel" : "sequential")}
        >
          <option value="sequential">{words.sequential}</option>
          <option value="parallel">{words.parallel}</option>
        </select>
        <Button
          disabledReason={mayEdit ? null : words.mayNotGenerate}
          onClick={() =>
            void send(() =>
              api.POST("/api/v1/episodes/{episode_id}/batches", {
                params: { path: { episode_id: episodeId }, header: header() },
                body: { mode },
              }),
            )
          }
        >
          {words.generateMissing}
        </Button>
        <About of={{ what: "batch", id: episodeId, body: { mode } }} />
      </section>
    );
  }
  const params = () => ({ path: { batch_id: batch.id }, header: header() });
  const act = (action: "pause" | "resume" | "cancel") =>
    void send(() => api.POST(`/api/v1/batches/{batch_id}/${action}`, { params: params() }));
  const skip = () =>
    void send(() =>
      api.POST("/api/v1/batches/{batch_id}/resume", { params: params(), body: { skip_held: true } }),
    );
  return (
    <section
      className={`${css.bar} ${css.batch}`}
      aria-label={words.batch}
      ref={root}
      tabIndex={-1}
      onFocus={onFocus}
      onBlur={onBlur}
    >
      <span>
        {words.batchText(batch.completed, batch.total, batch.approved, batch.failed)}
        {batch.message ? `: ${said(batch, language)}` : ""}
      </span>
      <progress
        className={ui.progress}
        max={Math.max(1, batch.total)}
        value={batch.approved}
        aria-label={words.batch}
      />
      {mayEdit ? (
        <span className={ui.row}>
          {batch.status === "paused" ? (
            <Button onClick={() => act("resume")}>{words.resumeBatch}</Button>
          ) : (
            <Button onClick={() => act("pause")}>{words.pauseBatch}</Button>
          )}
          {batch.status === "waiting_review" ? (
            <Button title={words.skipHint} onClick={skip}>
              {words.skipWaiting}
            </Button>
          ) : null}
          <Button look="bad" onClick={() => act("cancel")}>
            {words.cancelBatch}
          </Button>
        </span>
      ) : null}
      {batch.failed > 0 ? <Failed onOpen={onOpen} /> : null}
    </section>
  );
}

/** Where the button that had the focus gives way to others, the bar has it: it is never lost. */
function useKeptFocus(shown: string | undefined) {
  const element = useRef<HTMLElement>(null);
  const inside = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another state shows other buttons
  useLayoutEffect(() => {
    if (inside.current && document.activeElement === document.body) element.current?.focus();
  }, [shown]);
  return {
    root: (now: HTMLElement | null) => {
      element.current = now;
    },
    onFocus: () => {
      inside.current = true;
    },
    // A button that is taken away loses the focus to nothing.
    onBlur: (event: FocusEvent) => {
      if (event.relatedTarget !== null) inside.current = false;
    },
  };
}

/** Each segment that failed, by number, place and reason: it leads to where it is made again. */
function Failed({ onOpen }: BatchBarProps) {
  const words = useWords();
  const { language } = useApp();
  const { feed } = useEpisode();
  const order = useEpisodeKey<readonly string[]>("order") ?? [];
  useEpisodeKey<Board>("works"); // a batch tells of each that fails
  const failed = order.flatMap((id, index) => {
    const segment = feed.store.get<Schemas["Segment"]>(`segment:${id}`);
    if (!segment) return [];
    const { starting_image, video, narration } = segment.assets;
    return [starting_image, video, narration].flatMap((assetId) => {
      const cell = feed.store.get<Cell>(`cell:${assetId}`);
      const place = segment.scene_info.location ?? "";
      return cell?.look === "failed" ? [{ id, cell, name: `${index + 1} ${place}`.trim() }] : [];
    });
  });
  return (
    <ul className={css.failed} aria-label={words.failedSegments}>
      {failed.map(({ id, cell, name }) => (
        <li key={cell.assetId}>
          <Button look="bad" title={cell.recovery} onClick={() => onOpen(id, cell.kind)}>
            <span dir="auto">
              ! {name}: {said(cell, language)}
            </span>
          </Button>
        </li>
      ))}
    </ul>
  );
}
