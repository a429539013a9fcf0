/** What a refusal means for the person who meets it, and what they can do: by kind, in the page's language. */

import type { Problem } from "../api/problems";
import { money } from "../language/format";
import type { Words } from "../language/words";

interface Money {
  readonly amount: string;
  readonly currency: string;
}

/** The sentence that is shown. Where the page has no better words, the gateway's own. */
export function refusalText(problem: Problem, words: Words, language: string): string {
  const { status, slug, extensions } = problem;
  const own = [
    problem.message,
    ...problem.errors.map((e) => [e.pointer, e.detail].filter(Boolean).join(": ")),
  ];
  switch (status) {
    case 0:
      return words.refusals.unreachable;
    case 402: {
      const { cap, spent } = extensions as { cap?: Money & { period?: string }; spent?: Money };
      if (cap === undefined) return problem.message;
      const period = cap.period === "total" ? words.periods.total : words.periods.month;
      return words.refusals.spendCap(money(spent, language), `${money(cap, language)} ${period}`);
    }
    case 403: {
      const needed = extensions.required_role;
      return isRole(needed, words) ? words.refusals.role(words.roles[needed]) : problem.message;
    }
    case 410:
      return slug === "link-expired" ? words.refusals.linkExpired : words.refusals.gone(problem.detail);
    case 412:
      return words.refusals.changed;
    case 429:
      return words.refusals.tooMany;
    case 503:
      return words.refusals.unavailable(problem.detail);
    default:
      return own.filter(Boolean).join(" ");
  }
}

/** When the same request may be sent again, in ms of `Date.now()`; null: a repetition would be refused, too. */
export function againAt(problem: Problem, now = Date.now()): number | null {
  if (!problem.isTransient) return null;
  return now + (problem.retryAfterMs ?? 5000);
}

function isRole(value: unknown, words: Words): value is keyof Words["roles"] {
  return typeof value === "string" && value in words.roles;
}
