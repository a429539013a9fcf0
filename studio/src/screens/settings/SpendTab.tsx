/** What the project has spent, and the cap that an owner sets. */

import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { money } from "../../language/format";
import { Button, RefusalNotice, SelectField, Skeleton, TextField, ui } from "../../ui/ui";
import { SettingsConflicts } from "./SettingsConflicts";
import css from "./settings.module.css";
import { type TabProps, useSettings } from "./useSettings";

const GROUPS = ["month", "day", "kind", "model", "provider", "episode"] as const;

export function SpendTab({ projectId, role }: TabProps) {
  const words = useWords();
  const { api, language } = useApp();
  const [group, setGroup] = useState<(typeof GROUPS)[number]>("kind");
  const { settings, save, problem, conflict, resolve, shown } = useSettings(projectId);
  const usage = useQuery({
    queryKey: ["usage", projectId, group],
    queryFn: async () =>
      (
        await api.GET("/api/v1/projects/{project_id}/usage", {
          params: { path: { project_id: projectId }, query: { group_by: group } },
        })
      ).data ?? null,
  });
  if (settings.error) return <Refused error={settings.error} onAgain={settings.refetch} automatic />;
  if (!settings.data) return <Skeleton label={words.loading} lines={6} />;
  const cap = settings.data.spend_cap;
  const mayChange = role === "owner";
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const amount = String(form.get("amount") ?? "").trim();
    const currency =
      String(form.get("currency") ?? "")
        .trim()
        .toUpperCase() || "USD";
    const period = form.get("period") === "total" ? "total" : "month";
    void save({ spend_cap: amount === "" ? null : { amount, currency, period } });
  };
  return (
    <section className={ui.stack}>
      <form key={shown} className={css.item} onSubmit={submit}>
        <h2>{words.spendCap}</h2>
        <p className={ui.hint}>{mayChange ? words.spendCapHint : words.ownersOnly}</p>
        <div className={ui.fields}>
          <TextField
            label={words.amount}
            name="amount"
            inputMode="decimal"
            placeholder={words.noLimit}
            readOnly={!mayChange}
            defaultValue={cap?.amount ?? ""}
          />
          <TextField
            label={words.currency}
            name="currency"
            maxLength={3}
            readOnly={!mayChange}
            defaultValue={cap?.currency ?? "USD"}
          />
          <SelectField
            label={words.period}
            name="period"
            disabled={!mayChange}
            defaultValue={cap?.period ?? "month"}
          >
            <option value="month">{words.periods.month}</option>
            <option value="total">{words.periods.total}</option>
          </SelectField>
        </div>
        <RefusalNotice text={problem} />
        <SettingsConflicts conflict={conflict} onResolve={(whose) => void resolve(whose)} />
        <div>
          <Button type="submit" look="primary" disabledReason={mayChange ? null : words.ownersOnly}>
            {words.save}
          </Button>
        </div>
      </form>
      <h2>{words.spent}</h2>
      <SelectField
        label={words.groupedBy}
        value={group}
        onChange={(event) => setGroup(GROUPS.find((g) => g === event.currentTarget.value) ?? "kind")}
      >
        {GROUPS.map((g) => (
          <option key={g} value={g}>
            {words.groups[g]}
          </option>
        ))}
      </SelectField>
      {usage.error ? <Refused error={usage.error} onAgain={usage.refetch} automatic /> : null}
      {usage.isPending ? <Skeleton label={words.loading} lines={4} /> : null}
      {usage.data ? (
        <table className={css.table}>
          <thead>
            <tr>
              <th scope="col">{words.groups[group]}</th>
              <th scope="col">{words.runs}</th>
              <th scope="col">{words.spent}</th>
              <th scope="col">{words.estimated}</th>
            </tr>
          </thead>
          <tbody>
            {usage.data.groups.map((g) => (
              <tr key={`${g.key} ${g.currency}`}>
                <th scope="row">{(words as unknown as Record<string, string>)[g.key] ?? g.key}</th>
                <td>{g.runs}</td>
                <td>{money(g, language)}</td>
                <td>{money({ amount: g.estimated, currency: g.currency }, language)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            {usage.data.totals.map((total) => (
              <tr key={total.currency}>
                <th scope="row" colSpan={2}>
                  {words.total}
                </th>
                <td colSpan={2}>{money(total, language)}</td>
              </tr>
            ))}
          </tfoot>
        </table>
      ) : null}
      {usage.data?.groups.length === 0 ? <p className={ui.hint}>{words.nothingSpent}</p> : null}
    </section>
  );
}
