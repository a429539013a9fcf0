/** A project's settings: read, and changed by parts with the revision that was read. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import type { Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { type Difference, reconcile } from "./reconcile";

export type Role = Schemas["Project"]["my_role"];

export interface TabProps {
  readonly projectId: string;
  readonly role: Role;
}

export interface SettingsConflict {
  readonly changes: Schemas["SettingsChanges"];
  readonly differences: readonly Difference[];
}

export function useSettings(projectId: string) {
  const words = useWords();
  const { api, announce, refusal } = useApp();
  const queries = useQueryClient();
  const [problem, setProblem] = useState<string | null>(null);
  const [conflict, setConflict] = useState<SettingsConflict | null>(null);
  /** Counts how often the fields are to show what the gateway has, and not what was typed. */
  const [shown, setShown] = useState(0);
  const settings = useQuery({
    queryKey: ["settings", projectId],
    queryFn: async () =>
      (
        await api.GET("/api/v1/projects/{project_id}/settings", {
          params: { path: { project_id: projectId } },
        })
      ).data ?? null,
  });
  const read = settings.data;

  /**
   * True if they are kept. Where somebody was faster, what only they changed stays theirs; what both changed is asked
   * for by `conflict`, and what was typed here stays in the fields.
   */
  const save = useCallback(
    async (changes: Schemas["SettingsChanges"]) => {
      const params = { path: { project_id: projectId } };
      const send = (body: Schemas["SettingsChanges"], revision: number) =>
        api.PATCH("/api/v1/projects/{project_id}/settings", {
          params: { ...params, header: { "If-Match": `"${revision}"` } },
          body,
        });
      /** False: asked for. */
      const merge = async () => {
        const { data: now } = await api.GET("/api/v1/projects/{project_id}/settings", { params });
        if (!now || !read) return false;
        const { changes: mine, differences } = reconcile(changes, read, now);
        if (differences.length > 0) {
          setConflict({ changes: mine, differences });
          return false;
        }
        await send(mine, now.revision);
        setShown((n) => n + 1);
        return true;
      };
      setProblem(null);
      setConflict(null);
      try {
        try {
          await send(changes, read?.revision ?? 0);
        } catch (error) {
          if (!(error instanceof Problem && error.status === 412)) throw error;
          if (!(await merge())) return false;
        }
        announce(words.saved);
        return true;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        setProblem(error.status === 412 ? words.settingsElsewhere : refusal(error));
        return false;
      } finally {
        await queries.invalidateQueries({ queryKey: ["settings", projectId] });
      }
    },
    [api, announce, refusal, projectId, queries, read, words],
  );
  /** Mine over theirs, or theirs. */
  const resolve = useCallback(
    async (whose: "mine" | "theirs") => {
      const asked = conflict;
      setConflict(null);
      if (asked === null || (whose === "mine" && !(await save(asked.changes)))) return false;
      setShown((n) => n + 1);
      return true;
    },
    [conflict, save],
  );
  return { settings, save, problem, conflict, resolve, shown };
}
