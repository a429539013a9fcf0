/** Short messages at the edge of the page: what happened, and one thing to do about it. They never take the focus. */

import { useEffect, useRef } from "react";
import { Countdown } from "./Countdown";
import css from "./toasts.module.css";
import { Button } from "./ui";

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "muted" | "bad";
  /** It stays until then. */
  readonly countdown: { readonly until: number; readonly text: (seconds: number) => string } | null;
  readonly action: { readonly label: string; readonly run: () => void } | null;
}

const SHOWN_MS = 8000;

export function Toasts({
  toasts,
  label,
  closeLabel,
  onClose,
}: {
  readonly toasts: readonly Toast[];
  readonly label: string;
  readonly closeLabel: string;
  readonly onClose: (id: number) => void;
}) {
  const region = useRef<HTMLElement>(null);
  const newest = toasts.at(-1)?.id;
  useEffect(() => {
    // Shown anew, it lies above a dialog that was opened meanwhile.
    region.current?.hidePopover();
    if (newest !== undefined) region.current?.showPopover();
  }, [newest]);
  return (
    <section ref={region} popover="manual" className={css.toasts} aria-label={label}>
      {toasts.map((toast) => (
        <Shown key={toast.id} toast={toast} closeLabel={closeLabel} onClose={onClose} />
      ))}
    </section>
  );
}

function Shown({
  toast,
  closeLabel,
  onClose,
}: {
  readonly toast: Toast;
  readonly closeLabel: string;
  readonly onClose: (id: number) => void;
}) {
  const { id, action, countdown } = toast;
  const until = countdown?.until ?? 0;
  const over = useRef(false);
  useEffect(() => {
    // One whose button the pointer is over, or that has the focus, is being used.
    const timer = setInterval(() => {
      if (!over.current && Date.now() >= until) onClose(id);
    }, SHOWN_MS);
    return () => clearInterval(timer);
  }, [id, until, onClose]);
  const reading = (now: boolean) => () => {
    over.current = now;
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: reading keeps it; nothing is done by it
    <div
      className={css.toast}
      data-tone={toast.tone}
      onPointerEnter={reading(true)}
      onPointerLeave={reading(false)}
      onFocus={reading(true)}
      onBlur={reading(false)}
    >
      <p dir="auto">
        {toast.text} {countdown ? <Countdown {...countdown} /> : null}
      </p>
      {action ? (
        <Button
          onClick={() => {
            onClose(id);
            action.run();
          }}
        >
          {action.label}
        </Button>
      ) : null}
      <Button look="quiet" aria-label={closeLabel} onClick={() => onClose(id)}>
        ×
      </Button>
    </div>
  );
}
