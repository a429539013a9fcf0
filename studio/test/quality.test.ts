import { describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { en } from "../src/language/words";
import { eventText, qualityLanes } from "../src/screens/QualityEvents";

const EVENTS: readonly Schemas["QualityEvent"][] = [
  { kind: "black", start: 0, end: 0.5, value: null },
  { kind: "flash", start: 2, end: 3.25, value: 5 },
  { kind: "cut", start: 4, end: 4, value: 41 },
];

describe("what was measured of parts of a video", () => {
  it("has a lane for each kind, the harmful first", () => {
    const lanes = qualityLanes(EVENTS, en).filter((lane) => lane.spans.length > 0);
    expect(lanes.map((lane) => [lane.name, lane.tone, lane.spans[0]?.from, lane.spans[0]?.to])).toEqual([
      ["Flashing", "bad", 2, 3.25],
      ["Black", "warn", 0, 0.5],
      ["Cut", "muted", 4, 4],
    ]);
  });

  it("is said in words with its time", () => {
    expect(EVENTS.map((event) => eventText(event, en))).toEqual([
      "Black 0.0–0.5 s",
      "Flashing 2.0–3.3 s",
      "Cut 4.0 s",
    ]);
  });
});
