/**
 * The page of a share link, `/s#token`: one episode, its comparisons and its films, and nothing else.
 *
 * The address stays as it came, so that a reload opens the link again; where the guest is within the episode is kept in
 * memory. The part after # is sent to the gateway alone, and stored nowhere.
 */

import { lazy, Suspense, useEffect, useState } from "react";
import { Redirect, Route, Router, Switch } from "wouter";
import { memoryLocation } from "wouter/memory-location";
import type { Guest } from "../../api/auth";
import { Problem } from "../../api/problems";
import css from "../../app/app.module.css";
import { CommandsProvider } from "../../app/commands";
import { useApp, useWords } from "../../app/context";
import { routes } from "../../app/routes";
import { Button, Empty, Skeleton, ui } from "../../ui/ui";

const EpisodeScreen = lazy(async () => ({
  default: (await import("../episode/EpisodeScreen")).EpisodeScreen,
}));
const CompareScreen = lazy(async () => ({
  default: (await import("../compare/CompareScreen")).CompareScreen,
}));
const FilmScreen = lazy(async () => ({ default: (await import("../film/FilmScreen")).FilmScreen }));

export function GuestScreen() {
  const words = useWords();
  const { tokens, signIn } = useApp();
  const [guest, setGuest] = useState<Guest | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [attempt, setAttempt] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt opens the link again
  useEffect(() => {
    let current = true;
    const open = async () => {
      try {
        const opened = await tokens.openShare(location.hash.slice(1));
        if (current) setGuest(opened);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (current) setProblem(error);
      }
    };
    const another = () => location.reload();
    window.addEventListener("hashchange", another);
    void open();
    return () => {
      current = false;
      window.removeEventListener("hashchange", another);
    };
  }, [tokens, attempt]);
  if (problem || (guest && signIn === "signed-out")) {
    const again = () => {
      setProblem(null);
      setAttempt(attempt + 1);
    };
    return (
      <main className={css.main}>
        <Empty page title={words.shareClosed} hint={problem?.message ?? words.shareClosedHint}>
          {problem?.isTransient ? <Button onClick={again}>{words.tryAgain}</Button> : null}
        </Empty>
      </main>
    );
  }
  if (!guest) {
    return (
      <main className={css.main}>
        <Skeleton page label={words.loading} lines={12} />
      </main>
    );
  }
  return <GuestPages guest={guest} />;
}

function GuestPages({ guest }: { readonly guest: Guest }) {
  const words = useWords();
  const home = routes.episode(guest.project_id, guest.episode_id);
  const [memory] = useState(() => memoryLocation({ path: home }));
  const place = { projectId: guest.project_id, episodeId: guest.episode_id };
  return (
    <Router hook={memory.hook} searchHook={memory.searchHook}>
      <CommandsProvider>
        <header className={css.header}>
          <span className={css.brand}>{words.retake}</span>
          <span className={ui.hint}>
            {words.guest}: <b dir="auto">{guest.label}</b>, {words.roles[guest.role]}
          </span>
        </header>
        <main className={css.main}>
          <Suspense fallback={<Skeleton page label={words.loading} lines={8} />}>
            <Switch>
              <Route path="/p/:project/e/:episode/compare/:asset">
                {({ asset }) => <CompareScreen {...place} assetId={asset} />}
              </Route>
              <Route path="/p/:project/e/:episode/film">
                <FilmScreen {...place} />
              </Route>
              <Route path={home}>
                <EpisodeScreen {...place} role={guest.role} guest />
              </Route>
              <Route>
                <Redirect to={home} />
              </Route>
            </Switch>
          </Suspense>
        </main>
      </CommandsProvider>
    </Router>
  );
}
