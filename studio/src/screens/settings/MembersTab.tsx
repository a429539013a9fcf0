/** Who may do what in a project. Only owners change it. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { Button, RefusalNotice, SelectField, Skeleton, TextField, ui } from "../../ui/ui";
import css from "./settings.module.css";
import type { Role, TabProps } from "./useSettings";

const ROLES: readonly Role[] = ["viewer", "reviewer", "editor", "owner"];

export function MembersTab({ projectId, role }: TabProps) {
  const words = useWords();
  const { api, announce, refusal } = useApp();
  const queries = useQueryClient();
  const [problem, setProblem] = useState<string | null>(null);
  const key = ["members", projectId];
  const members = useQuery({
    queryKey: key,
    queryFn: async () =>
      (
        await api.GET("/api/v1/projects/{project_id}/members", {
          params: { path: { project_id: projectId } },
        })
      ).data?.data ?? [],
  });
  const mayChange = role === "owner";
  const send = async (call: () => Promise<unknown>) => {
    setProblem(null);
    try {
      await call();
      announce(words.saved);
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(refusal(error));
      return false;
    } finally {
      await queries.invalidateQueries({ queryKey: key });
    }
  };
  const put = (userId: string, next: Role) =>
    send(() =>
      api.PUT("/api/v1/projects/{project_id}/members/{user_id}", {
        params: { path: { project_id: projectId, user_id: userId } },
        body: { role: next },
      }),
    );
  const remove = (userId: string) =>
    send(() =>
      api.DELETE("/api/v1/projects/{project_id}/members/{user_id}", {
        params: { path: { project_id: projectId, user_id: userId } },
      }),
    );
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const element = event.currentTarget;
    const form = new FormData(element);
    const next = ROLES.find((r) => r === form.get("role")) ?? "viewer";
    if (await put(String(form.get("user")).trim(), next)) element.reset();
  };
  const options = ROLES.map((r) => (
    <option key={r} value={r}>
      {words.roles[r]}
    </option>
  ));
  if (members.error) return <Refused error={members.error} onAgain={members.refetch} automatic />;
  if (!members.data) return <Skeleton label={words.loading} lines={5} />;
  return (
    <section className={ui.stack}>
      <ul className={ui.hint}>
        {ROLES.map((r) => (
          <li key={r}>
            <b>{words.roles[r]}</b>: {words.roleMay[r]}
          </li>
        ))}
      </ul>
      {mayChange ? null : <p className={ui.hint}>{words.ownersOnly}</p>}
      <RefusalNotice text={problem} />
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">{words.name}</th>
            <th scope="col">{words.role}</th>
            <th scope="col">
              <span className={ui.hiddenText}>{words.remove}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {members.data.map((member) => (
            <tr key={member.user_id}>
              <td dir="auto">
                {member.name} <span className={ui.hint}>{member.user_id}</span>
              </td>
              <td>
                {mayChange ? (
                  <select
                    className={ui.input}
                    aria-label={`${words.role}: ${member.name}`}
                    value={member.role}
                    onChange={(event) => {
                      const next = ROLES.find((r) => r === event.currentTarget.value);
                      if (next) void put(member.user_id, next);
                    }}
                  >
                    {options}
                  </select>
                ) : (
                  words.roles[member.role]
                )}
              </td>
              <td>
                {mayChange ? (
                  <Button
                    look="bad"
                    aria-label={`${words.remove}: ${member.name}`}
                    onClick={() => void remove(member.user_id)}
                  >
                    {words.remove}
                  </Button>
                ) : null}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {mayChange ? (
        <form className={css.item} onSubmit={(event) => void add(event)}>
          <h2>{words.addMember}</h2>
          <div className={ui.fields}>
            <TextField label={words.userId} hint={words.userIdHint} name="user" required maxLength={255} />
            <SelectField label={words.role} name="role" defaultValue="reviewer">
              {options}
            </SelectField>
          </div>
          <div>
            <Button type="submit" look="primary">
              {words.addMember}
            </Button>
          </div>
        </form>
      ) : null}
    </section>
  );
}
