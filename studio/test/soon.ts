import { vi } from "vitest";

/** Waits until `look` no longer throws; a busy machine may take its time. */
export const soon = (look: () => void) => vi.waitFor(look, 20_000);
