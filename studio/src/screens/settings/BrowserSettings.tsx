/** What is chosen for this browser alone: theme, language, keys. */

import { useState } from "react";
import { KeyList } from "../../app/commands";
import { type Language, useApp, useWords } from "../../app/context";
import { setSingleKeys, singleKeysOn } from "../../app/keys";
import { setTheme, THEMES, type Theme, theme } from "../../app/preferences";
import { SelectField, ui } from "../../ui/ui";
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
      <h2>{words.shortcuts}</h2>
      <KeyList />
    </section>
  );
}
