/** The page's primitives. They know nothing of Retake. */

import {
  type ButtonHTMLAttributes,
  type InputHTMLAttributes,
  type KeyboardEvent,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
  useLayoutEffect,
  useRef,
} from "react";
import css from "./ui.module.css";

export { css as ui };

export function classes(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}

type ButtonProps = Omit<ButtonHTMLAttributes<HTMLButtonElement>, "disabled"> & {
  readonly look?: "primary" | "quiet" | "bad" | undefined;
  /** Why it cannot be used now; it stays focusable, so that the reason can be read. */
  readonly disabledReason?: string | null | false;
};

export function Button({
  look,
  disabledReason,
  className,
  onClick,
  type = "button",
  title,
  ...rest
}: ButtonProps) {
  const disabled = Boolean(disabledReason);
  return (
    <button
      {...rest}
      type={type}
      aria-disabled={disabled || undefined}
      title={disabledReason || title}
      className={classes(css.button, look && css[look], className)}
      onClick={(event) => {
        if (disabled) event.preventDefault();
        else onClick?.(event);
      }}
    />
  );
}

interface Labelled {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
}

export function TextField({ label, hint, ...rest }: Labelled & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className={css.field}>
      <label className={css.label} htmlFor={id}>
        {label}
      </label>
      <input
        id={id}
        className={css.input}
        dir="auto"
        {...rest}
        aria-describedby={hint ? `${id}-hint` : undefined}
      />
      {hint ? (
        <span id={`${id}-hint`} className={css.hint}>
          {hint}
        </span>
      ) : null}
    </div>
  );
}

export function TextArea({ label, hint, ...rest }: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <div className={css.field}>
      <label className={css.label} htmlFor={id}>
        {label}
      </label>
      <textarea
        id={id}
        className={css.input}
        dir="auto"
        rows={4}
        {...rest}
        aria-describedby={hint ? `${id}-hint` : undefined}
      />
      {hint ? (
        <span id={`${id}-hint`} className={css.hint}>
          {hint}
        </span>
      ) : null}
    </div>
  );
}

export function SelectField({
  label,
  hint,
  children,
  ...rest
}: Labelled & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return (
    <div className={css.field}>
      <label className={css.label} htmlFor={id}>
        {label}
        {hint ? <span className={css.hint}>{hint}</span> : null}
      </label>
      <select id={id} className={css.input} {...rest}>
        {children}
      </select>
    </div>
  );
}

/** Nothing to show, and what to do about it. `page`: it is all that the page shows, so its title is the heading. */
export function Empty({
  title,
  hint,
  page = false,
  children,
}: {
  readonly title: string;
  readonly hint?: string;
  readonly page?: boolean;
  readonly children?: ReactNode;
}) {
  return (
    <div className={css.empty}>
      {page ? <h1>{title}</h1> : <strong>{title}</strong>}
      {hint ? <p>{hint}</p> : null}
      {children}
    </div>
  );
}

/** `tone` gives its colour; the words carry the meaning. `assertive`: an error of one's own action. */
export function Notice({
  tone,
  assertive = false,
  children,
}: {
  readonly tone: "ok" | "warn" | "bad" | "muted";
  readonly assertive?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <div className={css.notice} data-tone={tone} role={assertive ? "alert" : undefined}>
      {children}
    </div>
  );
}

/** Why something was refused, said at once; nothing while it was not. */
export function RefusalNotice({ text }: { readonly text: string | null | undefined }) {
  return text ? (
    <Notice tone="bad" assertive>
      {text}
    </Notice>
  ) : null;
}

/** A placeholder of the final size, so that nothing moves when the content comes. `page`: nothing else is shown. */
export function Skeleton({
  label,
  lines = 3,
  page = false,
}: {
  readonly label: string;
  readonly lines?: number;
  readonly page?: boolean;
}) {
  return (
    <div role="status" aria-label={label} className={css.stack}>
      {page ? <h1 className={css.hiddenText}>{label}</h1> : null}
      {Array.from({ length: lines }, (_, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are alike and never move
        <div key={n} className={css.skeleton}>
          &nbsp;
        </div>
      ))}
    </div>
  );
}

/** A modal dialog; Escape calls `onClose`, which decides nothing else. `aside`: beside its title. */
export function Dialog({
  title,
  aside,
  onClose,
  onKeyDown,
  className,
  children,
}: {
  readonly title: string;
  readonly aside?: ReactNode;
  readonly onClose: () => void;
  /** Of the whole dialog, its title included: that has the focus at first. */
  readonly onKeyDown?: (event: KeyboardEvent) => void;
  readonly className?: string;
  readonly children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  // Before the dialog leaves the page: only closing gives the focus back to where it was.
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) {
      // The field that it was opened to fill in; a closed dialog takes no focus, so `autoFocus` comes too early.
      const wanted =
        dialog.querySelector("form :is(input, textarea, select), [role=combobox]") ?? heading.current;
      dialog.showModal();
      // Where nothing asks for the focus, the heading has it: what opened is read first, and no key decides by chance.
      if (wanted instanceof HTMLElement) wanted.focus();
    }
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      className={classes(css.dialog, className)}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={onKeyDown}
    >
      <header className={css.dialogHead}>
        <h2 ref={heading} id={id} tabIndex={-1} className={css.heading}>
          {title}
        </h2>
        {aside}
      </header>
      {children}
    </dialog>
  );
}
