/** Uploads with progress: `fetch` cannot tell how much of a body has been sent, XMLHttpRequest can. */

import type { Tokens } from "./auth";
import type { Schemas } from "./client";
import { Problem, problemOf, unreachable } from "./problems";

/**
 * Sends a file; `onShare` gets 0..1 while it is sent. Raises Problem with the gateway's words when it refuses the file.
 */
export async function upload(
  tokens: Tokens,
  projectId: string,
  file: File,
  onShare: (share: number) => void,
  signal?: AbortSignal,
): Promise<Schemas["Upload"]> {
  const token = await tokens.get();
  const response = await new Promise<Response>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/projects/${projectId}/uploads`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.setRequestHeader(
      "Content-Disposition",
      `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`,
    );
    request.setRequestHeader("Idempotency-Key", crypto.randomUUID());
    request.upload.onprogress = (event) => onShare(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      const headers = new Headers();
      for (const name of ["Content-Type", "Retry-After"]) {
        const value = request.getResponseHeader(name);
        if (value) headers.set(name, value);
      }
      resolve(new Response(request.responseText, { status: request.status, headers }));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
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
  return body as Schemas["Upload"];
}
