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
  const { api, announce, refusal } = useApp();
  const queries = useQueryClient();
  const [problem, setProblem] = useState<string | null>(null);
  const path = { project_id: projectId };
  const settings = useQuery({
    queryKey: ["settings", projectId],
    queryFn: async () =>
      (await api.GET("/api/v1/projects/{project_id}/settings", { params: { path } })).data ?? null,
  });
  const revision = settings.data?.revision;
  const [conflict, setConflict] = useState<SettingsConflict | null>(null);

  /** True if they are kept. Where somebody was faster, theirs is shown and what was typed here stays in the fields. */
  const save = useCallback(
    async (changes: Schemas["SettingsChanges"]) => {
      setProblem(null);
      setConflict(null);
      try {
        await api.PATCH("/api/v1/projects/{project_id}/settings", {
          params: { path: { project_id: projectId }, header: { "If-Match": `"${revision ?? 0}"` } },
          body: changes,
        });
        announce(words.saved);
        return true;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        setProblem(error.status === 412 ? words.settingsElsewhere : refusal(error));
        if (error.status === 412) {
          const { data: now } = await api.GET("/api/v1/projects/{project_id}/settings", {
            params: { path: { project_id: projectId } },
          });
          if (now) setConflict({ changes, fields: differing(changes, now) });
        }
        return false;
      } finally {
        await queries.invalidateQueries({ queryKey: ["settings", projectId] });
      }
    },
    [api, announce, refusal, projectId, queries, revision, words],
  );
  return { settings, save, problem, conflict, endConflict: () => setConflict(null) };
}

export interface SettingsConflict {
  readonly changes: Schemas["SettingsChanges"];
  readonly fields: readonly { readonly name: string; readonly mine: string; readonly theirs: string }[];
}

/** What was to be kept and is something else at the gateway, by the names of the API. */
function differing(
  changes: Schemas["SettingsChanges"],
  now: Schemas["Settings"],
): SettingsConflict["fields"] {
  const theirs = now as Readonly<Record<string, unknown>>;
  return Object.entries(changes).flatMap(([name, mine]) => {
    const texts = { name, mine: plain(mine), theirs: plain(theirs[name]) };
    return texts.mine === texts.theirs ? [] : [texts];
  });
}

/** A setting in one line; of an object its values, in the order of their names. */
function plain(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).filter(([, part]) => typeof part !== "object");
  return entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, part]) => `${name} ${String(part)}`)
    .join(", ");
}
