/** A person's own file as a version: uploaded with progress, then previewed like any other. */

import { useState } from "react";
import { idempotencyKey } from "../../api/client";
import { Problem } from "../../api/problems";
import { upload } from "../../api/uploads";
import { useApp, useWords } from "../../app/context";
import type { Kind } from "../../live/board";
import { RefusalNotice, ui } from "../../ui/ui";
import { useEpisode } from "./EpisodeContext";

const TAKES: Readonly<Record<Kind, string>> = {
  video: "video/*",
  starting_image: "image/*",
  image: "image/*",
  narration: "audio/*",
  music: "audio/*",
};

export function UploadVersion({ assetId, kind }: { readonly assetId: string; readonly kind: Kind }) {
  const words = useWords();
  const { api, tokens, refusal } = useApp();
  const { projectId, feed } = useEpisode();
  const [share, setShare] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const send = async (file: File) => {
    setProblem(null);
    try {
      const uploaded = await upload(tokens, projectId, file, setShare);
      await api.POST("/api/v1/assets/{asset_id}/versions", {
        params: { path: { asset_id: assetId }, header: { "Idempotency-Key": idempotencyKey() } },
        body: { upload_id: uploaded.id },
      });
      feed.refresh({ what: "asset", id: assetId });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(`${file.name}: ${refusal(error)}`);
    } finally {
      setShare(null);
    }
  };
  return (
    <div className={ui.stack}>
      <label className={ui.field}>
        <span className={ui.label}>{words.upload}</span>
        <input
          type="file"
          accept={TAKES[kind]}
          disabled={share !== null}
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = "";
            if (file) void send(file);
          }}
        />
      </label>
      {share !== null ? (
        <progress className={ui.progress} max={1} value={share} aria-label={words.upload} />
      ) : null}
      <RefusalNotice text={problem} />
    </div>
  );
}
