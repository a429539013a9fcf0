/** Two values of one thing: one's own, and what somebody else kept meanwhile. One of them is chosen. */

import css from "./conflict.module.css";
import { Button, Notice, ui } from "./ui";

export interface ConflictField {
  readonly name: string;
  readonly mine: string;
  readonly theirs: string;
}

export function Conflict({
  labels,
  fields,
  onMine,
  onTheirs,
}: {
  readonly labels: {
    readonly title: string;
    readonly field: string;
    readonly mine: string;
    readonly theirs: string;
    readonly keepMine: string;
    readonly takeTheirs: string;
  };
  readonly fields: readonly ConflictField[];
  readonly onMine: () => void;
  readonly onTheirs: () => void;
}) {
  return (
    <Notice tone="warn" assertive>
      <div className={ui.stack}>
        <p>{labels.title}</p>
        <dl className={css.fields}>
          {fields.map(({ name, mine, theirs }) => (
            <div key={name} className={css.field}>
              <dt>{name}</dt>
              <dd dir="auto">
                <b>{labels.mine}</b> {mine || "–"}
              </dd>
              <dd dir="auto">
                <b>{labels.theirs}</b> {theirs || "–"}
              </dd>
            </div>
          ))}
        </dl>
        <div className={ui.row}>
          <Button onClick={onMine}>{labels.keepMine}</Button>
          <Button onClick={onTheirs}>{labels.takeTheirs}</Button>
        </div>
      </div>
    </Notice>
  );
}
