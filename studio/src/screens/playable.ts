/** A version as the players take it: its proxy where there is one. */

import type { Schemas } from "../api/client";
import type { Playable } from "../media/Player";

export function playableOf(version: Schemas["Version"]): Playable {
  return {
    kind: version.kind,
    url: version.proxy_url ?? version.url,
    poster: version.thumbnail_url,
    filmstrip: version.filmstrip_url,
    fps: version.fps,
    duration: version.duration,
    aspectRatio: version.aspect_ratio,
  };
}
