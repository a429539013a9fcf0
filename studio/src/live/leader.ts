/**
 * One stream per browser: of all tabs that show a project, one holds the connection and relays its frames.
 *
 * The tab that gets the Web Lock leads; the others listen on a BroadcastChannel. When the leading tab closes, its lock
 * passes to another, which resumes at the last id that it has heard. Without Web Locks every tab opens its own stream.
 */

import { type Connection, type FollowOptions, type Frame, follow } from "./sse";

export interface SharedStreamOptions {
  /** What tabs share: one name per project and signed-in person. */
  readonly name: string;
  readonly url: string;
  readonly from: string | null;
  readonly open: FollowOptions["open"];
  readonly onFrames: (frames: readonly Frame[]) => void;
  readonly onState: (connection: Connection) => void;
  readonly signal: AbortSignal;
}

type Relayed =
  | { readonly type: "frames"; readonly frames: readonly Frame[] }
  | { readonly type: "state"; readonly connection: Connection }
  | { readonly type: "hello" };

/** Runs until `signal` aborts. */
export async function followShared(options: SharedStreamOptions): Promise<void> {
  const locks = globalThis.navigator?.locks;
  if (!locks || typeof BroadcastChannel === "undefined") return follow(options);
  const channel = new BroadcastChannel(`retake-stream:${options.name}`);
  let lastId = options.from;
  let leads = false;
  let connection: Connection = { state: "connecting" };
  const hear = (frames: readonly Frame[]) => {
    lastId = frames.findLast((f) => f.id !== null)?.id ?? lastId;
    options.onFrames(frames);
  };
  channel.onmessage = ({ data }: MessageEvent<Relayed>) => {
    if (data.type === "hello") {
      if (leads) channel.postMessage({ type: "state", connection } satisfies Relayed);
    } else if (!leads) {
      if (data.type === "frames") hear(data.frames);
      else options.onState(data.connection);
    }
  };
  channel.postMessage({ type: "hello" } satisfies Relayed);
  try {
    await locks.request(`retake-stream:${options.name}`, { signal: options.signal }, async () => {
      leads = true;
      await follow({
        ...options,
        from: lastId,
        onFrames: (frames) => {
          channel.postMessage({ type: "frames", frames } satisfies Relayed);
          hear(frames);
        },
        onState: (next) => {
          connection = next;
          channel.postMessage({ type: "state", connection } satisfies Relayed);
          options.onState(next);
        },
      });
    });
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    channel.close();
  }
}
