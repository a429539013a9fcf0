/** The page's addresses: one place that writes them and reads them. */

export const routes = {
  projects: () => "/",
  project: (projectId: string) => `/p/${projectId}`,
  episode: (projectId: string, episodeId: string, search: EpisodeSearch = {}) =>
    `/p/${projectId}/e/${episodeId}${query(search)}`,
  compare: (projectId: string, episodeId: string, assetId: string, search: CompareSearch = {}) =>
    `/p/${projectId}/e/${episodeId}/compare/${assetId}${query(search)}`,
  film: (projectId: string, episodeId: string) => `/p/${projectId}/e/${episodeId}/film`,
  activity: (projectId: string) => `/p/${projectId}/activity`,
  importing: (projectId: string) => `/p/${projectId}/import`,
  /** Of a project, or of this browser alone. */
  settings: (projectId?: string, tab?: string) =>
    `${projectId ? `/p/${projectId}` : ""}/settings${tab ? `/${tab}` : ""}`,
  inbox: () => "/inbox",
  /** Of a share link, with its token after #. */
  share: () => "/s",
  /** Where the identity provider sends a browser back to, if not to where it came from. */
  signIn: () => "/sign-in",
} as const;

export interface Place {
  readonly projectId: string;
  /** Of the episode that the screen is about, unless it is the episode's own. */
  readonly episodeId: string | undefined;
}

/** What a screen lies in; null: in nothing, or it is the project's own. */
export function placeOf(path: string): Place | null {
  const [, projectId, episodeId, screen] = /^\/p\/([^/]+)\/(?:e\/([^/]+)(?:\/(.+))?|.+)$/.exec(path) ?? [];
  return projectId === undefined ? null : { projectId, episodeId: screen ? episodeId : undefined };
}

export interface SignInSearch {
  /** Why nobody was signed in, as the gateway says. */
  readonly refused: string | null;
  readonly returnTo: string;
}

export function signInSearch(search: string): SignInSearch {
  const found = new URLSearchParams(search);
  const returnTo = found.get("return_to") ?? "/";
  return { refused: found.get("refused"), returnTo: /^\/(?![/\\])/.test(returnTo) ? returnTo : "/" };
}

export interface EpisodeSearch {
  /** The selected segment's id. */
  readonly s?: string | undefined;
  /** The tab: the kind of the asset. */
  readonly k?: string | undefined;
  /** The run whose preview dialog is open. */
  readonly review?: string | undefined;
}

export interface CompareSearch {
  /** The versions' ids. */
  readonly a?: string | undefined;
  readonly b?: string | undefined;
  /** The mode. */
  readonly m?: string | undefined;
  /** Seconds, where it rests. */
  readonly t?: string | undefined;
}

export function compareSearch(search: string): CompareSearch {
  const found = new URLSearchParams(search);
  return {
    a: found.get("a") ?? undefined,
    b: found.get("b") ?? undefined,
    m: found.get("m") ?? undefined,
    t: found.get("t") ?? undefined,
  };
}

export function episodeSearch(search: string): EpisodeSearch {
  const found = new URLSearchParams(search);
  return {
    s: found.get("s") ?? undefined,
    k: found.get("k") ?? undefined,
    review: found.get("review") ?? undefined,
  };
}

function query(values: EpisodeSearch | CompareSearch): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) found.set(name, value);
  const text = found.toString();
  return text ? `?${text}` : "";
}
