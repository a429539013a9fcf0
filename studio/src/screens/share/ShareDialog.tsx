/** Links that open this episode to people without an account: made, listed and revoked by owners. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Share2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { idempotencyKey, type Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { dateTime } from "../../language/format";
import { Button, Dialog, Notice, RefusalNotice, SelectField, Skeleton, TextField, ui } from "../../ui/ui";
import { useEpisode } from "../episode/EpisodeContext";

const ROLES = ["viewer", "reviewer"] as const;
const DAYS = [1, 7, 30, 90] as const;
const DAY_MS = 24 * 3600 * 1000;
/** Less than a whole day, so that a clock that is ahead of the gateway's asks for no day too many. */
const SLACK_MS = 60_000;

export function ShareButton() {
  const words = useWords();
  const { role } = useEpisode();
  const [open, setOpen] = useState(false);
  if (role !== "owner") return null;
  return (
    <>
      <Button look="quiet" onClick={() => setOpen(true)}>
        <Share2 size={16} aria-hidden /> {words.share}
      </Button>
      {open ? <ShareDialog onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function ShareDialog({ onClose }: { readonly onClose: () => void }) {
  const words = useWords();
  const { api } = useApp();
  const { projectId, episodeId } = useEpisode();
  const queries = useQueryClient();
  const [made, setMade] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [sending, setSending] = useState(false);
  const path = { project_id: projectId };
  const key = ["shares", episodeId];
  const shares = useQuery({
    queryKey: key,
    queryFn: async () => {
      const query = { episode_id: episodeId };
      const { data } = await api.GET("/api/v1/projects/{project_id}/shares", { params: { path, query } });
      return (data?.data ?? []).filter((s) => s.revoked_at === null && Date.parse(s.expires_at) > Date.now());
    },
  });
  const send = async (call: () => Promise<void>) => {
    if (sending) return;
    setSending(true);
    setProblem(null);
    try {
      await call();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error.message);
    } finally {
      setSending(false);
      await queries.invalidateQueries({ queryKey: key });
    }
  };
  const create = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const days = Number(form.get("days"));
    const body = {
      episode_id: episodeId,
      role: ROLES.find((r) => r === form.get("role")) ?? "viewer",
      label: String(form.get("label") ?? "").trim(),
      expires_at: new Date(Date.now() + days * DAY_MS - SLACK_MS).toISOString(),
    };
    void send(async () => {
      const { data } = await api.POST("/api/v1/projects/{project_id}/shares", {
        params: { path, header: { "Idempotency-Key": idempotencyKey() } },
        body,
      });
      setMade(data?.url ?? null);
    });
  };
  const revoke = (share: Schemas["Share"]) =>
    void send(async () => {
      await api.DELETE("/api/v1/projects/{project_id}/shares/{share_id}", {
        params: { path: { ...path, share_id: share.id } },
      });
      setMade(null);
    });
  return (
    <Dialog title={words.share} onClose={onClose}>
      <div className={ui.stack}>
        <p className={ui.hint}>{words.shareHint}</p>
        <form className={ui.stack} onSubmit={create}>
          <TextField
            label={words.shareLabel}
            hint={words.shareLabelHint}
            name="label"
            maxLength={100}
            required
          />
          <div className={ui.fields}>
            <SelectField label={words.role} name="role" defaultValue="viewer">
              {ROLES.map((r) => (
                <option key={r} value={r}>
                  {words.roles[r]}: {words.roleMay[r]}
                </option>
              ))}
            </SelectField>
            <SelectField label={words.shareLife} name="days" defaultValue="7">
              {DAYS.map((days) => (
                <option key={days} value={days}>
                  {words.days(days)}
                </option>
              ))}
            </SelectField>
          </div>
          <RefusalNotice text={problem} />
          <div className={ui.row}>
            <Button type="submit" look="primary" disabledReason={sending ? words.loading : null}>
              {words.shareCreate}
            </Button>
            <Button onClick={onClose}>{words.close}</Button>
          </div>
        </form>
        {made ? <MadeLink url={made} /> : null}
        <h3>{words.shareOpen}</h3>
        {shares.isPending ? <Skeleton label={words.loading} lines={2} /> : null}
        {shares.error ? <Notice tone="bad">{shares.error.message}</Notice> : null}
        {shares.data?.length === 0 ? <p className={ui.hint}>{words.shareNone}</p> : null}
        <ul className={ui.stack}>
          {(shares.data ?? []).map((share) => (
            <ShareRow key={share.id} share={share} onRevoke={() => revoke(share)} />
          ))}
        </ul>
      </div>
    </Dialog>
  );
}

function ShareRow({ share, onRevoke }: { readonly share: Schemas["Share"]; readonly onRevoke: () => void }) {
  const words = useWords();
  const { language } = useApp();
  return (
    <li className={`${ui.row} ${ui.spread}`}>
      <span>
        <b dir="auto">{share.label}</b>{" "}
        <span className={ui.hint}>
          {words.roles[share.role]}, {words.shareUntil(dateTime(share.expires_at, language))}
        </span>
      </span>
      <Button look="bad" aria-label={`${words.shareRevoke}: ${share.label}`} onClick={onRevoke}>
        {words.shareRevoke}
      </Button>
    </li>
  );
}

/** The address of a new link; nobody can show it again. */
function MadeLink({ url }: { readonly url: string }) {
  const words = useWords();
  const { announce } = useApp();
  const copy = async () => {
    await navigator.clipboard.writeText(url);
    announce(words.copied);
  };
  return (
    <Notice tone="ok">
      <div className={ui.stack}>
        <TextField label={words.shareMade} value={url} readOnly onFocus={(e) => e.currentTarget.select()} />
        <Button onClick={() => void copy()}>{words.copy}</Button>
      </div>
    </Notice>
  );
}
