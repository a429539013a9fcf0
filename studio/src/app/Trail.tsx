/** Where the screen belongs: its project, and its episode. */

import { useQuery } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import { Link, useLocation } from "wouter";
import css from "./app.module.css";
import { useApp, useWords } from "./context";
import { placeOf, routes } from "./routes";

export function Trail() {
  const words = useWords();
  const { api } = useApp();
  const [location] = useLocation();
  const place = placeOf(location);
  const projectId = place?.projectId ?? "";
  const params = { path: { project_id: projectId } };
  const project = useQuery({
    queryKey: ["project", projectId],
    queryFn: async () => (await api.GET("/api/v1/projects/{project_id}", { params })).data ?? null,
    enabled: place !== null,
  });
  const episodes = useQuery({
    queryKey: ["episodes", projectId],
    queryFn: async () =>
      (await api.GET("/api/v1/projects/{project_id}/episodes", { params })).data?.data ?? [],
    enabled: place?.episodeId !== undefined,
  });
  if (place === null) return null;
  const { episodeId } = place;
  const episode = episodes.data?.find((e) => e.id === episodeId);
  return (
    <nav className={css.trail} aria-label={words.trail}>
      <Link href={routes.project(projectId)} dir="auto">
        {project.data?.name ?? "…"}
      </Link>
      {episodeId ? (
        <>
          <ChevronRight size={14} aria-hidden />
          <Link href={routes.episode(projectId, episodeId)} dir="auto">
            {episode?.title ?? "…"}
          </Link>
        </>
      ) : null}
    </nav>
  );
}
