/** What waits for a decision in all projects of the signed-in person, and how much of it there is. */

import { useQuery } from "@tanstack/react-query";
import type { Api, Schemas } from "../api/client";
import { useApp } from "./context";

const REFRESH_MS = 5000;
const PAGE = 200;

/** The waiting runs, the soonest deadline first. */
export function useInbox() {
  const { api, signIn } = useApp();
  return useQuery({
    queryKey: ["inbox"],
    queryFn: () => waiting(api),
    refetchInterval: REFRESH_MS,
    enabled: signIn === "signed-in",
  });
}

/** How many runs wait; 0 as long as that is not known. */
export function useWaitingCount(): number {
  const { api, signIn } = useApp();
  const me = useQuery({
    queryKey: ["waiting-count"],
    queryFn: async () => (await api.GET("/api/v1/me")).data ?? null,
    refetchInterval: REFRESH_MS,
    enabled: signIn === "signed-in",
  });
  return me.data?.waiting_reviews ?? 0;
}

/** Raises Problem. */
export async function waiting(api: Api): Promise<Schemas["Run"][]> {
  const runs: Schemas["Run"][] = [];
  let cursor: string | null | undefined;
  do {
    const query = { status: "preview_ready", limit: PAGE, ...(cursor ? { cursor } : {}) };
    const { data }: { data?: Schemas["RunList"] } = await api.GET("/api/v1/runs", { params: { query } });
    runs.push(...(data?.data ?? []));
    cursor = data?.next_cursor;
  } while (cursor);
  const never = "9999";
  return runs.sort((a, b) => ((a.deadline ?? never) < (b.deadline ?? never) ? -1 : 1));
}
