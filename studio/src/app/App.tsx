/** The shell: who is signed in, where we are, and the screen for it. */

import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { type FormEvent, lazy, Suspense, useEffect, useState } from "react";
import { Link, Route, Switch } from "wouter";
import { Problem } from "../api/problems";
import { EpisodesScreen, ProjectsScreen } from "../screens/projects/ProjectsScreen";
import { Button, Dialog, Empty, Notice, Skeleton, TextField, ui } from "../ui/ui";
import css from "./app.module.css";
import { AppProvider, type Language, useApp, useWords } from "./context";
import { routes } from "./routes";
import { useInbox } from "./useInbox";

const EpisodeScreen = lazy(async () => ({
  default: (await import("../screens/episode/EpisodeScreen")).EpisodeScreen,
}));
const FilmScreen = lazy(async () => ({ default: (await import("../screens/film/FilmScreen")).FilmScreen }));
const ImportScreen = lazy(async () => ({
  default: (await import("../screens/importing/ImportScreen")).ImportScreen,
}));
const InboxScreen = lazy(async () => ({
  default: (await import("../screens/inbox/InboxScreen")).InboxScreen,
}));
const ActivityScreen = lazy(async () => ({
  default: (await import("../screens/activity/ActivityScreen")).ActivityScreen,
}));

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => error instanceof Problem && error.isTransient && count < 5,
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
  return (
    <>
      <header className={css.header}>
        <Link href={routes.projects()} className={css.brand}>
          {words.retake}
        </Link>
        <nav className={ui.row} aria-label={words.retake}>
          <Link href={routes.projects()}>{words.projects}</Link>
          <InboxLink />
        </nav>
        <Preferences />
      </header>
      <main className={css.main}>
        <SignInGate>
          <Suspense fallback={<Skeleton label={words.loading} lines={8} />}>
            <Switch>
              <Route path="/">
                <ProjectsScreen />
              </Route>
              <Route path="/p/:project">{({ project }) => <EpisodesScreen projectId={project} />}</Route>
              <Route path="/inbox">
                <InboxScreen />
              </Route>
              <Route path="/p/:project/import">{({ project }) => <ImportScreen projectId={project} />}</Route>
              <Route path="/p/:project/activity">
                {({ project }) => <ActivityScreen projectId={project} />}
              </Route>
              <Route path="/p/:project/e/:episode/film">
                {({ project, episode }) => <FilmScreen projectId={project} episodeId={episode} />}
              </Route>
              <Route path="/p/:project/e/:episode">
                {({ project, episode }) => <EpisodeRoute projectId={project} episodeId={episode} />}
              </Route>
              <Route>
                <Empty title={words.notFound}>
                  <Link href={routes.projects()}>{words.backToProjects}</Link>
                </Empty>
              </Route>
            </Switch>
          </Suspense>
        </SignInGate>
      </main>
    </>
  );
}

function InboxLink() {
  const words = useWords();
  const waiting = useInbox().data?.length ?? 0;
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) ${words.retake}` : words.retake;
  }, [waiting, words]);
  return (
    <Link href={routes.inbox()}>
      {words.inbox}
      {waiting > 0 ? ` ${waiting}` : ""}
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
  if (project.error) {
    return (
      <Empty title={words.notFound} hint={words.notFoundHint}>
        <Link href={routes.projects()}>{words.backToProjects}</Link>
      </Empty>
    );
  }
  if (!project.data) return <Skeleton label={words.loading} lines={12} />;
  return <EpisodeScreen projectId={projectId} episodeId={episodeId} role={project.data.my_role} />;
}

/** Where nobody can be signed in without a person's help, asks for it; what is on the page stays. */
function SignInGate({ children }: { readonly children: React.ReactNode }) {
  const words = useWords();
  const { signIn, tokens } = useApp();
  const [ready, setReady] = useState(false);
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
  if (signIn === "paste") {
    const submit = (event: FormEvent<HTMLFormElement>) => {
      event.preventDefault();
      const token = String(new FormData(event.currentTarget).get("token") ?? "").trim();
      if (token) tokens.paste(token);
      void queries.invalidateQueries();
    };
    return (
      <Dialog title={words.pasteToken} onClose={() => {}}>
        <form className={ui.stack} onSubmit={submit}>
          <TextField
            label={words.pasteToken}
            hint={words.pasteTokenHint}
            name="token"
            type="password"
            required
          />
          <Button type="submit" look="primary">
            {words.signIn}
          </Button>
        </form>
      </Dialog>
    );
  }
  if (!ready) return <Skeleton label={words.loading} lines={8} />;
  return (
    <>
      {signIn === "signed-out" ? <Notice tone="warn">{words.signedOut}</Notice> : null}
      {children}
    </>
  );
}

const THEME_KEY = "retake-theme";

function Preferences() {
  const words = useWords();
  const { language, setLanguage } = useApp();
  const [theme, setTheme] = useState(() => localStorage.getItem(THEME_KEY) ?? "system");
  useEffect(() => {
    const root = document.documentElement;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    localStorage.setItem(THEME_KEY, theme);
  }, [theme]);
  return (
    <div className={css.preferences}>
      <select aria-label={words.theme} value={theme} onChange={(e) => setTheme(e.currentTarget.value)}>
        <option value="system">{words.themeSystem}</option>
        <option value="dark">{words.themeDark}</option>
        <option value="light">{words.themeLight}</option>
      </select>
      <select
        aria-label={words.language}
        value={language}
        onChange={(e) => setLanguage(e.currentTarget.value as Language)}
      >
        <option value="en">English</option>
        <option value="zh-Hans">简体中文</option>
      </select>
    </div>
  );
}
