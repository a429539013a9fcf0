/** The shell: who is signed in, where we are, and the screen for it. */

import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { Redo2, Settings, Undo2 } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { Problem } from "../api/problems";
import { EpisodesScreen, ProjectsScreen } from "../screens/projects/ProjectsScreen";
import { SignInDialog, SignInPage, SignInReturn } from "../screens/signin/SignIn";
import { Button, Empty, Skeleton, ui } from "../ui/ui";
import css from "./app.module.css";
import { CommandsProvider, PaletteButton } from "./commands";
import { AppProvider, useApp, useWords } from "./context";
import { Refused } from "./Refused";
import { routes } from "./routes";
import { Trail } from "./Trail";
import { useWaitingCount } from "./useInbox";

const episodeScreen = () => import("../screens/episode/EpisodeScreen");
// The code of the episode that is opened first comes beside the first answers, not after them.
if (/^\/p\/[^/]+\/e\//.test(location.pathname)) void episodeScreen().catch(() => {});
const EpisodeScreen = lazy(async () => ({ default: (await episodeScreen()).EpisodeScreen }));
const CompareScreen = lazy(async () => ({
  default: (await import("../screens/compare/CompareScreen")).CompareScreen,
}));
const FilmScreen = lazy(async () => ({ default: (await import("../screens/film/FilmScreen")).FilmScreen }));
const ImportScreen = lazy(async () => ({
  default: (await import("../screens/importing/ImportScreen")).ImportScreen,
}));
const SettingsScreen = lazy(async () => ({
  default: (await import("../screens/settings/SettingsScreen")).SettingsScreen,
}));
const BrowserSettings = lazy(async () => ({
  default: (await import("../screens/settings/BrowserSettings")).BrowserSettings,
}));
const InboxScreen = lazy(async () => ({
  default: (await import("../screens/inbox/InboxScreen")).InboxScreen,
}));
const ActivityScreen = lazy(async () => ({
  default: (await import("../screens/activity/ActivityScreen")).ActivityScreen,
}));

const GuestScreen = lazy(async () => ({
  default: (await import("../screens/share/GuestScreen")).GuestScreen,
}));

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // Once at once; after that the page says what is wrong and counts the seconds to the next attempt.
      retry: (count, error) => error instanceof Problem && error.status === 0 && count < 1,
      refetchOnWindowFocus: false,
    },
  },
});

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <AppProvider>
        <Shell />
      </AppProvider>
    </QueryClientProvider>
  );
}

function Shell() {
  const words = useWords();
  const [location] = useLocation();
  if (location === routes.share()) {
    return (
      <Suspense fallback={<Skeleton page label={words.loading} lines={8} />}>
        <GuestScreen />
      </Suspense>
    );
  }
  if (location === routes.signIn()) {
    return (
      <main className={css.main}>
        <SignInReturn />
      </main>
    );
  }
  return (
    <CommandsProvider>
      <Header />
      <main className={css.main}>
        <SignInGate>
          <Trail />
          <Suspense fallback={<Skeleton page label={words.loading} lines={8} />}>
            <Switch>
              <Route path="/">
                <ProjectsScreen />
              </Route>
              <Route path="/p/:project">{({ project }) => <EpisodesScreen projectId={project} />}</Route>
              <Route path="/p/:project/settings/:tab?">
                {({ project, tab }) => <SettingsScreen projectId={project} tab={tab} />}
              </Route>
              <Route path="/settings">
                <BrowserSettings />
              </Route>
              <Route path="/inbox">
                <InboxScreen />
              </Route>
              <Route path="/p/:project/import">{({ project }) => <ImportScreen projectId={project} />}</Route>
              <Route path="/p/:project/activity">
                {({ project }) => <ActivityScreen projectId={project} />}
              </Route>
              <Route path="/p/:project/e/:episode/compare/:asset">
                {({ project, episode, asset }) => (
                  <CompareScreen projectId={project} episodeId={episode} assetId={asset} />
                )}
              </Route>
              <Route path="/p/:project/e/:episode/film">
                {({ project, episode }) => <FilmScreen projectId={project} episodeId={episode} />}
              </Route>
              <Route path="/p/:project/e/:episode">
                {({ project, episode }) => <EpisodeRoute projectId={project} episodeId={episode} />}
              </Route>
              <Route>
                <Empty page title={words.notFound}>
                  <Link href={routes.projects()}>{words.backToProjects}</Link>
                </Empty>
              </Route>
            </Switch>
          </Suspense>
        </SignInGate>
      </main>
    </CommandsProvider>
  );
}

function Header() {
  const words = useWords();
  const { history, undoLast, redoLast } = useApp();
  const [location] = useLocation();
  const [undoable] = history.done;
  const [redoable] = history.undone;
  const current = (path: string) => (location === path ? "page" : undefined);
  return (
    <header className={css.header}>
      <Link href={routes.projects()} className={css.brand}>
        {words.retake}
      </Link>
      <nav className={ui.row} aria-label={words.retake}>
        <Link href={routes.projects()} aria-current={current(routes.projects())}>
          {words.projects}
        </Link>
        <InboxLink current={current(routes.inbox())} />
      </nav>
      <div className={css.tools}>
        <PaletteButton />
        <Button
          look="quiet"
          aria-label={undoable ? `${words.undo}: ${undoable.label}` : words.undo}
          title={undoable ? `${words.undo}: ${undoable.label} (Ctrl Z)` : words.undo}
          disabledReason={undoable ? null : words.nothingToUndo}
          onClick={undoLast}
        >
          <Undo2 size={16} aria-hidden />
        </Button>
        <Button
          look="quiet"
          className={css.wide}
          aria-label={redoable ? `${words.redo}: ${redoable.label}` : words.redo}
          title={redoable ? `${words.redo}: ${redoable.label} (Ctrl Shift Z)` : words.redo}
          disabledReason={redoable ? null : words.nothingToUndo}
          onClick={redoLast}
        >
          <Redo2 size={16} aria-hidden />
        </Button>
        <SettingsLink />
      </div>
    </header>
  );
}

function SettingsLink() {
  const words = useWords();
  const [location] = useLocation();
  const project = /^\/p\/([^/]+)/.exec(location)?.[1];
  return (
    <Link
      href={routes.settings(project)}
      className={`${ui.button} ${ui.quiet}`}
      aria-label={words.settings}
      title={words.settings}
    >
      <Settings size={16} aria-hidden />
    </Link>
  );
}

function InboxLink({ current }: { readonly current: "page" | undefined }) {
  const words = useWords();
  const waiting = useWaitingCount();
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) ${words.retake}` : words.retake;
  }, [waiting, words]);
  return (
    <Link href={routes.inbox()} aria-current={current}>
      {words.inbox}
      {waiting > 0 ? <span className={css.count}>{waiting}</span> : null}
    </Link>
  );
}

function EpisodeRoute({ projectId, episodeId }: { readonly projectId: string; readonly episodeId: string }) {
  const words = useWords();
  const { api } = useApp();
  const project = useQuery({
    queryKey: ["project", projectId],
    queryFn: async () =>
      (await api.GET("/api/v1/projects/{project_id}", { params: { path: { project_id: projectId } } }))
        .data ?? null,
  });
  if (project.error instanceof Problem && project.error.isTransient) {
    return <Refused error={project.error} onAgain={project.refetch} automatic />;
  }
  if (project.error) {
    return (
      <Empty page title={words.notFound} hint={words.notFoundHint}>
        <Link href={routes.projects()}>{words.backToProjects}</Link>
      </Empty>
    );
  }
  // The episode is asked for at the same time; what may be done with it is known when both are there.
  return <EpisodeScreen projectId={projectId} episodeId={episodeId} role={project.data?.my_role ?? null} />;
}

/** Where nobody is signed in, asks for it. Whoever was before keeps what is on the page. */
function SignInGate({ children }: { readonly children: React.ReactNode }) {
  const words = useWords();
  const { signIn, tokens } = useApp();
  const [ready, setReady] = useState(false);
  const wasSignedIn = useRef(false);
  if (signIn === "signed-in") wasSignedIn.current = true;
  useEffect(() => {
    let current = true;
    // A gateway that is away is each screen's to show.
    void tokens
      .get()
      .catch(() => {})
      .finally(() => current && setReady(true));
    return () => {
      current = false;
    };
  }, [tokens]);
  useEffect(() => {
    if (signIn === "signed-in") void queries.invalidateQueries();
  }, [signIn]);
  if (!ready) return <Skeleton page label={words.loading} lines={8} />;
  if (signIn === "signed-out" && !wasSignedIn.current) return <SignInPage />;
  return (
    <>
      {signIn === "signed-out" ? <SignInDialog /> : null}
      {children}
    </>
  );
}
