/** The open episode for everything that is shown of it. */

import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import type { Schemas } from "../../api/client";
import { useApp } from "../../app/context";
import { Flows } from "../../editing/useAssetGenerationFlow";
import { EpisodeFeed } from "../../live/episode";
import { useKey } from "../../live/react";

export interface OpenEpisode {
  readonly projectId: string;
  readonly episodeId: string;
  readonly feed: EpisodeFeed;
  readonly flows: Flows;
  readonly role: Schemas["Project"]["my_role"];
  readonly guest: boolean;
}

const Context = createContext<OpenEpisode | null>(null);

export function useEpisode(): OpenEpisode {
  const episode = useContext(Context);
  if (episode === null) throw new Error("useEpisode outside of EpisodeProvider");
  return episode;
}

/** A value of the open episode's store. */
export function useEpisodeKey<T>(key: string | null): T | undefined {
  return useKey<T>(useEpisode().feed.store, key);
}

/** The values of several keys, without those that are missing; the same array as long as none has changed. */
export function useEpisodeKeys<T>(keys: readonly string[]): readonly T[] {
  const { store } = useEpisode().feed;
  const known = useRef<readonly T[]>([]);
  const subscribe = useCallback(
    (listener: () => void) => {
      const stops = keys.map((key) => store.subscribe(key, listener));
      return () => {
        for (const stop of stops) stop();
      };
    },
    [store, keys],
  );
  const read = useCallback(() => {
    const now = keys.flatMap((key) => store.get<T>(key) ?? []);
    const before = known.current;
    const same = now.length === before.length && now.every((value, n) => Object.is(value, before[n]));
    if (!same) known.current = now;
    return known.current;
  }, [store, keys]);
  return useSyncExternalStore(subscribe, read);
}

/** Everything is made anew for another episode: nothing of the last one is shown. */
export function EpisodeProvider({
  projectId,
  episodeId,
  role,
  loading,
  guest = false,
  children,
}: {
  readonly projectId: string;
  readonly episodeId: string;
  /** null: not known yet. Until it is, `loading` is shown. */
  readonly role: Schemas["Project"]["my_role"] | null;
  readonly loading: ReactNode;
  readonly guest?: boolean | undefined;
  readonly children: ReactNode;
}) {
  const { api, openStream } = useApp();
  const open = useMemo(() => {
    const feed = new EpisodeFeed({ api, open: openStream, projectId, episodeId, guest });
    return { feed, flows: new Flows(api, feed) };
  }, [api, openStream, projectId, episodeId, guest]);
  useEffect(() => {
    open.feed.start();
    return () => {
      open.flows.close();
      open.feed.close();
    };
  }, [open]);
  const value = useMemo(
    () => (role === null ? null : { projectId, episodeId, role, guest, ...open }),
    [projectId, episodeId, role, guest, open],
  );
  return <Context value={value}>{value === null ? loading : children}</Context>;
}
