/** Gives the focus on before the control that has it goes away. Without a target it stays. */
export function passFocus(target: Element | null | undefined): void {
  if (target instanceof HTMLElement) target.focus();
}
