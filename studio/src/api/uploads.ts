/**
 * Uploads with progress: `fetch` cannot tell how much of a body has been sent, XMLHttpRequest can.
 *
 * A large file is sent in parts, and goes on where it broke: after a lost connection, and, within the tab, after a
 * reload when the same file is chosen again.
 */

import type { Tokens } from "./auth";
import type { Schemas } from "./client";
import { Problem, problemOf, unreachable } from "./problems";

/** A smaller file is sent as a whole. */
export const IN_PARTS_FROM = 64 * 1024 * 1024;
/** In a row, without a part that arrived in between. */
const MOST_FAILURES = 8;
const LONGEST_PAUSE_MS = 30_000;

export interface UploadOptions {
  readonly inPartsFrom?: number;
  readonly pause?: (ms: number) => Promise<void>;
}

/**
 * Sends a file; `onShare` gets 0..1 while it is sent. Raises Problem with the gateway's words when it refuses the file.
 */
export async function upload(
  tokens: Tokens,
  projectId: string,
  file: File,
  onShare: (share: number) => void,
  signal?: AbortSignal,
  { inPartsFrom = IN_PARTS_FROM, pause = wait }: UploadOptions = {},
): Promise<Schemas["Upload"]> {
  if (file.size >= inPartsFrom) return inParts(tokens, projectId, file, onShare, signal, pause);
  const response = await send(tokens, "POST", `/api/v1/projects/${projectId}/uploads`, file, {
    headers: {
      "Content-Type": file.type || "application/octet-stream",
      "Content-Disposition": `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`,
      "Idempotency-Key": crypto.randomUUID(),
    },
    onSent: (sent, total) => onShare(total > 0 ? sent / total : 0),
    signal,
  });
  return read<Schemas["Upload"]>(response);
}

async function inParts(
  tokens: Tokens,
  projectId: string,
  file: File,
  onShare: (share: number) => void,
  signal: AbortSignal | undefined,
  pause: (ms: number) => Promise<void>,
): Promise<Schemas["Upload"]> {
  const known = `retake-upload:${projectId}:${file.name}:${file.size}:${file.lastModified}`;
  let state = (await resumed(tokens, known)) ?? (await begun(tokens, projectId, file));
  sessionStorage.setItem(known, state.id);
  let failures = 0;
  while (state.upload === null) {
    const { received, part_size, size } = state;
    try {
      const response = await send(
        tokens,
        "PATCH",
        `/api/v1/partial-uploads/${state.id}?offset=${received}`,
        file.slice(received, received + part_size),
        {
          headers: { "Content-Type": "application/octet-stream" },
          onSent: (sent) => onShare(Math.min(1, (received + sent) / size)),
          signal,
        },
      );
      state = await read<Schemas["PartialUpload"]>(response);
      failures = 0;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      failures += 1;
      const elsewhere = error.status === 409;
      if (!(elsewhere || error.isTransient || error.status === 500) || failures >= MOST_FAILURES) {
        if (!error.isTransient) sessionStorage.removeItem(known);
        throw error;
      }
      if (!elsewhere) await pause(error.retryAfterMs ?? Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures));
      state = (await stateOf(tokens, state.id).catch(() => null)) ?? state;
    }
  }
  sessionStorage.removeItem(known);
  return state.upload;
}

/** null: nothing of this file was received before, or it is gone. */
async function resumed(tokens: Tokens, known: string): Promise<Schemas["PartialUpload"] | null> {
  const id = sessionStorage.getItem(known);
  if (id === null) return null;
  try {
    return await stateOf(tokens, id);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

async function begun(tokens: Tokens, projectId: string, file: File): Promise<Schemas["PartialUpload"]> {
  const body = JSON.stringify({ filename: file.name, size: file.size });
  const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() };
  const url = new URL(`/api/v1/projects/${projectId}/partial-uploads`, location.href);
  return read(await tokens.send(new Request(url, { method: "POST", body, headers })));
}

async function stateOf(tokens: Tokens, id: string): Promise<Schemas["PartialUpload"]> {
  return read(await tokens.send(new Request(new URL(`/api/v1/partial-uploads/${id}`, location.href))));
}

interface SendOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly onSent: (sent: number, total: number) => void;
  readonly signal: AbortSignal | undefined;
}

async function send(
  tokens: Tokens,
  method: "POST" | "PATCH",
  url: string,
  body: Blob,
  { headers, onSent, signal }: SendOptions,
): Promise<Response> {
  const token = await tokens.get();
  return new Promise<Response>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onSent(event.loaded, event.lengthComputable ? event.total : 0);
    request.onload = () => {
      const answered = new Headers();
      for (const name of ["Content-Type", "Retry-After"]) {
        const value = request.getResponseHeader(name);
        if (value) answered.set(name, value);
      }
      resolve(new Response(request.responseText, { status: request.status, headers: answered }));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

/** Raises Problem. */
async function read<T extends { id: string }>(response: Response): Promise<T> {
  if (!response.ok) throw await problemOf(response);
  const body: unknown = await response.json();
  if (typeof body !== "object" || body === null || !("id" in body)) {
    throw new Problem(
      response.status,
      "malformed",
      "The gateway's answer cannot be read.",
      "",
      "",
      [],
      null,
      {},
    );
  }
  return body as T;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
