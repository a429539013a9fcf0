/** Settings that somebody else changed meanwhile, to something else: whose are kept. */

import { useWords } from "../../app/context";
import { Conflict } from "../../ui/Conflict";
import type { SettingsConflict } from "./useSettings";

interface SettingsConflictsProps {
  readonly conflict: SettingsConflict | null;
  readonly onResolve: (whose: "mine" | "theirs") => void;
}

export function SettingsConflicts({ conflict, onResolve }: SettingsConflictsProps) {
  const words = useWords();
  if (conflict === null) return null;
  const nameOf = (path: readonly string[]) =>
    path
      .map((name) => words.settingNames[name] ?? words.parameters[name] ?? name.replaceAll("_", " "))
      .join(": ");
  return (
    <Conflict
      labels={words.conflict}
      fields={conflict.differences.map(({ path, mine, theirs }) => ({ name: nameOf(path), mine, theirs }))}
      onMine={() => onResolve("mine")}
      onTheirs={() => onResolve("theirs")}
    />
  );
}
