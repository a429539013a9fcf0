/** The models that this installation knows. */

import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../api/client";
import { Problem } from "../api/problems";
import { useApp } from "./context";

export function useModels(): readonly Schemas["Model"][] {
  const { api } = useApp();
  const models = useQuery({
    queryKey: ["models"],
    queryFn: async () => (await api.GET("/api/v1/models")).data?.data ?? [],
    retry: (_, error) => error instanceof Problem && error.isTransient,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return models.data ?? [];
}
