/** Where a version or a film comes from, by its Content Credentials: asked for when it is opened. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Schemas } from "../api/client";
import { useApp, useWords } from "../app/context";
import { Refused } from "../app/Refused";
import { Skeleton, ui } from "../ui/ui";

interface ProvenanceProps {
  readonly of: "version" | "film";
  readonly id: string;
  /** The film is signed moments after it is completed: what is read before that is read again. */
  readonly pending?: boolean;
}

export function Provenance({ of, id, pending = false }: ProvenanceProps) {
  const words = useWords();
  const { api } = useApp();
  const [open, setOpen] = useState(false);
  const found = useQuery({
    queryKey: ["provenance", of, id, pending],
    queryFn: async () =>
      (of === "version"
        ? await api.GET("/api/v1/versions/{version_id}/provenance", { params: { path: { version_id: id } } })
        : await api.GET("/api/v1/compilation-jobs/{compilation_id}/provenance", {
            params: { path: { compilation_id: id } },
          })
      ).data ?? null,
    enabled: open,
    staleTime: Number.POSITIVE_INFINITY, // a file never changes
  });
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words.provenance.title}</summary>
      {open && found.isPending ? <Skeleton label={words.loading} /> : null}
      {found.error ? <Refused error={found.error} onAgain={found.refetch} automatic /> : null}
      {found.data ? <Told provenance={found.data} pending={pending} /> : null}
    </details>
  );
}

export function Told({
  provenance,
  pending,
}: {
  readonly provenance: Schemas["Provenance"];
  readonly pending: boolean;
}) {
  const words = useWords().provenance;
  const { state, signer, organisation, ingredients, approvers, problems } = provenance;
  if (state === "none") {
    return (
      <p>
        {pending ? words.pending : words.state.none} {provenance.unsigned_reason}
      </p>
    );
  }
  return (
    <div className={ui.stack}>
      <p>{words.state[state]}</p>
      {problems.map((problem) => (
        <p key={problem} className={ui.hint}>
          {problem}
        </p>
      ))}
      {signer ? (
        <p>
          {words.signedBy(organisation ? `${signer} (${organisation})` : signer)}
          {provenance.development ? `. ${words.development}` : null}
        </p>
      ) : null}
      <p>
        {words.sources[provenance.source ?? "unknown"]}
        {provenance.made_by ? `. ${words.madeBy(provenance.made_by)}` : null}
      </p>
      {approvers.length > 0 ? <p dir="auto">{words.approvers(approvers.join(", "))}</p> : null}
      {ingredients.length > 0 ? (
        <>
          <p>{words.ingredients}</p>
          <ul>
            {ingredients.map((part, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the list of a file never changes, and its titles repeat
              <li key={index} dir="auto">
                {[part.title, part.model, part.approved_by ? words.approvedBy(part.approved_by) : null]
                  .filter(Boolean)
                  .join(" · ")}
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </div>
  );
}
