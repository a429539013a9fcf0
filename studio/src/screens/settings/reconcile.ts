/** What is to be saved, where somebody else saved the same settings meanwhile. Three values each: as read, mine, theirs. */

type Json = Readonly<Record<string, unknown>>;

export interface Difference {
  /** Names of the API, from the section inwards: `["output", "width"]`. */
  readonly path: readonly string[];
  readonly mine: string;
  readonly theirs: string;
}

export interface Reconciled<Changes> {
  /** Only what I changed. What I left as it was stays as they have it. */
  readonly changes: Changes;
  /** What both changed, to something else. Without any, the changes can be sent over theirs. */
  readonly differences: readonly Difference[];
}

/** `changes` is a merge patch over sections; what is no section (a spend cap, a list, a text) is one value. */
export function reconcile<Changes extends object>(
  changes: Changes,
  read: object,
  now: object,
): Reconciled<Changes> {
  const [mine, base, theirs] = [changes as Json, read as Json, now as Json];
  const left: Record<string, unknown> = {};
  const differences: Difference[] = [];
  const compare = (path: readonly string[], my: unknown, was: unknown, their: unknown): boolean => {
    if (same(my, was)) return false;
    if (!same(their, was) && !same(their, my)) {
      differences.push({ path, mine: plain(my), theirs: plain(their) });
    }
    return true;
  };
  for (const [name, value] of Object.entries(mine)) {
    if (!isSection(name, value)) {
      if (compare([name], value, base[name], theirs[name])) left[name] = value;
      continue;
    }
    const [was, their] = [sectionOf(base[name]), sectionOf(theirs[name])];
    const changed = Object.entries(value).filter(([key, my]) =>
      compare([name, key], my, was[key], their[key]),
    );
    if (changed.length > 0) left[name] = Object.fromEntries(changed);
  }
  return { changes: left as Changes, differences };
}

/** The gateway puts a cap as a whole. */
function isSection(name: string, value: unknown): value is Json {
  return name !== "spend_cap" && isObject(value);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sectionOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

/** Nothing, and what is not there, are the same. */
function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, part]) => part !== null && part !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(entries.map(([name, part]) => [name, canonical(part)]));
}

/** A value in one line, without its names: "24", "10.00 USD month", "Mia: red coat; Tom". */
function plain(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(plain).filter(Boolean).join("; ");
  if (isObject(value)) {
    return Object.values(value)
      .filter((part) => typeof part === "string" || typeof part === "number")
      .join(" ");
  }
  return String(value);
}
