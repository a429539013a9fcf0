/** The models that this installation knows. */

import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../api/client";
import { useApp } from "./context";

export function useModels(): readonly Schemas["Model"][] {
  const { api } = useApp();
  const models = useQuery({
    queryKey: ["models"],
    queryFn: async () => (await api.GET("/api/v1/models")).data?.data ?? [],
    staleTime: Number.POSITIVE_INFINITY,
  });
  return models.data ?? [];
}
