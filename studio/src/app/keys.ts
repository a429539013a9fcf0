/** Keys of the whole page: which of them count, and which there are. */

import type { Words } from "../language/words";

const OFF_KEY = "retake-single-keys";
/** The second key of `g p` has to come this soon. */
export const SEQUENCE_MS = 1500;

/** Whether this key is text, or belongs to the control that has the focus. */
export function isTyping(event: {
  readonly target: EventTarget | null;
  readonly isComposing: boolean;
}): boolean {
  if (event.isComposing) return true;
  const { target } = event;
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    target.matches("input:not([type=range], [type=radio], [type=checkbox], [type=button]), textarea, select")
  );
}

/** Keys without modifiers can be switched off (WCAG 2.1.4): who dictates would press them by speaking. */
export function singleKeysOn(): boolean {
  return localStorage.getItem(OFF_KEY) !== "off";
}

export function setSingleKeys(on: boolean): void {
  if (on) localStorage.removeItem(OFF_KEY);
  else localStorage.setItem(OFF_KEY, "off");
}

/** Whether a single key counts as a command. */
export function isCommandKey(event: KeyboardEvent): boolean {
  return singleKeysOn() && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event);
}

export interface KeyGroup {
  readonly where: string;
  readonly keys: readonly (readonly [keys: string, does: string])[];
}

export function keyGroups(words: Words): readonly KeyGroup[] {
  const k = words.keys;
  return [
    {
      where: k.everywhere,
      keys: [
        ["Ctrl K", words.palette],
        ["?", words.shortcuts],
        ["Ctrl Z", words.undo],
        ["Ctrl Shift Z", words.redo],
        ["g p", words.projects],
        ["g i", words.inbox],
        ["g a", words.activity],
        ["g s", words.settings],
      ],
    },
    {
      where: k.players,
      keys: [
        ["Space", `${words.play}, ${words.pause}`],
        [", .", k.frames],
        ["← →", k.seconds],
        ["Home End", k.ends],
        ["I O \\", k.range],
        ["- =", words.speed],
        ["J K L", k.shuttle],
        ["M", words.note.addHere],
        ["S", words.mute],
        ["F", words.fullscreen],
      ],
    },
    {
      where: words.timeline,
      keys: [
        ["← →", k.select],
        ["Alt Shift ← →", k.move],
        ["Space", k.pick],
        ["Shift ← →, Ctrl A", k.selectMany],
        ["T", words.transition],
        ["Delete", words.deleteSegment],
      ],
    },
    {
      where: words.preview,
      keys: [
        ["A", words.approve],
        ["R", words.reject],
        ["G", words.regenerateEllipsis],
        ["J K", k.nextPrevious],
        ["C", k.compare],
        ["X", words.compareMode],
        ["1–5", words.rating],
        ["Ctrl Enter", k.send],
        ["Esc", words.decideLater],
      ],
    },
  ];
}
