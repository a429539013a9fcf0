/** What every screen may use: the API, the words, the signed-in state, a place for announcements. */

import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import { type SignIn, Tokens } from "../api/auth";
import { type Api, createApi } from "../api/client";
import { en, type Words } from "../language/words";
import { zhHans } from "../language/words.zh-Hans";
import type { FollowOptions } from "../live/sse";
import { ui } from "../ui/ui";

export type Language = "en" | "zh-Hans";

interface App {
  readonly api: Api;
  readonly tokens: Tokens;
  readonly openStream: FollowOptions["open"];
  readonly words: Words;
  readonly language: Language;
  readonly setLanguage: (language: Language) => void;
  readonly signIn: SignIn | "unknown";
  /** Says one sentence to screen readers; errors of one's own action interrupt. */
  readonly announce: (sentence: string, assertive?: boolean) => void;
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

const LANGUAGE_KEY = "retake-language";
const WORDS: Readonly<Record<Language, Words>> = { en, "zh-Hans": zhHans };

export function AppProvider({ children }: { readonly children: ReactNode }) {
  const [signIn, setSignIn] = useState<SignIn | "unknown">("unknown");
  const [language, choose] = useState<Language>(preferredLanguage);
  const [polite, setPolite] = useState("");
  const [assertive, setAssertive] = useState("");
  const backend = useRef<{ api: Api; tokens: Tokens; openStream: FollowOptions["open"] } | null>(null);
  if (backend.current === null) {
    const tokens = new Tokens(undefined, undefined, setSignIn);
    const openStream: FollowOptions["open"] = (url, headers, signal) =>
      tokens.send(new Request(url, { headers, signal, cache: "no-store" }));
    backend.current = { api: createApi(tokens), tokens, openStream };
  }
  const { api, tokens, openStream } = backend.current;

  const setLanguage = useCallback((next: Language) => {
    localStorage.setItem(LANGUAGE_KEY, next);
    document.documentElement.lang = next;
    choose(next);
  }, []);
  const announce = useCallback(
    (sentence: string, now = false) => (now ? setAssertive : setPolite)(sentence),
    [],
  );
  const app = useMemo(
    () => ({ api, tokens, openStream, words: WORDS[language], language, setLanguage, signIn, announce }),
    [api, tokens, openStream, language, setLanguage, signIn, announce],
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
