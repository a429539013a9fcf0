/** A waveform as the path of an SVG, from the peaks of a sound (0 to 255, a hundred in a second). */

const FULL_SCALE = 255;
/** Silence is a line, not nothing. */
const LEAST = 0.01;

/** The greatest peak of each of `columns` equal parts of the sound. Fewer peaks than columns: some are repeated. */
export function columnsOf(peaks: Uint8Array, columns: number): number[] {
  if (peaks.length === 0) return [];
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * peaks.length) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * peaks.length) / columns));
    let greatest = 0;
    for (let n = from; n < to; n += 1) greatest = Math.max(greatest, peaks[n] ?? 0);
    return greatest / FULL_SCALE;
  });
}

/** Within a box of `columns` by 2, its middle at 1. */
export function waveformPath(peaks: Uint8Array, columns: number): string {
  return columnsOf(peaks, columns)
    .map((loudness, column) => {
      const height = Math.max(LEAST, loudness);
      return `M${column} ${round(1 - height)}h1v${round(2 * height)}h-1z`;
    })
    .join("");
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
