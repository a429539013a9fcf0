import { describe, expect, it } from "vitest";
import type { Api, Schemas } from "../src/api/client";
import { waiting } from "../src/app/useInbox";

function run(id: string, deadline: string | null): Schemas["Run"] {
  return { id, deadline } as Schemas["Run"];
}

function apiOf(pages: readonly Schemas["Run"][][]) {
  const asked: unknown[] = [];
  const GET = async (path: string, { params }: { params: { query: Record<string, unknown> } }) => {
    asked.push([path, params.query]);
    const page = Number(params.query.cursor ?? 0);
    const next = page + 1 < pages.length ? String(page + 1) : null;
    return { data: { data: pages[page] ?? [], next_cursor: next } };
  };
  return { api: { GET } as unknown as Api, asked };
}

describe("the inbox", () => {
  it("asks once, for the runs of all projects", async () => {
    const { api, asked } = apiOf([[]]);
    expect(await waiting(api)).toEqual([]);
    expect(asked).toEqual([["/api/v1/runs", { status: "preview_ready", limit: 200 }]]);
  });

  it("has the soonest deadline first, and those without one last", async () => {
    const { api } = apiOf([
      [run("never", null), run("late", "2026-12-02T00:00:00Z")],
      [run("soon", "2026-12-01T00:00:00Z")],
    ]);
    expect((await waiting(api)).map((r) => r.id)).toEqual(["soon", "late", "never"]);
  });
});
