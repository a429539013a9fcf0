/** Projects, and the episodes of one. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import { idempotencyKey } from "../../api/client";
import { useApp, useWords } from "../../app/context";
import { Refused } from "../../app/Refused";
import { routes } from "../../app/routes";
import { useInbox } from "../../app/useInbox";
import { bytes } from "../../language/format";
import { posterOf } from "../../media/links";
import { Button, Dialog, Empty, RefusalNotice, Skeleton, TextField, ui } from "../../ui/ui";
import { atLeast } from "../roles";
import css from "./projects.module.css";

/** So many projects show pictures: each asks for its episodes. */
const POSTERS = 24;

export function ProjectsScreen() {
  const words = useWords();
  const { api, language } = useApp();
  const queries = useQueryClient();
  const projects = useQuery({
    queryKey: ["projects"],
    queryFn: async () => (await api.GET("/api/v1/projects")).data?.data ?? [],
  });
  const create = useMutation({
    mutationFn: async (name: string) =>
      (
        await api.POST("/api/v1/projects", {
          params: { header: { "Idempotency-Key": idempotencyKey() } },
          body: { name },
        })
      ).data,
    onSuccess: () => queries.invalidateQueries({ queryKey: ["projects"] }),
  });
  return (
    <div className={ui.stack}>
      <header className={`${ui.row} ${ui.spread}`}>
        <h1>{words.projects}</h1>
        <NewDialog
          label={words.newProject}
          field={words.name}
          problem={create.error}
          onCreate={create.mutateAsync}
        />
      </header>
      {projects.isPending ? <Skeleton label={words.loading} /> : null}
      {projects.error ? <Refused error={projects.error} onAgain={projects.refetch} automatic /> : null}
      {projects.data?.length === 0 ? <Empty title={words.noProjects} hint={words.noProjectsHint} /> : null}
      <ul className={css.grid}>
        {(projects.data ?? []).map((project, n) => (
          <li key={project.id} className={css.card}>
            <Link href={routes.project(project.id)} className={css.link}>
              {n < POSTERS ? <Posters projectId={project.id} /> : null}
              <b dir="auto">{project.name}</b>
              <span className={ui.hint} dir="auto">
                {project.description}
              </span>
              <span className={css.foot}>
                <Waits projectId={project.id} />
                {project.bytes > 0 ? (
                  <span className={ui.hint}>
                    {words.bytes}: {bytes(project.bytes, language)}
                  </span>
                ) : null}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The first pictures of a project's episodes. */
function Posters({ projectId }: { readonly projectId: string }) {
  const words = useWords();
  const { api } = useApp();
  const episodes = useQuery({
    queryKey: ["episodes", projectId],
    queryFn: async () =>
      (
        await api.GET("/api/v1/projects/{project_id}/episodes", {
          params: { path: { project_id: projectId } },
        })
      ).data?.data ?? [],
  });
  const urls = (episodes.data ?? []).flatMap((e) => e.thumbnail_url ?? []).slice(0, 3);
  return (
    <span className={css.posters} data-count={urls.length}>
      {urls.map((url) => (
        <img key={url} {...posterOf(url, 160)} alt="" loading="lazy" />
      ))}
      {episodes.data?.length === 0 ? <span className={css.none}>{words.noEpisodes}</span> : null}
    </span>
  );
}

/** How many previews of a project wait for a decision. */
function Waits({ projectId }: { readonly projectId: string }) {
  const words = useWords();
  const waiting = (useInbox().data ?? []).filter((w) => w.project_id === projectId).length;
  return waiting > 0 ? <span className={css.waits}>{words.waits(waiting)}</span> : null;
}

export function EpisodesScreen({ projectId }: { readonly projectId: string }) {
  const words = useWords();
  const { api } = useApp();
  const [, navigate] = useLocation();
  const params = { path: { project_id: projectId } };
  const project = useQuery({
    queryKey: ["project", projectId],
    queryFn: async () => (await api.GET("/api/v1/projects/{project_id}", { params })).data ?? null,
  });
  const episodes = useQuery({
    queryKey: ["episodes", projectId],
    queryFn: async () =>
      (await api.GET("/api/v1/projects/{project_id}/episodes", { params })).data?.data ?? [],
  });
  const create = useMutation({
    mutationFn: async (title: string) =>
      (
        await api.POST("/api/v1/projects/{project_id}/episodes", {
          params: { ...params, header: { "Idempotency-Key": idempotencyKey() } },
          body: { title },
        })
      ).data,
    onSuccess: (episode) => episode && navigate(routes.episode(projectId, episode.id)),
  });
  const mayEdit = project.data ? atLeast(project.data.my_role, "editor") : false;
  return (
    <div className={ui.stack}>
      <header className={`${ui.row} ${ui.spread}`}>
        <h1 dir="auto">{project.data?.name ?? "…"}</h1>
        <span className={ui.row}>
          <Link className={`${ui.button} ${ui.quiet}`} href={routes.activity(projectId)}>
            {words.activity}
          </Link>
          {mayEdit ? (
            <Link className={ui.button} href={routes.importing(projectId)}>
              {words.importTitle}
            </Link>
          ) : null}
          {mayEdit ? (
            <NewDialog
              label={words.newEpisode}
              field={words.title}
              problem={create.error}
              onCreate={create.mutateAsync}
            />
          ) : null}
        </span>
      </header>
      {episodes.isPending ? <Skeleton label={words.loading} /> : null}
      {episodes.error ? <Refused error={episodes.error} onAgain={episodes.refetch} automatic /> : null}
      {episodes.data?.length === 0 ? (
        <Empty title={words.noEpisodes} hint={words.noEpisodesHint}>
          {mayEdit ? (
            <Link className={`${ui.button} ${ui.primary}`} href={routes.importing(projectId)}>
              {words.importTitle}
            </Link>
          ) : null}
        </Empty>
      ) : null}
      <ul className={css.grid}>
        {(episodes.data ?? []).map((episode) => (
          <li key={episode.id} className={css.card}>
            <Link href={routes.episode(projectId, episode.id)} className={css.link}>
              {episode.thumbnail_url ? (
                <img className={css.poster} {...posterOf(episode.thumbnail_url, 320)} alt="" loading="lazy" />
              ) : (
                <span className={css.poster} />
              )}
              <b dir="auto">{episode.title}</b>
              <span className={ui.hint}>{words.segments(episode.segment_count)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface NewDialogProps {
  readonly label: string;
  readonly field: string;
  readonly problem: Error | null;
  readonly onCreate: (name: string) => Promise<unknown>;
}

function NewDialog({ label, field, problem, onCreate }: NewDialogProps) {
  const words = useWords();
  const [open, setOpen] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name") ?? "").trim();
    if (!name) return;
    try {
      await onCreate(name);
      setOpen(false);
    } catch {
      // `problem` shows it
    }
  };
  return (
    <>
      <Button look="primary" onClick={() => setOpen(true)}>
        {label}
      </Button>
      {open ? (
        <Dialog title={label} onClose={() => setOpen(false)}>
          <form className={ui.stack} onSubmit={(event) => void submit(event)}>
            <TextField label={field} name="name" required autoFocus />
            <RefusalNotice text={problem?.message} />
            <div className={ui.row}>
              <Button type="submit" look="primary">
                {words.create}
              </Button>
              <Button onClick={() => setOpen(false)}>{words.cancel}</Button>
            </div>
          </form>
        </Dialog>
      ) : null}
    </>
  );
}
