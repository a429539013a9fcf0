/** Media links: signed, short-lived, and the same object as long as `v` (or `preview`) is. */

/** Whether two links show the same bytes: expiry and signature do not count. */
export function sameMedia(a: string | null, b: string | null): boolean {
  return a === b || (a !== null && b !== null && identity(a) === identity(b));
}

function identity(link: string): string {
  const url = new URL(link, "http://localhost");
  return `${url.pathname}?${url.searchParams.get("v") ?? ""}&${url.searchParams.get("preview") ?? ""}`;
}

/** The same link as a download. */
export function asDownload(link: string): string {
  return `${link}${link.includes("?") ? "&" : "?"}download=1`;
}
