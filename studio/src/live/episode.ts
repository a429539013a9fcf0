/**
 * One open episode: its entities in a keyed store, filled by GETs and moved by the project's stream.
 *
 * Keys: `episode`, `order` (segment ids), `segment:<id>`, `asset:<id>`, `cell:<asset id>`, `run:<id>`, `film:<id>`,
 * `batch:<id>`, `works`, `connection`, `problem`. A GET of the episode comes first; the stream continues at its cursor.
 */

import type { Api, Schemas } from "../api/client";
import { Problem } from "../api/problems";
import type { RunEvent } from "../editing/editor";
import {
  type Board,
  cellOf,
  emptyBoard,
  fromEpisode,
  type Reduced,
  type Refetch,
  reduce,
  type StreamEvent,
} from "./board";
import { Keyed } from "./keyed";
import { followShared } from "./leader";
import { Refetcher } from "./refetch";
import type { Connection, FollowOptions, Frame } from "./sse";

export type EpisodeMeta = Omit<Schemas["Episode"], "segments" | "assets">;

/** More events than this in one chunk are applied in the next animation frame, so that the page stays responsive. */
const MANY = 20;

export interface EpisodeListener {
  /** A run's event, after the store has applied it. */
  onRunEvent(event: RunEvent): void;
  /** A GET showed this asset. */
  onAsset(asset: Schemas["Asset"]): void;
}

export interface EpisodeOptions {
  readonly api: Api;
  readonly open: FollowOptions["open"];
  readonly projectId: string;
  readonly episodeId: string;
  /** A guest sees no other episode of the project, nor its stream. */
  readonly guest?: boolean;
}

export class EpisodeFeed {
  readonly store = new Keyed();
  private readonly stop = new AbortController();
  private readonly listeners = new Set<EpisodeListener>();
  private readonly refetcher = new Refetcher((refetch) => this.refetch(refetch));
  private board: Board;
  private waiting: StreamEvent[] = [];
  private frame: number | null = null;
  /** Of the order that is shown: what a GET that was sent earlier brings is older, and is dropped. */
  private orderRevision = 0;
  /** Orders of one's own that the gateway has not answered yet. They are sent one after another. */
  private ordering = 0;
  private lastOrder: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: EpisodeOptions) {
    this.board = emptyBoard(options.episodeId);
  }

  /** Loads the episode and follows it until `close`. */
  start(): void {
    void this.run();
  }

  close(): void {
    this.stop.abort();
    this.refetcher.close();
    if (this.frame !== null) cancelAnimationFrame(this.frame);
  }

  listen(listener: EpisodeListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** GETs these soon; for one's own writes, whose answers are not events. */
  refresh(...refetches: readonly Refetch[]): void {
    this.refetcher.add(refetches);
  }

  /**
   * Puts a segment behind another (null: first), shown at once, and as the gateway has it after that. Where somebody
   * else changed the order meanwhile, the segment is moved within theirs; returns whether that was so. Raises Problem.
   */
  async place(segmentId: string, after: string | null): Promise<{ readonly merged: boolean }> {
    const before = this.store.get<readonly string[]>("order") ?? [];
    const wanted = placed(before, segmentId, after);
    this.ordering++;
    this.store.set([["order", wanted]]);
    const sent = this.lastOrder.then(() => this.putOrder(wanted, segmentId, after));
    this.lastOrder = sent.catch(() => {});
    try {
      return { merged: await sent };
    } catch (error) {
      if (this.ordering === 1) this.store.set([["order", before]]);
      throw error;
    } finally {
      this.ordering--;
      this.refresh({ what: "episode" });
    }
  }

  private async putOrder(
    wanted: readonly string[],
    segmentId: string,
    after: string | null,
  ): Promise<boolean> {
    const { api, episodeId } = this.options;
    const params = { path: { episode_id: episodeId } };
    const put = async (segment_ids: readonly string[], revision: number) => {
      const { data } = await api.PUT("/api/v1/episodes/{episode_id}/order", {
        params: { ...params, header: { "If-Match": `"${revision}"` } },
        body: { segment_ids: [...segment_ids] },
        keepalive: true, // leaving the page does not lose it
      });
      if (data) this.showOrder(data, true);
    };
    try {
      await put(wanted, this.orderRevision);
      return false;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) throw error;
      const { data: theirs } = await api.GET("/api/v1/episodes/{episode_id}/order", { params });
      if (!theirs?.segment_ids.includes(segmentId)) throw error;
      await put(placed(theirs.segment_ids, segmentId, after), theirs.revision);
      return true;
    }
  }

  private showOrder({ segment_ids, revision }: Schemas["Order"], own = false): void {
    if (revision < this.orderRevision || (this.ordering > 0 && !own)) return;
    this.orderRevision = revision;
    if (own && this.ordering > 1) return; // the next one is shown already
    const known = this.store.get<readonly string[]>("order") ?? [];
    const same = known.length === segment_ids.length && known.every((id, n) => id === segment_ids[n]);
    if (!same) this.store.set([["order", segment_ids]]);
  }

  private async run(): Promise<void> {
    const cursor = await this.load();
    if (cursor === null || this.stop.signal.aborted) return;
    const { projectId, episodeId, guest } = this.options;
    await followShared({
      name: guest ? `guest:${episodeId}` : projectId,
      url: guest ? `/api/v1/episodes/${episodeId}/events` : `/api/v1/projects/${projectId}/events`,
      from: cursor,
      open: this.options.open,
      onFrames: (frames) => this.take(frames),
      onState: (connection: Connection) => this.store.set([["connection", connection]]),
      signal: this.stop.signal,
    });
  }

  private async load(): Promise<string | null> {
    for (let wait = 1000; !this.stop.signal.aborted; wait = Math.min(wait * 2, 15_000)) {
      try {
        return await this.episode();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        this.store.set([["problem", error]]);
        if (!error.isTransient) return null;
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? wait));
      }
    }
    return null;
  }

  private take(frames: readonly Frame[]): void {
    for (const { event, data } of frames) {
      const parsed = parse(data);
      if (parsed !== null) this.waiting.push({ name: event, data: parsed });
    }
    if (this.waiting.length <= MANY) this.applyWaiting();
    else this.frame ??= requestAnimationFrame(() => this.applyWaiting());
  }

  private applyWaiting(): void {
    this.frame = null;
    const events = this.waiting;
    this.waiting = [];
    const reduced = reduce(this.board, events);
    this.commit(reduced);
    if (reduced.dropped) this.refetcher.add([{ what: "episode" }]);
    for (const { name, data } of events) {
      if (typeof data.asset_id !== "string") continue;
      for (const listener of this.listeners) listener.onRunEvent({ ...data, name, asset_id: data.asset_id });
    }
  }

  private commit(reduced: Reduced, more: Iterable<readonly [string, unknown]> = []): void {
    this.board = reduced.board;
    const entries: (readonly [string, unknown])[] = [...more];
    for (const key of reduced.changed) {
      const [what = "", id = ""] = key.split(":");
      switch (what) {
        case "cell":
          entries.push([key, this.board.cells.get(id)]);
          break;
        case "batch":
          entries.push([key, this.board.batches.get(id)]);
          break;
        case "works":
          entries.push(["works", { ...this.board }]);
          break;
      }
    }
    this.store.set(entries);
    this.refetcher.add(reduced.refetches);
  }

  private async refetch(refetch: Refetch): Promise<void> {
    const { api, episodeId } = this.options;
    switch (refetch.what) {
      case "episode":
        await this.episode();
        return;
      case "order": {
        const { data } = await api.GET(
          "/api/v1/episodes/{episode_id}/order",
          path({ episode_id: episodeId }),
        );
        if (data) this.showOrder(data);
        return;
      }
      case "segment": {
        // One that is new, or is back, has a place and assets, too.
        if (!this.store.get<readonly string[]>("order")?.includes(refetch.id)) {
          await this.episode();
          return;
        }
        const { data } = await api.GET("/api/v1/segments/{segment_id}", path({ segment_id: refetch.id }));
        if (data && data.episode_id === episodeId) this.store.set([[`segment:${data.id}`, data]]);
        return;
      }
      case "asset": {
        const { data } = await api.GET("/api/v1/assets/{asset_id}", path({ asset_id: refetch.id }));
        if (data && data.episode_id === episodeId) this.asset(data);
        return;
      }
      case "run": {
        const { data } = await api.GET("/api/v1/runs/{run_id}", path({ run_id: refetch.id }));
        if (data) this.store.set([[`run:${data.id}`, data]]);
        return;
      }
      case "film": {
        const { data } = await api.GET(
          "/api/v1/compilation-jobs/{compilation_id}",
          path({ compilation_id: refetch.id }),
        );
        if (data) this.store.set([[`film:${data.id}`, data]]);
        return;
      }
      default:
        // Of the project: react-query holds it. `changed` lets its owner invalidate.
        this.store.set([[`changed:${refetch.what}`, Symbol(refetch.what)]]);
    }
  }

  /** Returns the cursor that the stream continues from. */
  private async episode(): Promise<string> {
    const { api, episodeId } = this.options;
    const { data } = await api.GET("/api/v1/episodes/{episode_id}", path({ episode_id: episodeId }));
    if (!data) throw new Error("an answer without a body");
    const { segments, assets, ...meta } = data;
    const runs = assets.flatMap((a) => (a.preview ? [a.preview] : []));
    this.commit(fromEpisode(this.board, assets), [
      ["problem", undefined],
      ["episode", meta satisfies EpisodeMeta],
      ...segments.map((s) => [`segment:${s.id}`, s] as const),
      ...assets.map((a) => [`asset:${a.id}`, a] as const),
      ...runs.map((r) => [`run:${r.id}`, r] as const),
      ["assets", assets.map((a) => a.id)],
    ]);
    this.showOrder({ segment_ids: segments.map((s) => s.id), revision: data.order_revision });
    for (const asset of assets) for (const listener of this.listeners) listener.onAsset(asset);
    return data.cursor;
  }

  private asset(asset: Schemas["Asset"]): void {
    const cell = cellOf(asset, this.board.cells.get(asset.id));
    const cells = new Map(this.board.cells).set(asset.id, cell);
    const run = asset.preview ? ([[`run:${asset.preview.id}`, asset.preview]] as const) : [];
    const changed = new Set([`cell:${asset.id}`]);
    this.commit({ board: { ...this.board, cells }, changed, refetches: [], dropped: false }, [
      [`asset:${asset.id}`, asset],
      ...run,
    ]);
    for (const listener of this.listeners) listener.onAsset(asset);
  }
}

/** The order with this segment behind that one (null, or one that is gone: first). */
export function placed(order: readonly string[], segmentId: string, after: string | null): string[] {
  const rest = order.filter((id) => id !== segmentId);
  rest.splice(after === null ? 0 : rest.indexOf(after) + 1, 0, segmentId);
  return rest;
}

function path<T extends Record<string, string>>(values: T): { params: { path: T } } {
  return { params: { path: values } };
}

function parse(data: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
