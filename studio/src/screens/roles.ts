/** What a role includes: each may do what those before it may. */

import type { Schemas } from "../api/client";

type Role = Schemas["Project"]["my_role"];

const RANK: Readonly<Record<Role, number>> = { viewer: 0, reviewer: 1, editor: 2, owner: 3 };

export function atLeast(role: Role, least: Role): boolean {
  return RANK[role] >= RANK[least];
}
