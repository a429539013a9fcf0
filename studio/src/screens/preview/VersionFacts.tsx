/** What is known of a version, beside the player that shows it. */

import type { Schemas } from "../../api/client";
import { useWords } from "../../app/context";
import { costText, score } from "../../language/format";
import { ui } from "../../ui/ui";
import css from "./preview.module.css";

interface VersionFactsProps {
  readonly version: Schemas["Version"];
  readonly committed: Schemas["Version"] | null;
  readonly segment: Schemas["Segment"] | undefined;
  readonly language: string;
}

/** Everything R42 asks for beside the player: each quality metric, or why it is missing. */
export function VersionFacts({ version, committed, segment, language }: VersionFactsProps) {
  const words = useWords();
  const metrics = version.quality_metrics as Readonly<Record<string, number | null>>;
  const missing = version.unmeasured as Readonly<Record<string, string>>;
  const before = (committed?.quality_metrics ?? {}) as Readonly<Record<string, number | null>>;
  const scene = [segment?.scene_info.location, segment?.scene_info.description].filter(Boolean).join(". ");
  const asked = version.settings as Readonly<Record<string, { value?: unknown; source?: string }>>;
  const facts: [string, string | null][] = [
    [words.model, version.model],
    [words.duration, version.duration === null ? null : `${version.duration.toFixed(2)} s`],
    [words.resolution, version.resolution],
    [words.aspectRatio, version.aspect_ratio],
    [words.seed, version.seed === null ? null : String(version.seed)],
    [words.cost, costText(version.cost, words, language)],
  ];
  return (
    <div className={css.facts}>
      <section>
        <h3>{words.directions[version.kind]}</h3>
        <p dir="auto" className={css.directions}>
          {version.directions}
        </p>
      </section>
      <dl className={css.list}>
        {facts.map(([name, value]) =>
          value ? (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ) : null,
        )}
        {(version.differences ?? []).map((difference) => (
          <div key={difference.field} data-differs>
            <dt>{words.fields[difference.field] ?? difference.field}</dt>
            <dd>
              {words.difference(
                measureText(difference.field, difference.asked),
                measureText(difference.field, difference.made),
              )}
            </dd>
          </div>
        ))}
      </dl>
      {Object.keys(asked).length > 0 ? (
        <details>
          <summary>{words.whereSettings}</summary>
          <dl className={css.list}>
            {Object.entries(asked).map(([name, { value, source }]) => (
              <div key={name}>
                <dt>{words.fields[name] ?? words.parameters[name] ?? name.replaceAll("_", " ")}</dt>
                <dd dir="auto">
                  {value === null || value === undefined ? "–" : String(value)}{" "}
                  <span className={ui.hint}>
                    {words.fromSource(words.sources[source ?? ""] ?? source ?? "–")}
                  </span>
                </dd>
              </div>
            ))}
          </dl>
        </details>
      ) : null}
      <section>
        <h3>{words.quality}</h3>
        <dl className={css.list}>
          {[...new Set([...Object.keys(metrics), ...Object.keys(missing)])].filter(isMeasure).map((name) => {
            const value = score(metrics[name], language);
            const earlier = score(before[name], language);
            return (
              <div key={name}>
                <dt>{words.qualityMetrics[name] ?? name.replaceAll("_", " ")}</dt>
                <dd>
                  {value ?? missing[name] ?? words.notMeasured}
                  {earlier && value ? (
                    <span className={ui.hint}>
                      {" "}
                      (v{committed?.number}: {earlier})
                    </span>
                  ) : null}
                </dd>
              </div>
            );
          })}
        </dl>
      </section>
      {segment &&
      (scene || segment.scene_info.characters.length > 0 || segment.style || segment.characters) ? (
        <section>
          <h3>{words.scene}</h3>
          {scene ? <p dir="auto">{scene}</p> : null}
          {segment.scene_info.characters.length > 0 ? (
            <p dir="auto">
              {words.characters}: {segment.scene_info.characters.join(", ")}
            </p>
          ) : null}
          {segment.style ? (
            <p dir="auto">
              {words.styleOfSegment}: {segment.style}
            </p>
          ) : null}
          {segment.characters ? (
            <p dir="auto">
              {words.charactersOfSegment}: {segment.characters}
            </p>
          ) : null}
        </section>
      ) : null}
    </div>
  );
}

/** Of a difference: seconds and frames a second are numbers, the others words. */
function measureText(field: string, value: string | number): string {
  return field === "duration" ? `${value} s` : String(value);
}

/** `formula` is how the scores were computed: nothing that a person decides by. */
function isMeasure(name: string): boolean {
  return name !== "formula";
}
