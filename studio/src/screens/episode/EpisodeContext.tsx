/** The open episode for everything that is shown of it. */

import { createContext, type ReactNode, useContext, useEffect, useMemo } from "react";
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

/** Everything is made anew for another episode: nothing of the last one is shown. */
export function EpisodeProvider({
  projectId,
  episodeId,
  role,
  children,
}: {
  readonly projectId: string;
  readonly episodeId: string;
  readonly role: Schemas["Project"]["my_role"];
  readonly children: ReactNode;
}) {
  const { api, openStream } = useApp();
  const open = useMemo(() => {
    const feed = new EpisodeFeed({ api, open: openStream, projectId, episodeId });
    return { feed, flows: new Flows(api, feed) };
  }, [api, openStream, projectId, episodeId]);
  useEffect(() => {
    open.feed.start();
    return () => {
      open.flows.close();
      open.feed.close();
    };
  }, [open]);
  const value = useMemo(() => ({ projectId, episodeId, role, ...open }), [projectId, episodeId, role, open]);
  return <Context value={value}>{children}</Context>;
}

const RANK = { viewer: 0, reviewer: 1, editor: 2, owner: 3 } as const;

export function atLeast(role: Schemas["Project"]["my_role"], least: keyof typeof RANK): boolean {
  return RANK[role] >= RANK[least];
}
