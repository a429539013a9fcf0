// Compiled against the types that openapi-typescript generates: what a client relies on is there.
import type { components, operations, paths } from "./api";

type Schemas = components["schemas"];

export const run = (value: Schemas["Run"]): Schemas["Version"] | undefined => value.versions[0];
export const changed: Schemas["ChangedEvent"]["resource"] = "order";
export const resumption: Schemas["Resumption"] = { start_from: 0, skip: [], skip_held: true };
export type Paths = keyof paths;
export type Operations = keyof operations;
