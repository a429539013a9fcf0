/** Any two kept versions of an asset: seen on one clock, and what differs between their settings. */

import { useQuery } from "@tanstack/react-query";
import { Link, useLocation, useSearch } from "wouter";
import type { Schemas } from "../../api/client";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { compareSearch, routes } from "../../app/routes";
import { score } from "../../language/format";
import { ComparePlayer } from "../../media/ComparePlayer";
import { isCompareMode } from "../../media/compare";
import { Empty, SelectField, Skeleton, ui } from "../../ui/ui";
import { playableOf } from "../playable";
import css from "./compare.module.css";

interface CompareScreenProps {
  readonly projectId: string;
  readonly episodeId: string;
  readonly assetId: string;
}

export function CompareScreen({ projectId, episodeId, assetId }: CompareScreenProps) {
  const words = useWords();
  const { api, language } = useApp();
  const [, navigate] = useLocation();
  const search = compareSearch(useSearch());
  const versions = useQuery({
    queryKey: ["versions", assetId],
    queryFn: async () =>
      (await api.GET("/api/v1/assets/{asset_id}/versions", { params: { path: { asset_id: assetId } } })).data
        ?.data ?? [],
  });
  // Only the preview dialog plays what still waits for a decision.
  const kept = (versions.data ?? []).filter((v) => v.url !== null && v.status !== "preview");
  const a = kept.find((v) => v.id === search.a) ?? kept.find((v) => v.committed) ?? kept[0];
  const b = kept.find((v) => v.id === search.b) ?? kept.find((v) => v.id !== a?.id);
  const mode = isCompareMode(search.m) ? search.m : "wipe";
  const go = (next: Partial<typeof search>) =>
    navigate(routes.compare(projectId, episodeId, assetId, { ...search, a: a?.id, b: b?.id, ...next }), {
      replace: true,
    });
  const back = routes.episode(projectId, episodeId, { s: a?.segment_id ?? undefined, k: a?.kind });

  if (versions.isPending) return <Skeleton page label={words.loading} lines={10} />;
  if (versions.error) return <Refused error={versions.error} onAgain={versions.refetch} automatic />;
  if (!a || !b) {
    return (
      <Empty page title={words.compareNeedsTwo}>
        <Link href={back}>{words.timeline}</Link>
      </Empty>
    );
  }
  const choice = (label: string, value: string, key: "a" | "b") => (
    <SelectField label={label} value={value} onChange={(event) => go({ [key]: event.currentTarget.value })}>
      {kept.map((v) => (
        <option key={v.id} value={v.id}>
          {nameOf(v, words)} {overall(v, language)}
        </option>
      ))}
    </SelectField>
  );
  return (
    <div className={ui.stack}>
      <header className={`${ui.row} ${ui.spread}`}>
        <h1>{words.compareVersions}</h1>
        <Link href={back}>{words.timeline}</Link>
      </header>
      <div className={css.choices}>
        {choice("A", a.id, "a")}
        {choice("B", b.id, "b")}
      </div>
      <ComparePlayer
        key={`${a.id} ${b.id}`}
        a={{ media: playableOf(a), label: nameOf(a, words) }}
        b={{ media: playableOf(b), label: nameOf(b, words) }}
        mode={mode}
        onMode={(m) => go({ m })}
        words={words}
        from={Number(search.t) || 0}
        onRest={(seconds) => go({ t: seconds.toFixed(3) })}
        onExpired={() => void versions.refetch()}
      />
      <Differences assetId={assetId} a={a} b={b} />
    </div>
  );
}

type VersionProps = { readonly a: Schemas["Version"]; readonly b: Schemas["Version"] };

function Differences({ assetId, a, b }: VersionProps & { readonly assetId: string }) {
  const words = useWords();
  const { api } = useApp();
  const comparison = useQuery({
    queryKey: ["compare", assetId, a.id, b.id],
    queryFn: async () =>
      (
        await api.GET("/api/v1/assets/{asset_id}/compare", {
          params: { path: { asset_id: assetId }, query: { versions: `${a.id},${b.id}` } },
        })
      ).data?.differences ?? [],
    enabled: a.id !== b.id,
  });
  if (comparison.error) return <Refused error={comparison.error} onAgain={comparison.refetch} automatic />;
  if (comparison.isPending && a.id !== b.id) return <Skeleton page label={words.loading} />;
  const differences = comparison.data ?? [];
  return (
    <section className={ui.stack}>
      <h2>{words.whatDiffers}</h2>
      {differences.length === 0 ? (
        <p>{words.nothingDiffers}</p>
      ) : (
        <table className={css.differences}>
          <thead>
            <tr>
              <th scope="col">{words.field}</th>
              <th scope="col">A, v{a.number}</th>
              <th scope="col">B, v{b.number}</th>
            </tr>
          </thead>
          <tbody>
            {differences.map(({ field, values }) => (
              <tr key={field}>
                <th scope="row">{words.fields[field] ?? field.replaceAll("_", " ").replaceAll(".", ": ")}</th>
                {[0, 1].map((side) => (
                  <td key={side} dir="auto">
                    {shown(values[side])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function nameOf(version: Schemas["Version"], words: ReturnType<typeof useWords>): string {
  const status = version.committed ? words.committed : words.versionStatus[version.status];
  return `v${version.number}, ${status ?? version.status}`;
}

function overall(version: Schemas["Version"], language: string): string {
  const metrics = version.quality_metrics as Readonly<Record<string, number | null>>;
  return score(metrics.overall_score, language) ?? "";
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
