/** How loud a sound is, drawn from its peaks; until they are there, and where they cannot be had, its poster. */

import { useEffect, useRef, useState } from "react";
import css from "./player.module.css";
import { waveformPath } from "./waveformPath";

const COLUMNS = 800;

interface WaveformProps {
  readonly peaks: string | null;
  readonly poster: string | null;
}

export function Waveform({ peaks, poster }: WaveformProps) {
  const path = usePath(peaks);
  if (path !== null) {
    return (
      <svg className={css.waveform} viewBox={`0 0 ${COLUMNS} 2`} preserveAspectRatio="none" aria-hidden>
        <path d={path} fill="currentColor" />
      </svg>
    );
  }
  return poster ? <img className={css.waveform} src={poster} alt="" /> : null;
}

/** null: not there. A renewed link of the same sound is not fetched again. */
function usePath(link: string | null): string | null {
  const [found, setFound] = useState<{ readonly sound: string; readonly path: string } | null>(null);
  const latest = useRef(link);
  latest.current = link;
  const sound = link?.split("?")[0] ?? null;
  useEffect(() => {
    const now = latest.current;
    if (sound === null || now === null) return;
    const abort = new AbortController();
    fetchPeaks(now, abort.signal).then(
      (peaks) => setFound({ sound, path: waveformPath(peaks, COLUMNS) }),
      () => {}, // its poster stays
    );
    return () => abort.abort();
  }, [sound]);
  return found !== null && found.sound === sound ? found.path : null;
}

/** Throws where the link has expired or the sound is gone. */
async function fetchPeaks(link: string, signal: AbortSignal): Promise<Uint8Array> {
  const response = await fetch(link, { signal });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
