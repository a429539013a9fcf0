/**
 * Writes `build.json` beside the build: the SHA-256 of every source and of every output.
 *
 * A test in Python recomputes both, so that a build that is older than its sources is never shipped.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

const SOURCES = import.meta.dirname;
const BUILT = join(SOURCES, "..", "services", "gateway", "api", "studio");
const STAMP = "build.json";
const NOT_SOURCES = new Set(["node_modules", "test"]);

function files(folder, skipped = new Set()) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
}

function hashes(folder, skipped) {
  const found = files(folder, skipped).map((path) => [
    relative(folder, path).split(sep).join("/"),
    createHash("sha256").update(readFileSync(path)).digest("hex"),
  ]);
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const stamp = { sources: hashes(SOURCES, NOT_SOURCES), outputs: hashes(BUILT, new Set([STAMP])) };
writeFileSync(join(BUILT, STAMP), `${JSON.stringify(stamp, null, 2)}\n`);
