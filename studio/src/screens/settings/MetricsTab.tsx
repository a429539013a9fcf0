/** How well the project goes, beside the targets. A measure without data says so. */

import { useQuery } from "@tanstack/react-query";
import { useApp, useWords } from "../../app/context";
import { Notice, Skeleton } from "../../ui/ui";
import css from "./settings.module.css";

const MEASURES = [
  "first_time_approval_rate",
  "regeneration_rate",
  "mean_rating",
  "seconds_to_film",
  "mean_film_rating",
] as const;

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
  if (metrics.error) return <Notice tone="bad">{metrics.error.message}</Notice>;
  if (!metrics.data) return <Skeleton label={words.loading} lines={5} />;
  const { data } = metrics;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  const shown = (name: string, value: number) =>
    name.endsWith("_rate") ? percent.format(value) : number.format(value);
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col">{words.measure}</th>
          <th scope="col">{words.now}</th>
          <th scope="col">{words.target}</th>
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
              <td>{target === undefined ? "–" : shown(name, target)}</td>
            </tr>
          );
        })}
        <tr>
          <th scope="row">{words.measures.segments_reviewed}</th>
          <td>{data.segments_reviewed}</td>
          <td>–</td>
        </tr>
        <tr>
          <th scope="row">{words.films}</th>
          <td>{data.films}</td>
          <td>–</td>
        </tr>
      </tbody>
    </table>
  );
}
