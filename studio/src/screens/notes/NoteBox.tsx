/** A box over the picture: shown for a note, drawn by pointer or moved by keys while a note is written. */

import { type CSSProperties, type PointerEvent, useRef } from "react";
import { type Box, between, nudged } from "./box";
import css from "./notes.module.css";

interface NoteBoxProps {
  readonly box: Box | null;
  /** How the keys move it, for screen readers. */
  readonly label: string;
  /** null: it is only shown. */
  readonly onChange: ((box: Box) => void) | null;
}

export function NoteBox({ box, label, onChange }: NoteBoxProps) {
  const from = useRef<readonly [number, number] | null>(null);
  const share = (event: PointerEvent<HTMLElement>): readonly [number, number] => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  };
  const place: CSSProperties | undefined = box
    ? {
        left: `${box.x * 100}%`,
        top: `${box.y * 100}%`,
        width: `${box.width * 100}%`,
        height: `${box.height * 100}%`,
      }
    : undefined;
  return (
    <div
      className={css.over}
      data-drawing={onChange !== null || undefined}
      onPointerDown={(event) => {
        if (onChange === null || event.button !== 0) return;
        event.preventDefault();
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = share(event);
      }}
      onPointerMove={(event) => {
        if (from.current !== null) onChange?.(between(from.current, share(event)));
      }}
      onPointerUp={() => {
        from.current = null;
      }}
      onPointerCancel={() => {
        from.current = null;
      }}
    >
      {box && onChange ? (
        <button
          type="button"
          className={css.box}
          style={place}
          aria-label={label}
          onKeyDown={(event) => {
            const next = nudged(box, event.key, event.shiftKey);
            if (next === null) return;
            event.preventDefault();
            event.stopPropagation();
            onChange(next);
          }}
        />
      ) : box ? (
        <i className={css.box} style={place} aria-hidden />
      ) : null}
    </div>
  );
}
