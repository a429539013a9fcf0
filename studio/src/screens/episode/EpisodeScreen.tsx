/** One episode: player, inspector, timeline, the batch that fills it, and the bar that compiles it. */

import { useCallback, useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import type { Schemas } from "../../api/client";
import type { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { episodeSearch, routes } from "../../app/routes";
import { time } from "../../language/format";
import type { EpisodeMeta } from "../../live/episode";
import type { Connection } from "../../live/sse";
import { Player, type PlayerControl } from "../../media/Player";
import { Button, Empty, Notice, Skeleton, ui } from "../../ui/ui";
import { useNotes } from "../notes/useNotes";
import { rateOf } from "../playable";
import { PreviewDialog } from "../preview/PreviewDialog";
import { QualityEvents, qualityLanes } from "../QualityEvents";
import { atLeast } from "../roles";
import { ShareButton } from "../share/ShareDialog";
import { BatchBar } from "./BatchBar";
import { CompileBar } from "./CompileBar";
import { EpisodeProvider, useEpisode, useEpisodeKey } from "./EpisodeContext";
import css from "./episode.module.css";
import { FilmStage } from "./FilmStage";
import { Inspector, isTab, type Tab } from "./Inspector";
import { Timeline } from "./Timeline";

interface EpisodeScreenProps {
  readonly projectId: string;
  readonly episodeId: string;
  readonly role: Schemas["Project"]["my_role"] | null;
  /** Came by a share link, and sees this episode alone. */
  readonly guest?: boolean;
}

export function EpisodeScreen(props: EpisodeScreenProps) {
  const words = useWords();
  const loading = <Skeleton page label={words.loading} lines={12} />;
  return (
    <EpisodeProvider key={props.episodeId} {...props} loading={loading}>
      <Episode />
    </EpisodeProvider>
  );
}

function Episode() {
  const { words, refusal } = useApp();
  const { projectId, episodeId, feed, role } = useEpisode();
  const [, navigate] = useLocation();
  const search = episodeSearch(useSearch());
  const episode = useEpisodeKey<EpisodeMeta>("episode");
  const problem = useEpisodeKey<Problem>("problem");
  const order = useEpisodeKey<readonly string[]>("order");
  const assets = useEpisodeKey<readonly string[]>("assets") ?? [];
  const selectedId = search.s ?? order?.[0] ?? null;
  const segment = useEpisodeKey<Schemas["Segment"]>(selectedId ? `segment:${selectedId}` : null);
  const tab: Tab = isTab(search.k) ? search.k : "video";
  const [shown, setShown] = useState<"segment" | "film">("segment");
  const [opened, setOpened] = useState<"by-person" | "by-itself">("by-person");
  const musicId =
    assets.find((id) => feed.store.get<Schemas["Asset"]>(`asset:${id}`)?.kind === "music") ?? null;

  const go = useCallback(
    (next: { s?: string | undefined; k?: string | undefined; review?: string | undefined }) =>
      navigate(routes.episode(projectId, episodeId, { ...search, ...next }), {
        replace: next.review === undefined,
      }),
    [navigate, projectId, episodeId, search],
  );
  const latest = useRef(go);
  latest.current = go;

  const editedId = tab === "music" ? musicId : (segment?.assets[tab] ?? null);
  useEffect(() => {
    if (editedId === null) return;
    return feed.listen({
      onAsset: () => {},
      // A preview that arrives in the open editor opens by itself; elsewhere its card says that it waits.
      onRunEvent: (event) => {
        if (event.name !== "preview-ready" || event.asset_id !== editedId || !event.run_id) return;
        setOpened("by-itself");
        latest.current({ review: event.run_id });
      },
    });
  }, [feed, editedId]);

  const review = (runId: string) => {
    setOpened("by-person");
    go({ review: runId });
  };
  const close = useCallback(() => latest.current({ review: undefined }), []);
  const regenerate = () => {
    go({ review: undefined, s: reviewed?.segment_id ?? undefined, k: reviewed?.kind });
    // The form is there once the dialog has gone and given the focus back.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("[data-directions]")?.focus());
  };
  const reviewed = useEpisodeKey<Schemas["Run"]>(search.review ? `run:${search.review}` : null);
  const missing = search.review !== undefined && reviewed === undefined;
  useEffect(() => {
    if (missing && search.review) feed.refresh({ what: "run", id: search.review });
  }, [feed, missing, search.review]);

  if (problem && !episode) {
    return (
      <Empty page title={problem.status === 404 ? words.notFound : problem.title}>
        {problem.isTransient ? (
          <Refused error={problem} />
        ) : (
          <>
            <p>{problem.status === 404 ? words.notFoundHint : refusal(problem)}</p>
            <Link href={routes.projects()}>{words.backToProjects}</Link>
          </>
        )}
      </Empty>
    );
  }
  if (!episode || !order) return <Skeleton page label={words.loading} lines={12} />;
  return (
    <div className={css.episode}>
      <header className={css.header}>
        <h1 dir="auto">{episode.title}</h1>
        <fieldset className={css.views}>
          <legend className={ui.hiddenText}>{words.whatPlays}</legend>
          {(["segment", "film"] as const).map((view) => (
            <Button key={view} look="quiet" aria-pressed={shown === view} onClick={() => setShown(view)}>
              {view === "segment" ? words.segment : words.film}
            </Button>
          ))}
        </fieldset>
        {role === "owner" || role === "editor" ? null : (
          <span className={ui.hint}>{words.youAre(words.roles[role], words.roleMay[role])}</span>
        )}
        <BatchBar onOpen={(s, k) => go({ s, k })} />
        <ShareButton />
        <ConnectionState />
      </header>
      <div className={css.main}>
        <div className={css.stage}>
          {/* The dialog needs the connections of the videos beneath it. */}
          {shown === "film" && !reviewed ? (
            <FilmStage fps={episode.output.fps} startAt={selectedId} />
          ) : (
            <Stage segment={segment} tab={tab} />
          )}
        </div>
        <div className={css.dock}>
          <Timeline selected={selectedId} onSelect={(s) => go({ s })} />
        </div>
        <Inspector segment={segment} musicId={musicId} tab={tab} onTab={(k) => go({ k })} onReview={review} />
        <CompileBar />
      </div>
      {reviewed?.episode_id === episodeId ? (
        <PreviewDialog
          key={reviewed.id}
          run={reviewed}
          opened={opened}
          onClose={close}
          onRegenerate={regenerate}
        />
      ) : null}
    </div>
  );
}

/** The committed version of what is selected: never a preview. */
function Stage({ segment, tab }: { readonly segment: Schemas["Segment"] | undefined; readonly tab: Tab }) {
  const words = useWords();
  const { feed, role } = useEpisode();
  const control = useRef<PlayerControl>(null);
  const assets = useEpisodeKey<readonly string[]>("assets") ?? [];
  const musicId =
    assets.find((id) => feed.store.get<Schemas["Asset"]>(`asset:${id}`)?.kind === "music") ?? null;
  const assetId = tab === "music" ? musicId : (segment?.assets[tab] ?? null);
  const asset = useEpisodeKey<Schemas["Asset"]>(assetId ? `asset:${assetId}` : null);
  const image = useEpisodeKey<Schemas["Asset"]>(segment ? `asset:${segment.assets.starting_image}` : null);
  const version = asset?.committed ?? null;
  const renew = useCallback(
    () => void (assetId && feed.refresh({ what: "asset", id: assetId })),
    [feed, assetId],
  );
  const taken = useNotes(version, control, atLeast(role, "reviewer"), "h2");
  return (
    <>
      <Player
        key={assetId}
        control={control}
        lanes={[...qualityLanes(version?.quality_events ?? [], words), ...taken.lanes]}
        over={taken.over}
        onNote={taken.begin}
        words={words}
        label={`${asset?.label ?? words[tab]}, ${version ? words.committedVersion(version.number) : words.noVersion}`}
        badge={version ? words.committedVersion(version.number) : words.noVersion}
        onExpired={renew}
        media={{
          kind: tab,
          url: version ? (version.proxy_url ?? version.url) : null,
          poster: version?.thumbnail_url ?? image?.committed?.thumbnail_url ?? null,
          filmstrip: version?.filmstrip_url ?? null,
          peaks: version?.peaks_url ?? null,
          fps: version ? rateOf(version) : null,
          frames: version?.frames ?? null,
          variableRate: version?.variable_rate === true,
          duration: version?.duration ?? null,
          aspectRatio: version?.aspect_ratio ?? image?.committed?.aspect_ratio ?? null,
        }}
      />
      <QualityEvents
        events={version?.quality_events ?? []}
        words={words}
        onSeek={(seconds) => control.current?.seek(seconds)}
      />
      {taken.panel}
    </>
  );
}

function ConnectionState() {
  const words = useWords();
  const { language } = useApp();
  const connection = useEpisodeKey<Connection>("connection");
  switch (connection?.state) {
    case "open":
      return (
        <span className={css.live} data-state="open">
          ● {words.live}
        </span>
      );
    case "waiting":
      return (
        <Notice tone="warn">
          {words.offlineSince(time(new Date(connection.since).toISOString(), language))}
        </Notice>
      );
    case "refused":
      return <Notice tone="bad">{words.refusedStream}</Notice>;
    default:
      return <span className={ui.hint}>{words.connecting}</span>;
  }
}
