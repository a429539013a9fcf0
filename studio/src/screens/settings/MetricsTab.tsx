/** How well the project goes, beside the targets. A measure without data says so. */

import { useQuery } from "@tanstack/react-query";
import { Check, X } from "lucide-react";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { Skeleton } from "../../ui/ui";
import css from "./settings.module.css";

const MEASURES = [
  "first_time_approval_rate",
  "regeneration_rate",
  "mean_rating",
  "seconds_to_film",
  "mean_film_rating",
  "recompilation_rate",
  "generation_seconds_per_5s",
] as const;

/** Of these, less is better: their target is a maximum. */
const MOST: ReadonlySet<string> = new Set([
  "regeneration_rate",
  "seconds_to_film",
  "generation_seconds_per_5s",
]);

export function MetricsTab({ projectId }: { readonly projectId: string }) {
  const words = useWords();
  const { api, language } = useApp();
  const metrics = useQuery({
    queryKey: ["metrics", projectId],
    queryFn: async () =>
      (
        await api.GET("/api/v1/projects/{project_id}/metrics", {
          params: { path: { project_id: projectId } },
        })
      ).data ?? null,
  });
  if (metrics.error) return <Refused error={metrics.error} onAgain={metrics.refetch} automatic />;
  if (!metrics.data) return <Skeleton label={words.loading} lines={5} />;
  const { data } = metrics;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  const shown = (name: string, value: number) =>
    name.endsWith("_rate") ? percent.format(value) : number.format(value);
  const verdict = (met: boolean | null | undefined) =>
    met === undefined ? (
      "–"
    ) : met === null ? (
      <span className={css.verdict}>{words.noneYet}</span>
    ) : (
      <span className={css.verdict} data-met={met}>
        {met ? <Check size={14} aria-hidden /> : <X size={14} aria-hidden />} {met ? words.met : words.notMet}
      </span>
    );
  const reach = (name: string, value: number) =>
    (MOST.has(name) ? words.atMost : words.atLeast)(shown(name, value));
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col">{words.measure}</th>
          <th scope="col">{words.now}</th>
          <th scope="col">{words.target}</th>
          <th scope="col">{words.met}</th>
        </tr>
      </thead>
      <tbody>
        {MEASURES.map((name) => {
          const value = data[name];
          const target = data.targets[name];
          return (
            <tr key={name}>
              <th scope="row">{words.measures[name]}</th>
              <td>{value === null ? words.notMeasured : shown(name, value)}</td>
              <td>{target === undefined ? "–" : reach(name, target)}</td>
              <td>{verdict(data.met[name])}</td>
            </tr>
          );
        })}
        <tr>
          <th scope="row">{words.measures.segments_reviewed}</th>
          <td>{data.segments_reviewed}</td>
          <td>–</td>
          <td>–</td>
        </tr>
        <tr>
          <th scope="row">{words.films}</th>
          <td>{data.films}</td>
          <td>–</td>
          <td>–</td>
        </tr>
      </tbody>
    </table>
  );
}
