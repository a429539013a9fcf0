/** What the gateway says to people, in the language of the page: by its code, or as the gateway has put it. */

import type catalogue from "../../../shared/contracts/messages.json";
import { zhHansMessages } from "./messages.zh-Hans";

type Groups = "run" | "preview" | "review" | "complete" | "import" | "batch" | "compile";

/** The codes that runs, batches, films and imports are told with. A code that a language lacks fails the build. */
export type MessageCode = Extract<keyof typeof catalogue, `${Groups}.${string}`>;

export interface Said {
  /** In English. */
  readonly message?: string | null;
  /** Several are joined by `+`. */
  readonly message_code?: string | null;
  readonly message_args?: Readonly<Record<string, unknown>>;
}

export interface Messages {
  readonly texts: Readonly<Record<MessageCode, string>>;
  /** Between the sentences of several codes. */
  readonly between: string;
  /** An argument in this language; null: as it is. */
  readonly argument: (name: string, value: string) => string | null;
}

const LANGUAGES: Readonly<Record<string, Messages>> = { "zh-Hans": zhHansMessages };
const MISSING = "…";

/** The message in `language`; in English where a code is not known (a newer gateway's), "" where nothing is said. */
export function said(news: Said, language: string): string {
  const english = news.message ?? "";
  const known = LANGUAGES[language];
  if (known === undefined || !news.message_code) return english;
  const texts: Readonly<Record<string, string>> = known.texts;
  const parts: string[] = [];
  for (const code of news.message_code.split("+")) {
    const text = texts[code];
    if (text === undefined) return english;
    parts.push(text.replaceAll(/\{(\w+)\}/g, (_, name: string) => argument(known, name, news.message_args)));
  }
  return parts.join(known.between).trim();
}

function argument(known: Messages, name: string, args: Said["message_args"]): string {
  const value = args?.[name];
  if (value === undefined || value === null) return MISSING;
  return known.argument(name, String(value)) ?? String(value);
}
