/** What every screen may use: the API, the words, the signed-in state, a place for announcements. */

import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import { type SignIn, Tokens } from "../api/auth";
import { type Api, createApi } from "../api/client";
import { Early } from "../api/early";
import { Problem } from "../api/problems";
import { en, type Words } from "../language/words";
import { zhHans } from "../language/words.zh-Hans";
import type { FollowOptions } from "../live/sse";
import { type Toast, Toasts } from "../ui/Toasts";
import { ui } from "../ui/ui";
import { againAt, refusalText } from "./refusals";
import { NOTHING_DONE, push, redo, type Stack, type Undoable, undo } from "./undo";

export type Language = "en" | "zh-Hans";

interface App {
  readonly api: Api;
  readonly tokens: Tokens;
  readonly openStream: FollowOptions["open"];
  readonly words: Words;
  readonly language: Language;
  readonly setLanguage: (language: Language) => void;
  readonly signIn: SignIn | "unknown";
  /** Says one sentence to screen readers; `assertive`: an error of one's own action, which is also shown. */
  readonly announce: (sentence: string, assertive?: boolean) => void;
  /** Says why an action of one's own was refused, and offers it `again` where that may help. Throws any other error. */
  readonly refused: (error: unknown, again?: () => unknown) => void;
  /** The sentence of a refusal, for where it is shown beside what it is about. */
  readonly refusal: (problem: Problem) => string;
  /** Shows a sentence for a while, with something to do about it. */
  readonly toast: (sentence: string, action?: Toast["action"]) => void;
  readonly history: Stack;
  /** Remembers what was done, and offers to take it back. */
  readonly did: (entry: Undoable) => void;
  readonly undoLast: () => void;
  readonly redoLast: () => void;
}

const Context = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(Context);
  if (app === null) throw new Error("useApp outside of AppProvider");
  return app;
}

export function useWords(): Words {
  return useApp().words;
}

const MOST_TOASTS = 4;
let toastId = 0;

const LANGUAGE_KEY = "retake-language";
const WORDS: Readonly<Record<Language, Words>> = { en, "zh-Hans": zhHans };

export function AppProvider({ children }: { readonly children: ReactNode }) {
  const [signIn, setSignIn] = useState<SignIn | "unknown">("unknown");
  const [language, choose] = useState<Language>(preferredLanguage);
  const words = WORDS[language];
  const [polite, setPolite] = useState("");
  const [assertive, setAssertive] = useState("");
  const backend = useRef<{ api: Api; tokens: Tokens; openStream: FollowOptions["open"] } | null>(null);
  if (backend.current === null) {
    const tokens = new Tokens(undefined, undefined, setSignIn, new BroadcastChannel("retake-sign-in"));
    const openStream: FollowOptions["open"] = (url, headers, signal) =>
      tokens.send(new Request(url, { headers, signal, cache: "no-store" }));
    const early = new Early(tokens);
    early.ask(location.pathname, location.origin);
    backend.current = { api: createApi(tokens, "/", globalThis.fetch, early), tokens, openStream };
  }
  const { api, tokens, openStream } = backend.current;

  const setLanguage = useCallback((next: Language) => {
    localStorage.setItem(LANGUAGE_KEY, next);
    document.documentElement.lang = next;
    choose(next);
  }, []);
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const closeToast = useCallback((id: number) => setToasts((all) => all.filter((t) => t.id !== id)), []);
  const show = useCallback(
    (text: string, tone: Toast["tone"], action: Toast["action"], countdown: Toast["countdown"] = null) => {
      const toast = { id: ++toastId, text, tone, action, countdown };
      setToasts((all) => [...all.filter((t) => t.text !== text), toast].slice(-MOST_TOASTS));
    },
    [],
  );
  const announce = useCallback(
    (sentence: string, now = false) => {
      (now ? setAssertive : setPolite)(sentence);
      if (now) show(sentence, "bad", null);
    },
    [show],
  );
  const toast = useCallback(
    (sentence: string, action: Toast["action"] = null) => {
      setPolite(sentence);
      show(sentence, "muted", action);
    },
    [show],
  );

  const refusal = useCallback((problem: Problem) => refusalText(problem, words, language), [words, language]);
  const refused = useCallback(
    (error: unknown, again?: () => unknown) => {
      if (!(error instanceof Problem)) throw error;
      const text = refusal(error);
      const until = again ? againAt(error) : null;
      setAssertive(text);
      if (again && until !== null) {
        show(text, "bad", { label: words.tryAgain, run: () => void again() }, { until, text: words.againIn });
      } else show(text, "bad", null);
    },
    [show, words, refusal],
  );

  const [history, setHistory] = useState<Stack>(NOTHING_DONE);
  const latest = useRef(history);
  latest.current = history;
  const move = useCallback(
    async (entry: Undoable | undefined, which: "undo" | "redo") => {
      if (entry === undefined) return;
      setHistory(which === "undo" ? undo : redo);
      try {
        await (which === "undo" ? entry.undo() : entry.redo?.());
        toast(`${which === "undo" ? words.undone : words.redone}: ${entry.label}`);
      } catch (error) {
        refused(error);
      }
    },
    [toast, refused, words],
  );
  const undoLast = useCallback(() => void move(latest.current.done[0], "undo"), [move]);
  const redoLast = useCallback(() => void move(latest.current.undone[0], "redo"), [move]);
  const did = useCallback(
    (entry: Undoable) => {
      setHistory((stack) => push(stack, entry));
      toast(entry.label, {
        label: words.undo,
        run: () => {
          if (latest.current.done[0] === entry) undoLast();
        },
      });
    },
    [toast, undoLast, words],
  );
  const app = useMemo(
    () => ({
      api,
      tokens,
      openStream,
      words,
      language,
      setLanguage,
      signIn,
      announce,
      refused,
      refusal,
      toast,
      history,
      did,
      undoLast,
      redoLast,
    }),
    [
      api,
      tokens,
      openStream,
      words,
      language,
      setLanguage,
      signIn,
      announce,
      refused,
      refusal,
      toast,
      history,
      did,
      undoLast,
      redoLast,
    ],
  );
  return (
    <Context value={app}>
      {children}
      <div aria-live="polite" className={ui.hiddenText}>
        {polite}
      </div>
      <div aria-live="assertive" className={ui.hiddenText}>
        {assertive}
      </div>
      <Toasts toasts={toasts} label={words.messages} closeLabel={words.close} onClose={closeToast} />
    </Context>
  );
}

function preferredLanguage(): Language {
  const stored = localStorage.getItem(LANGUAGE_KEY);
  const language: Language =
    stored === "en" || stored === "zh-Hans" ? stored : navigator.language.startsWith("zh") ? "zh-Hans" : "en";
  document.documentElement.lang = language;
  return language;
}
