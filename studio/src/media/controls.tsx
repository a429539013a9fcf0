/** The buttons that every player has. `shortcut` is the key that does the same, where one does. */

import { ChevronLeft, ChevronRight, Pause, Play, Repeat, Volume2, VolumeX } from "lucide-react";
import type { Words } from "../language/words";
import { Button } from "../ui/ui";

interface ControlProps {
  readonly words: Words;
  readonly onClick: () => void;
  readonly shortcut?: string;
}

function titled(text: string, shortcut: string | undefined): string | undefined {
  return shortcut === undefined ? undefined : `${text} (${shortcut})`;
}

export function PlayButton({
  words,
  onClick,
  shortcut,
  playing,
}: ControlProps & { readonly playing: boolean }) {
  const text = playing ? words.pause : words.play;
  return (
    <Button aria-label={text} title={titled(text, shortcut)} onClick={onClick}>
      {playing ? <Pause size={16} aria-hidden /> : <Play size={16} aria-hidden />}
    </Button>
  );
}

/** One frame back (`by` -1) or forward (1). */
export function StepButton({ words, onClick, shortcut, by }: ControlProps & { readonly by: -1 | 1 }) {
  const text = by < 0 ? words.frameBack : words.frameForward;
  return (
    <Button look="quiet" aria-label={text} title={titled(text, shortcut)} onClick={onClick}>
      {by < 0 ? <ChevronLeft size={16} aria-hidden /> : <ChevronRight size={16} aria-hidden />}
    </Button>
  );
}

export function LoopButton({ words, onClick, loop }: ControlProps & { readonly loop: boolean }) {
  return (
    <Button look="quiet" aria-pressed={loop} aria-label={words.loop} title={words.loop} onClick={onClick}>
      <Repeat size={16} aria-hidden />
    </Button>
  );
}

export function MuteButton({ words, onClick, shortcut, muted }: ControlProps & { readonly muted: boolean }) {
  const text = muted ? words.unmute : words.mute;
  return (
    <Button look="quiet" aria-label={text} title={titled(text, shortcut)} onClick={onClick}>
      {muted ? <VolumeX size={16} aria-hidden /> : <Volume2 size={16} aria-hidden />}
    </Button>
  );
}
