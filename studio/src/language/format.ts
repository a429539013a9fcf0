/** Numbers, times and durations for people. */

import type { Words } from "./words";

/** `00:00:02:11`: hours, minutes, seconds, frames. */
export function timecode(seconds: number, fps: number): string {
  const frames = Math.max(0, Math.round(seconds * fps));
  const rate = Math.max(1, Math.round(fps));
  const whole = Math.floor(frames / rate);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60, frames % rate];
  return parts.map((n) => String(n).padStart(2, "0")).join(":");
}

/** `1:02.46`: minutes, seconds and hundredths. */
export function seconds(count: number): string {
  const hundredths = Math.max(0, Math.round(count * 100));
  const whole = Math.floor(hundredths / 100);
  return `${Math.floor(whole / 60)}:${pad(whole % 60)}.${pad(hundredths % 100)}`;
}

/** `0:52`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

export function bytes(count: number, language: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
  const power = count > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(count) / 3)) : 0;
  const unit = units[power] ?? "byte";
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: power > 1 ? 1 : 0,
  }).format(count / 1000 ** power);
}

export function money(
  value: { amount: string; currency: string } | null | undefined,
  language: string,
): string {
  if (!value) return "–";
  return new Intl.NumberFormat(language, { style: "currency", currency: value.currency }).format(
    Number(value.amount),
  );
}

interface Costs {
  readonly actual: Money | null;
  readonly estimated: Money | null;
  readonly at_least?: Money | null;
  readonly at_most?: Money | null;
  readonly reason?: string | null;
}

interface Money {
  readonly amount: string;
  readonly currency: string;
}

/** What it cost; where that is not known, why, and between what it lies. */
export function costText(cost: Costs, words: Words, language: string): string {
  if (!cost.reason) return money(cost.actual ?? cost.estimated, language);
  const [least, most] = [cost.at_least, cost.at_most].map((m) => m && money(m, language));
  const span =
    least && most
      ? words.costBetween(least, most)
      : least
        ? words.costAtLeast(least)
        : most
          ? words.costAtMost(most)
          : null;
  return [words.costUnknown(cost.reason), span].filter(Boolean).join("; ");
}

export function time(at: string, language: string): string {
  return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" }).format(new Date(at));
}

export function dateTime(at: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

export function score(value: number | null | undefined, language: string): string | null {
  if (value === null || value === undefined) return null;
  return new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(
    value,
  );
}

/** Code points, as the gateway counts them. */
export function length(text: string): number {
  return [...text].length;
}

function pad(n: number): string {
  return String(n).padStart(2, "0");
}
