/** The editor equals `client/editing.py`: sequences that the Python suite wrote end in the same states. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as editing from "../src/editing/editor";

// The Python suite names a larger file of fresh sequences; the committed one is for `npm test` alone.
const FILE = process.env.RETAKE_EDITING_VECTORS ?? join(import.meta.dirname, "editing.vectors.json");

interface Vector {
  readonly first: editing.Editor;
  readonly steps: readonly (Call & { readonly state: editing.Editor; readonly effects: editing.Effect[] })[];
}

type Call =
  | { readonly call: "edit" | "saved"; readonly values: editing.Values }
  | { readonly call: "leave" | "reset" | "start" | "notStarted" | "openReview" | "notDecided" }
  | { readonly call: "started"; readonly run: string; readonly at: string }
  | { readonly call: "accept" | "reject"; readonly version: string | null }
  | {
      readonly call: "refreshed";
      readonly committed: editing.Committed;
      readonly draft: editing.Values;
    }
  | { readonly call: "caughtUp"; readonly fresh: editing.Editor }
  | { readonly call: "apply"; readonly event: editing.RunEvent };

function perform(editor: editing.Editor, call: Call): editing.Step {
  switch (call.call) {
    case "edit":
      return [editing.edit(editor, call.values), []];
    case "saved":
      return [editing.saved(editor, call.values), []];
    case "leave":
      return [editing.leave(editor), []];
    case "reset":
      return [editing.reset(editor), []];
    case "start":
      return editing.start(editor);
    case "started":
      return [editing.started(editor, call.run, call.at), []];
    case "notStarted":
      return editing.notStarted(editor, "It is busy.");
    case "openReview":
      return [editing.openReview(editor), []];
    case "accept":
      return editing.accept(editor, call.version);
    case "reject":
      return editing.reject(editor, call.version);
    case "notDecided":
      return editing.notDecided(editor, "It is too late.");
    case "refreshed":
      return [editing.refreshed(editor, call.committed, call.draft), []];
    case "caughtUp":
      return [editing.caughtUp(editor, call.fresh), []];
    case "apply":
      return editing.apply(editor, call.event);
  }
}

const vectors = JSON.parse(readFileSync(FILE, "utf8")) as Vector[];

test(`${vectors.length} sequences end as in Python`, () => {
  expect(vectors.length).toBeGreaterThan(0);
  for (const [n, { first, steps }] of vectors.entries()) {
    let editor = first;
    for (const [m, step] of steps.entries()) {
      const [next, effects] = perform(editor, step);
      const where = `sequence ${n}, step ${m}: ${step.call}`;
      expect(next, where).toEqual(step.state);
      expect(effects, where).toEqual(step.effects);
      editor = next;
    }
  }
});

test("times are compared to the microsecond, with and without a fraction", () => {
  expect(editing.compareTimes("2026-01-01T00:00:01Z", "2026-01-01T00:00:01.000001Z")).toBeLessThan(0);
  expect(editing.compareTimes("2026-01-01T00:00:01.1Z", "2026-01-01T00:00:01.100000Z")).toBe(0);
});
