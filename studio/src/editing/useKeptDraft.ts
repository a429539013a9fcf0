/** What is being typed, kept in this tab against a crash or a reload. Leaving the editor in order forgets it. */

import { useEffect, useRef } from "react";
import type { Values } from "./editor";
import { sameValues } from "./editor";
import type { AssetGenerationFlow } from "./useAssetGenerationFlow";

const AFTER_MS = 500;

interface Kept {
  readonly draft: Values;
  readonly baseline: Values;
}

/** `onRestored`: a draft that was lost is in the editor again. */
export function useKeptDraft(
  assetId: string,
  flow: AssetGenerationFlow | null,
  onRestored: () => void,
): void {
  const key = `retake-draft:${assetId}`;
  const looked = useRef(false);
  const ready = flow !== null;
  const current = useRef({ flow, onRestored });
  current.current = { flow, onRestored };

  useEffect(() => {
    const { flow: now, onRestored: restored } = current.current;
    if (!ready || now === null || looked.current) return;
    looked.current = true;
    const kept = read(key);
    // Over other texts than those it was typed over, it would undo somebody's work.
    if (kept === null || !sameValues(kept.baseline, now.state.baseline) || sameValues(kept.draft, now.draft))
      return;
    now.edit(kept.draft);
    restored();
  }, [key, ready]);

  const { draft, baseline } = flow?.state ?? {};
  useEffect(() => {
    if (draft === undefined || baseline === undefined || !looked.current) return;
    if (sameValues(draft, baseline)) {
      sessionStorage.removeItem(key);
      return;
    }
    const timer = setTimeout(
      () => sessionStorage.setItem(key, JSON.stringify({ draft, baseline })),
      AFTER_MS,
    );
    return () => clearTimeout(timer);
  }, [key, draft, baseline]);
  useEffect(() => () => sessionStorage.removeItem(key), [key]);
}

function read(key: string): Kept | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(key) ?? "null");
    return typeof kept === "object" && kept !== null && "draft" in kept && "baseline" in kept
      ? (kept as Kept)
      : null;
  } catch {
    return null;
  }
}
