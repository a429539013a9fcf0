/** What holds for a whole project: look, characters, models, output, people, money, and how well it goes. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useApp, useWords } from "../../app/context";
import { routes } from "../../app/routes";
import { Empty, Skeleton, ui } from "../../ui/ui";
import { BrowserTab } from "./BrowserSettings";
import { CharactersTab } from "./CharactersTab";
import { DefaultsTab } from "./DefaultsTab";
import { GeneralTab } from "./GeneralTab";
import { MembersTab } from "./MembersTab";
import { MetricsTab } from "./MetricsTab";
import { SpendTab } from "./SpendTab";
import css from "./settings.module.css";
import type { Role } from "./useSettings";

const TABS = ["general", "characters", "defaults", "members", "spend", "metrics", "browser"] as const;
type Tab = (typeof TABS)[number];

export function SettingsScreen({
  projectId,
  tab,
}: {
  readonly projectId: string;
  readonly tab: string | undefined;
}) {
  const words = useWords();
  const { api } = useApp();
  const project = useQuery({
    queryKey: ["project", projectId],
    queryFn: async () =>
      (await api.GET("/api/v1/projects/{project_id}", { params: { path: { project_id: projectId } } }))
        .data ?? null,
  });
  const shown = TABS.find((t) => t === tab) ?? "general";
  if (project.error) {
    return (
      <Empty page title={words.notFound} hint={project.error.message}>
        <Link href={routes.projects()}>{words.backToProjects}</Link>
      </Empty>
    );
  }
  if (!project.data) return <Skeleton page label={words.loading} lines={10} />;
  return (
    <div className={css.settings}>
      <header className={`${ui.row} ${ui.spread}`}>
        <h1 dir="auto">
          {words.settings}: {project.data.name}
        </h1>
        <Link href={routes.project(projectId)}>{words.episodes}</Link>
      </header>
      <nav className={css.tabs} aria-label={words.settings}>
        {TABS.map((t) => (
          <Link key={t} href={routes.settings(projectId, t)} aria-current={t === shown ? "page" : undefined}>
            {words.settingsTabs[t]}
          </Link>
        ))}
      </nav>
      <Shown tab={shown} projectId={projectId} role={project.data.my_role} />
    </div>
  );
}

function Shown({
  tab,
  projectId,
  role,
}: {
  readonly tab: Tab;
  readonly projectId: string;
  readonly role: Role;
}) {
  switch (tab) {
    case "general":
      return <GeneralTab projectId={projectId} role={role} />;
    case "characters":
      return <CharactersTab projectId={projectId} role={role} />;
    case "defaults":
      return <DefaultsTab projectId={projectId} role={role} />;
    case "members":
      return <MembersTab projectId={projectId} role={role} />;
    case "spend":
      return <SpendTab projectId={projectId} role={role} />;
    case "metrics":
      return <MetricsTab projectId={projectId} />;
    case "browser":
      return <BrowserTab />;
  }
}
