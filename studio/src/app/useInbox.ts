/** What waits for a decision in all projects of the signed-in person. */

import { useQuery } from "@tanstack/react-query";
import type { Api, Schemas } from "../api/client";
import { useApp } from "./context";

export const INBOX_KEY = ["inbox"] as const;
const REFRESH_MS = 5000;

export interface Waiting {
  readonly run: Schemas["Run"];
  readonly project: Schemas["Project"];
}

export function useInbox() {
  const { api, signIn } = useApp();
  return useQuery({
    queryKey: INBOX_KEY,
    queryFn: () => waiting(api),
    refetchInterval: REFRESH_MS,
    enabled: signIn === "signed-in",
  });
}

async function waiting(api: Api): Promise<Waiting[]> {
  const projects = (await api.GET("/api/v1/projects")).data?.data ?? [];
  const found = await Promise.all(
    projects.map(async (project) => {
      const { data } = await api.GET("/api/v1/projects/{project_id}/runs", {
        params: { path: { project_id: project.id }, query: { status: "preview_ready" } },
      });
      return (data?.data ?? []).map((run) => ({ run, project }));
    }),
  );
  const never = "9999";
  return found.flat().sort((a, b) => ((a.run.deadline ?? never) < (b.run.deadline ?? never) ? -1 : 1));
}
