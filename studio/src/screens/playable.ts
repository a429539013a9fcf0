/** A version as the players take it: its proxy where there is one. */

import type { Schemas } from "../api/client";
import type { Playable } from "../media/Player";

export function playableOf(version: Schemas["Version"]): Playable {
  return {
    kind: version.kind,
    url: version.proxy_url ?? version.url,
    poster: version.thumbnail_url,
    filmstrip: version.filmstrip_url,
    peaks: version.peaks_url,
    fps: rateOf(version),
    frames: version.frames,
    variableRate: version.variable_rate === true,
    duration: version.duration,
    aspectRatio: version.aspect_ratio,
  };
}

/** The exact rate where it was measured: rounded, it leads to a neighbouring frame after some minutes. */
export function rateOf(version: Pick<Schemas["Version"], "fps" | "fps_num" | "fps_den">): number | null {
  return version.fps_num && version.fps_den ? version.fps_num / version.fps_den : version.fps;
}

/** Of a fraction as films tell it: `24000/1001`. null: it is none. */
export function fractionOf(rate: string | null): number | null {
  const [over, under = 1] = (rate ?? "").split("/").map(Number);
  const value = (over || Number.NaN) / under;
  return Number.isFinite(value) ? value : null;
}
