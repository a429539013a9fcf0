/** What a person dropped: photographs become segments, a script or a film becomes an episode. */

export type Kind = "photograph" | "script" | "film" | "unknown";

const PICTURES = /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|heic|heif|avif|mpo)$/i;
const FILMS = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|ts|mts|3gp)$/i;
const SCRIPTS = /\.(ya?ml|json)$/i;

export function kindOf(file: { readonly name: string; readonly type: string }): Kind {
  if (SCRIPTS.test(file.name)) return "script";
  if (file.type.startsWith("image/") || PICTURES.test(file.name)) return "photograph";
  if (file.type.startsWith("video/") || FILMS.test(file.name)) return "film";
  return "unknown";
}

export interface Item {
  readonly id: string;
  readonly file: File;
  readonly kind: Kind;
  /** 0..1 while it is sent; null: it waits. */
  readonly share: number | null;
  readonly uploadId: string | null;
  readonly problem: string | null;
}

/** Photographs in the order of their names, as a person would count: 2 before 10. */
export function itemsOf(files: readonly File[], newId: () => string): Item[] {
  const sorted = [...files].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return sorted.map((file) => ({
    id: newId(),
    file,
    kind: kindOf(file),
    share: null,
    uploadId: null,
    problem: null,
  }));
}

/** Directions of photographs that nobody wrote any for, as `retake film` gives them. */
const MOVES = [
  "Slowly push in",
  "Drift slowly to the right",
  "Slowly pull back",
  "Pan slowly to the left",
  "Tilt slowly up",
  "Drift slowly to the left",
];
const SECONDS = 5;

/** The document of an episode made from photographs, in their order. */
export function documentOf(title: string, items: readonly Item[]): Record<string, unknown> {
  return {
    title,
    segments: items
      .filter(({ uploadId, kind }) => kind === "photograph" && uploadId)
      .map(({ uploadId }, index) => ({
        starting_image: { upload_id: uploadId },
        directions: { video: MOVES[index % MOVES.length] },
        duration: SECONDS,
      })),
  };
}

export function titleOf(items: readonly Item[]): string {
  return items[0]?.file.name.replace(/\.[^.]+$/, "") ?? "";
}
