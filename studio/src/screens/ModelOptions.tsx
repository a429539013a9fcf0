/** Models as options of a `<select>`: one that cannot be used says why. */

import type { Schemas } from "../api/client";

export function ModelOptions({
  models,
  chosen,
}: {
  readonly models: readonly Schemas["Model"][];
  readonly chosen: string;
}) {
  return (
    <>
      {chosen && !models.some((m) => m.slug === chosen) ? <option value={chosen}>{chosen}</option> : null}
      {models.map((m) => (
        <option key={m.slug} value={m.slug} disabled={!m.usable}>
          {m.title} ({m.slug}){m.usable ? "" : ` – ${m.unusable_reason ?? ""}`}
        </option>
      ))}
    </>
  );
}
