/** Media links: signed and short-lived. */

/**
 * Whether two links show the same pictures and sound: expiry and signature do not count, nor does the file (`v`). A
 * film's file changes once, when it is signed, and the one that plays stays readable.
 */
export function sameMedia(a: string | null, b: string | null): boolean {
  return a === b || (a !== null && b !== null && identity(a) === identity(b));
}

function identity(link: string): string {
  const url = new URL(link, "http://localhost");
  return `${url.pathname}?${url.searchParams.get("preview") ?? ""}`;
}

/** The same link as a download. */
export function asDownload(link: string): string {
  return `${link}${link.includes("?") ? "&" : "?"}download=1`;
}

const SIZES = [160, 320, 640] as const;

/** A poster in the sizes that the gateway makes of it, for an `<img>` that is about `width` pixels wide. */
export function posterOf(link: string, width: number): { src: string; srcSet: string; sizes: string } {
  const sized = (pixels: number) => `${link}${link.includes("?") ? "&" : "?"}w=${pixels}`;
  return {
    src: sized(SIZES.find((pixels) => pixels >= width) ?? 640),
    srcSet: SIZES.map((pixels) => `${sized(pixels)} ${pixels}w`).join(", "),
    sizes: `${width}px`,
  };
}
