/** A project's settings: read, and changed by parts with the revision that was read. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import type { Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";

export type Role = Schemas["Project"]["my_role"];

export interface TabProps {
  readonly projectId: string;
  readonly role: Role;
}

export function useSettings(projectId: string) {
  const words = useWords();
  const { api, announce } = useApp();
  const queries = useQueryClient();
  const [problem, setProblem] = useState<string | null>(null);
  const path = { project_id: projectId };
  const settings = useQuery({
    queryKey: ["settings", projectId],
    queryFn: async () =>
      (await api.GET("/api/v1/projects/{project_id}/settings", { params: { path } })).data ?? null,
  });
  const revision = settings.data?.revision;

  /** True if they are kept. Where somebody was faster, theirs is shown and what was typed here stays in the fields. */
  const save = useCallback(
    async (changes: Schemas["SettingsChanges"]) => {
      setProblem(null);
      try {
        await api.PATCH("/api/v1/projects/{project_id}/settings", {
          params: { path: { project_id: projectId }, header: { "If-Match": `"${revision ?? 0}"` } },
          body: changes,
        });
        announce(words.saved);
        return true;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        const fields = error.errors.map((e) => `${e.pointer}: ${e.detail}`).join("; ");
        setProblem(
          error.status === 412 ? words.settingsElsewhere : [error.message, fields].filter(Boolean).join(" "),
        );
        return false;
      } finally {
        await queries.invalidateQueries({ queryKey: ["settings", projectId] });
      }
    },
    [api, announce, projectId, queries, revision, words],
  );
  return { settings, save, problem };
}
