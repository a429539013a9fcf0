/** About what a click would cost and how long it would take, before it: the gateway's `dry_run` of the same request. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Schemas } from "../api/client";
import { Problem } from "../api/problems";
import { useApp, useWords } from "../app/context";
import { clock, money } from "../language/format";
import { ui } from "../ui/ui";

type Estimate = Schemas["Estimate"];
export type Wanted =
  | { readonly what: "run"; readonly id: string; readonly body: Schemas["NewRun"] }
  | { readonly what: "batch"; readonly id: string; readonly body: Schemas["NewBatch"] }
  | { readonly what: "film"; readonly id: string; readonly body: Schemas["NewCompilation"] };

/** Typing asks once it has paused. */
const PAUSE_MS = 600;

/** `of` null: there is nothing to estimate now. A request that would be refused has no estimate: its click says why. */
export function About({ of }: { readonly of: Wanted | null }) {
  const words = useWords();
  const { language } = useApp();
  const estimate = useEstimate(of);
  return (
    <span className={ui.hint}>{estimate ? words.about.text(partsOf(estimate, words, language)) : null}</span>
  );
}

function useEstimate(of: Wanted | null): Estimate | null {
  const { api } = useApp();
  const wanted = useSettled(of === null ? "" : JSON.stringify(of));
  const found = useQuery({
    queryKey: ["estimate", wanted],
    queryFn: async () => {
      const { what, id, body } = JSON.parse(wanted) as Wanted;
      try {
        return await ask(what, id, { ...body, dry_run: true });
      } catch (error) {
        if (error instanceof Problem) return null;
        throw error;
      }
    },
    enabled: wanted !== "",
    staleTime: 30_000,
    retry: false,
  });
  return wanted === "" ? null : (found.data ?? null);

  async function ask(what: Wanted["what"], id: string, body: Wanted["body"]): Promise<Estimate | null> {
    switch (what) {
      case "run": {
        const params = { path: { asset_id: id } };
        return estimateOf((await api.POST("/api/v1/assets/{asset_id}/runs", { params, body })).data);
      }
      case "batch": {
        const params = { path: { episode_id: id } };
        return estimateOf((await api.POST("/api/v1/episodes/{episode_id}/batches", { params, body })).data);
      }
      case "film": {
        const params = { path: { episode_id: id } };
        return estimateOf((await api.POST("/api/v1/episodes/{episode_id}/compile", { params, body })).data);
      }
    }
  }
}

function estimateOf(data: unknown): Estimate | null {
  return typeof data === "object" && data !== null && "dry_run" in data ? (data as Estimate) : null;
}

/** `3 runs`, `$0.42`, `2:05`: what is not known is left out. */
export function partsOf(
  estimate: Estimate,
  words: { about: { runs: (n: number) => string; free: string } },
  language: string,
): readonly string[] {
  const paid = estimate.cost.filter((cost) => Number(cost.amount) > 0);
  return [
    ...(estimate.runs.length > 1 ? [words.about.runs(estimate.runs.length)] : []),
    ...(paid.length > 0
      ? paid.map((cost) => money(cost, language))
      : estimate.runs.length > 0
        ? [words.about.free]
        : []),
    ...(estimate.seconds ? [clock(estimate.seconds)] : []),
  ];
}

function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    if (value === settled) return;
    const timer = setTimeout(() => setSettled(value), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value, settled]);
  return settled;
}
