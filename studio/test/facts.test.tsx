import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { Schemas } from "../src/api/client";
import { AppProvider } from "../src/app/context";
import { VersionFacts } from "../src/screens/preview/VersionFacts";
import { Gateway } from "./gateway";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const VERSION = {
  id: "x2",
  kind: "video",
  number: 2,
  directions: "Push in 更强调角色的眼镜特征",
  model: "animatic/camera",
  duration: 4.8,
  resolution: "1920x1080",
  aspect_ratio: "16:9",
  seed: 67890,
  cost: { actual: { amount: "0.12", currency: "USD" }, estimated: null },
  settings: {
    duration: { value: 5, source: "segment" },
    seed: { value: null, source: "built_in" },
    style: { value: "写实电影感", source: "project" },
  },
  differences: [{ field: "duration", asked: 5, made: 4.8 }],
  quality_metrics: { overall_score: 0.85, visual_quality: 0.9, temporal_consistency: null, formula: "v3" },
  unmeasured: { temporal_consistency: "no neighbour has a video", aesthetics: "not asked for" },
} as unknown as Schemas["Version"];
const BEFORE = { ...VERSION, number: 1, quality_metrics: { overall_score: 0.71 } } as Schemas["Version"];

function shown() {
  new Gateway({});
  render(
    <AppProvider>
      <VersionFacts version={VERSION} committed={BEFORE} segment={undefined} language="en" />
    </AppProvider>,
  );
  const pairs = screen.getAllByRole("term").map((term) => {
    const value = term.nextElementSibling?.textContent ?? "";
    return [term.textContent ?? "", value.replace(/\s+/g, " ").trim()] as const;
  });
  return { pairs, of: (name: string) => pairs.filter(([n]) => n === name).map(([, value]) => value) };
}

test("each setting shows its value and where it came from; what was made otherwise is said", () => {
  const { of } = shown();
  expect(of("Duration")).toEqual(["4.80 s", "asked 5 s, is 4.8 s", expect.stringContaining("5 from")]);
  expect(of("Seed").at(-1)).toMatch(/^– from/);
  const settings = within(screen.getByRole("group"));
  expect(settings.getByText("写实电影感", { exact: false }).textContent).toContain("from the project");
});

test("each measure has its value, with the one before it, or the reason why it has none; no cell is empty", () => {
  const { pairs, of } = shown();
  expect(of("Overall")).toEqual(["0.85 (v1: 0.71)"]);
  const values = pairs.map(([, value]) => value);
  expect(values).not.toContain("");
  expect(values).toContain("no neighbour has a video");
  expect(values).toContain("not asked for");
  expect(values).not.toContain("v3"); // how the scores were computed is nothing to decide by
});
