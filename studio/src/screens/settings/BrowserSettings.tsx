/** What is chosen for this browser alone: theme, language, keys. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Problem } from "../../api/problems";
import { KeyList } from "../../app/commands";
import { type Language, useApp, useWords } from "../../app/context";
import { setSingleKeys, singleKeysOn } from "../../app/keys";
import { setTheme, THEMES, type Theme, theme } from "../../app/preferences";
import { Button, SelectField, ui } from "../../ui/ui";
import css from "./settings.module.css";

export function BrowserSettings() {
  const words = useWords();
  return (
    <div className={css.settings}>
      <h1>{words.settings}</h1>
      <BrowserTab />
    </div>
  );
}

export function BrowserTab() {
  const words = useWords();
  const { language, setLanguage } = useApp();
  const [chosen, choose] = useState(theme);
  const [keys, setKeys] = useState(singleKeysOn);
  const names: Readonly<Record<Theme, string>> = {
    system: words.themeSystem,
    dark: words.themeDark,
    light: words.themeLight,
  };
  return (
    <section className={ui.stack}>
      <h2>{words.thisBrowser}</h2>
      <div className={ui.fields}>
        <SelectField
          label={words.theme}
          value={chosen}
          onChange={(event) => {
            const next = THEMES.find((t) => t === event.currentTarget.value) ?? "system";
            setTheme(next);
            choose(next);
          }}
        >
          {THEMES.map((t) => (
            <option key={t} value={t}>
              {names[t]}
            </option>
          ))}
        </SelectField>
        <SelectField
          label={words.language}
          value={language}
          onChange={(event) => setLanguage(event.currentTarget.value as Language)}
        >
          <option value="en">English</option>
          <option value="zh-Hans">简体中文</option>
        </SelectField>
      </div>
      <label className={ui.row}>
        <input
          type="checkbox"
          checked={keys}
          onChange={(event) => {
            setSingleKeys(event.currentTarget.checked);
            setKeys(event.currentTarget.checked);
          }}
        />
        {words.singleKeys}
      </label>
      <Account />
      <h2>{words.shortcuts}</h2>
      <KeyList />
    </section>
  );
}

/** Who is signed in, where that can change. */
function Account() {
  const words = useWords();
  const { api, tokens, announce } = useApp();
  const config = useQuery({ queryKey: ["sign-in-config"], queryFn: () => tokens.config() });
  const me = useQuery({ queryKey: ["me"], queryFn: async () => (await api.GET("/api/v1/me")).data ?? null });
  if (!me.data || !config.data || config.data.mode === "local") return null;
  const signOut = async () => {
    try {
      const elsewhere = await tokens.signOut();
      if (elsewhere) location.assign(elsewhere);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      announce(error.message, true);
    }
  };
  return (
    <>
      <h2>{words.account}</h2>
      <div className={ui.row}>
        <span dir="auto">{words.signedInAs(me.data.name)}</span>
        <Button onClick={() => void signOut()}>{words.signOut}</Button>
      </div>
    </>
  );
}
