/** Calls of the gateway's API, typed by its OpenAPI document. */

import createClient, { type Middleware } from "openapi-fetch";
import type { Tokens } from "./auth";
import type { Early } from "./early";
import { problemOf } from "./problems";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Api = ReturnType<typeof createApi>;

/**
 * `tokens` adds the bearer token and renews it once on 401. Refusals are thrown as `Problem`. What was asked for `early`
 * is not asked for again.
 */
export function createApi(
  tokens: Tokens,
  baseUrl = "/",
  fetch: typeof globalThis.fetch = globalThis.fetch,
  early: Early | null = null,
) {
  const send = (request: Request) => early?.take(request) ?? tokens.send(request, fetch);
  const client = createClient<paths>({ baseUrl, fetch: send });
  client.use(refusals);
  return client;
}

const refusals: Middleware = {
  async onResponse({ response }) {
    if (!response.ok && response.status !== 304) throw await problemOf(response);
    return undefined;
  },
};

/** One key per click: the same for every repetition of that request, so that the gateway acts once. */
export function idempotencyKey(): string {
  return crypto.randomUUID();
}
