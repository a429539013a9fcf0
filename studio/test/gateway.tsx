/** A gateway in the test's own process: it answers GETs from a table, keeps what was sent, and tells what the test tells. */

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import type { Schemas } from "../src/api/client";
import { AppProvider } from "../src/app/context";
import { EpisodeProvider } from "../src/screens/episode/EpisodeContext";

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

export function asset(
  id: string,
  segmentId: string | null,
  kind: string,
  more: Record<string, unknown> = {},
) {
  return {
    id,
    segment_id: segmentId,
    kind,
    revision: 1,
    label: `${kind} of ${segmentId}`,
    committed: null,
    committed_at: null,
    preview: null,
    active_run_id: null,
    stale: null,
    draft: null,
    defaults: {},
    updated_at: null,
    ...more,
  };
}

export function segment(n: number, location: string, more: Record<string, unknown> = {}) {
  return {
    id: `s${n}`,
    segment_number: n,
    revision: 1,
    scene_info: { location, description: null, characters: [] },
    assets: { video: `v${n}`, starting_image: `i${n}`, narration: `n${n}` },
    thumbnail_url: null,
    duration: 5,
    target_duration: null,
    transition_after: null,
    user_notes: "",
    style: null,
    characters: null,
    ...more,
  };
}

export function episode(segments: readonly ReturnType<typeof segment>[], assets: readonly object[]) {
  return {
    id: "e",
    title: "Two lights",
    cursor: "1",
    order_revision: 1,
    output: { width: 640, height: 360, fps: 24, fit: "blur" },
    segments,
    assets,
  };
}

export class Gateway {
  readonly sent: Sent[] = [];
  private stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  private events = 1;

  /** `answers`: of GETs, by the end of their path. What is not there is never answered. */
  constructor(private readonly answers: Readonly<Record<string, unknown>>) {
    Object.assign(HTMLElement.prototype, { showPopover: () => {}, hidePopover: () => {} }); // happy-dom has none
    vi.stubGlobal("fetch", (request: Request | string) => this.fetch(request));
  }

  private async fetch(input: Request | string): Promise<Response> {
    const request = input instanceof Request ? input : new Request(new URL(input, "http://localhost"));
    const path = new URL(request.url).pathname.replace("/api/v1", "");
    if (path === "/auth/token") return Response.json({ access_token: "t", expires_in: 3600 });
    if (path.endsWith("/events")) {
      const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
        this.stream = controller;
      };
      const body = new ReadableStream<Uint8Array>({ start });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    }
    if (request.method !== "GET") {
      const text = await request.text();
      const body = text ? (JSON.parse(text) as Record<string, unknown>) : null;
      if (body?.dry_run !== true) this.sent.push({ method: request.method, path, body });
      return Response.json(
        body?.dry_run ? { dry_run: true, runs: [], cost: [], seconds: null } : { ...body, revision: 2 },
      );
    }
    for (const [end, answer] of Object.entries(this.answers)) {
      if (path.endsWith(end)) return Response.json(answer);
    }
    return new Promise<Response>(() => {});
  }

  /** An event of the project's stream, once the page follows it. */
  async tell(name: string, data: Record<string, unknown>): Promise<void> {
    await vi.waitFor(() => {
      if (this.stream === null) throw new Error("nobody follows the stream");
    });
    const frame = `id: ${++this.events}\nevent: ${name}\ndata: ${JSON.stringify({ episode_id: "e", ...data })}\n\n`;
    await act(async () => {
      this.stream?.enqueue(new TextEncoder().encode(frame));
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
  }
}

/** Shows a part of the episode's page to somebody of that role. */
export function showInEpisode(role: Schemas["Project"]["my_role"], children: ReactNode) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={queries}>
      <AppProvider>
        <EpisodeProvider projectId="p" episodeId="e" role={role} loading={null}>
          {children}
        </EpisodeProvider>
      </AppProvider>
    </QueryClientProvider>,
  );
}
