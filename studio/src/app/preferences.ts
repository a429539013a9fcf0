/** What is chosen for this browser. Kept in its storage; never anything else of the project's. */

export type Theme = "system" | "dark" | "light";
export const THEMES: readonly Theme[] = ["system", "dark", "light"];

const THEME_KEY = "retake-theme";

export function theme(): Theme {
  const stored = localStorage.getItem(THEME_KEY);
  return stored === "dark" || stored === "light" ? stored : "system";
}

export function setTheme(next: Theme): void {
  localStorage.setItem(THEME_KEY, next);
  showTheme();
}

export function showTheme(): void {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
