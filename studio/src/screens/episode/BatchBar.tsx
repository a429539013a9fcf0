/** Generating many segments: starts a batch, shows the one that runs, pauses, resumes and cancels it. */

import { useState } from "react";
import { idempotencyKey } from "../../api/client";
import { useApp, useWords } from "../../app/context";
import type { Board, Work } from "../../live/board";
import { Button, ui } from "../../ui/ui";
import { About } from "../About";
import { atLeast } from "../roles";
import { useEpisode, useEpisodeKey } from "./EpisodeContext";
import css from "./episode.module.css";

const ACTIVE = new Set(["running", "waiting_review", "paused"]);

export function BatchBar() {
  const words = useWords();
  const { api, refused } = useApp();
  const { episodeId, feed, role } = useEpisode();
  const works = useEpisodeKey<Board>("works");
  const [mode, setMode] = useState<"sequential" | "parallel">("sequential");
  const batches: readonly Work[] = [...(works?.batches.values() ?? [])];
  const batch = batches.filter((b) => ACTIVE.has(b.status)).at(-1);
  const ended = batch === undefined ? batches.at(-1) : undefined;
  const mayEdit = atLeast(role, "editor");

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
      <div className={css.idle}>
        {ended ? <span className={ui.hint}>{ended.message}</span> : null}
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
      </div>
    );
  }
  const act = (action: "pause" | "resume" | "cancel") =>
    void send(() =>
      api.POST(`/api/v1/batches/{batch_id}/${action}`, {
        params: { path: { batch_id: batch.id }, header: header() },
      }),
    );
  return (
    <section className={`${css.bar} ${css.batch}`} aria-label={words.batch}>
      <span>
        {words.batchText(batch.completed, batch.total, batch.approved, batch.failed)}
        {batch.message ? `: ${batch.message}` : ""}
      </span>
      <progress className={ui.progress} max={Math.max(1, batch.total)} value={batch.approved} />
      {mayEdit ? (
        <span className={ui.row}>
          {batch.status === "paused" ? (
            <Button onClick={() => act("resume")}>{words.resumeBatch}</Button>
          ) : (
            <Button onClick={() => act("pause")}>{words.pauseBatch}</Button>
          )}
          <Button look="bad" onClick={() => act("cancel")}>
            {words.cancelBatch}
          </Button>
        </span>
      ) : null}
    </section>
  );
}
