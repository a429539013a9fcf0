/** Commands by name and by key: the palette (Ctrl K), the list of keys (?), and the keys of the whole page. */

import { Search } from "lucide-react";
import {
  createContext,
  type KeyboardEvent as ReactKeyboardEvent,
  type ReactNode,
  useContext,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";
import { useLocation } from "wouter";
import { Button, Dialog, ui } from "../ui/ui";
import css from "./app.module.css";
import { useApp, useWords } from "./context";
import { isCommandKey, isTyping, keyGroups, SEQUENCE_MS } from "./keys";
import { routes } from "./routes";

export interface Command {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly run: () => void;
}

interface Registry {
  readonly add: (commands: readonly Command[]) => () => void;
  readonly open: () => void;
}

const Context = createContext<Registry | null>(null);

/** Offers these in the palette as long as the caller is shown. The list must be memoized. */
export function useCommands(commands: readonly Command[]): void {
  const registry = useContext(Context);
  useEffect(() => registry?.add(commands), [registry, commands]);
}

export function CommandsProvider({ children }: { readonly children: ReactNode }) {
  const words = useWords();
  const { undoLast, redoLast } = useApp();
  const [location, navigate] = useLocation();
  const [lists, setLists] = useState<readonly (readonly Command[])[]>([]);
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  const project = /^\/p\/([^/]+)/.exec(location)?.[1];
  const registry = useMemo<Registry>(
    () => ({
      add: (commands) => {
        setLists((all) => [...all, commands]);
        return () => setLists((all) => all.filter((list) => list !== commands));
      },
      open: () => setOpen("palette"),
    }),
    [],
  );
  const places = useMemo(
    () => ({
      p: routes.projects(),
      i: routes.inbox(),
      ...(project ? { a: routes.activity(project), s: routes.settings(project) } : { s: routes.settings() }),
    }),
    [project],
  );
  const general = useMemo<readonly Command[]>(() => {
    const go = (id: string, label: string, to: string): Command => ({ id, label, run: () => navigate(to) });
    return [
      go("projects", words.projects, places.p),
      go("inbox", words.inbox, places.i),
      ...(project ? [go("episodes", words.episodes, routes.project(project))] : []),
      ...("a" in places ? [go("activity", words.activity, places.a)] : []),
      ...(project ? [go("import", words.importTitle, routes.importing(project))] : []),
      go("settings", words.settings, places.s),
      { id: "undo", label: words.undo, hint: "Ctrl Z", run: undoLast },
      { id: "redo", label: words.redo, hint: "Ctrl Shift Z", run: redoLast },
      { id: "keys", label: words.shortcuts, hint: "?", run: () => setOpen("keys") },
    ];
  }, [words, navigate, places, project, undoLast, redoLast]);

  const latest = useRef({ navigate, places, undoLast, redoLast });
  latest.current = { navigate, places, undoLast, redoLast };
  useEffect(() => {
    let began = 0;
    const onKey = (event: KeyboardEvent) => {
      const command = event.ctrlKey || event.metaKey;
      const inDialog = document.querySelector("dialog[open]") !== null;
      if (command && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (!inDialog) setOpen("palette");
        return;
      }
      if (command && !event.altKey && event.key.toLowerCase() === "z" && !isTyping(event) && !inDialog) {
        event.preventDefault();
        if (event.shiftKey) latest.current.redoLast();
        else latest.current.undoLast();
        return;
      }
      if (event.defaultPrevented || inDialog || !isCommandKey(event)) return;
      if (event.key === "?") setOpen("keys");
      else if (event.key === "g") {
        began = performance.now();
        return;
      } else if (performance.now() - began < SEQUENCE_MS) {
        const to = (latest.current.places as Readonly<Record<string, string>>)[event.key];
        began = 0;
        if (to === undefined) return;
        latest.current.navigate(to);
      } else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);

  return (
    <Context value={registry}>
      {children}
      {open === "palette" ? (
        <Palette commands={[...lists.flat(), ...general]} onClose={() => setOpen(null)} />
      ) : null}
      {open === "keys" ? <Keys onClose={() => setOpen(null)} /> : null}
    </Context>
  );
}

export function PaletteButton() {
  const words = useWords();
  const registry = useContext(Context);
  return (
    <Button className={css.palette} onClick={() => registry?.open()}>
      <Search size={16} aria-hidden className={css.icon} />
      <span className={css.long}>{words.palette}</span> <kbd>Ctrl K</kbd>
    </Button>
  );
}

/** Compatibility forms and case do not matter: full-width letters find their ASCII ones. */
function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

export function matching(commands: readonly Command[], typed: string): readonly Command[] {
  const wanted = folded(typed).split(/\s+/).filter(Boolean);
  return commands.filter(({ label }) => wanted.every((word) => folded(label).includes(word)));
}

function Palette({
  commands,
  onClose,
}: {
  readonly commands: readonly Command[];
  readonly onClose: () => void;
}) {
  const words = useWords();
  const id = useId();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const found = matching(commands, typed);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => {
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [id, chosen]);
  const run = (command: Command | undefined) => {
    if (command === undefined) return;
    onClose();
    // After the dialog has given the focus back, so that the command may move it.
    queueMicrotask(command.run);
  };
  const onKey = (event: ReactKeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Enter") run(found[chosen]);
    else if (step !== 0 && found.length > 0) setAt((chosen + step + found.length) % found.length);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={words.palette} onClose={onClose}>
      <input
        className={ui.input}
        role="combobox"
        aria-label={words.palette}
        aria-expanded
        aria-controls={`${id}-list`}
        aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
        dir="auto"
        autoFocus
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <div role="listbox" id={`${id}-list`} aria-label={words.palette} tabIndex={-1} className={css.commands}>
        {found.map((command, n) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the field
          <div
            key={command.id}
            id={`${id}-${n}`}
            role="option"
            aria-selected={n === chosen}
            className={css.command}
            onClick={() => run(command)}
          >
            <span dir="auto">{command.label}</span>
            {command.hint ? <kbd>{command.hint}</kbd> : null}
          </div>
        ))}
      </div>
      {found.length === 0 ? <p className={ui.hint}>{words.nothingFound}</p> : null}
    </Dialog>
  );
}

function Keys({ onClose }: { readonly onClose: () => void }) {
  const words = useWords();
  return (
    <Dialog title={words.shortcuts} onClose={onClose} className={css.keys ?? ""}>
      <KeyList />
      <Button onClick={onClose}>{words.close}</Button>
    </Dialog>
  );
}

export function KeyList() {
  const words = useWords();
  return (
    <div className={css.keyGroups}>
      {keyGroups(words).map(({ where, keys }) => (
        <section key={where}>
          <h3>{where}</h3>
          <dl className={css.keyList}>
            {keys.map(([key, does]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}
