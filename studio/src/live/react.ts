/** The keyed store in React: a component renders when its keys change, and not for others. */

import { useCallback, useSyncExternalStore } from "react";
import type { Keyed } from "./keyed";

export function useKey<T>(store: Keyed, key: string | null): T | undefined {
  const subscribe = useCallback(
    (listener: () => void) => (key === null ? () => {} : store.subscribe(key, listener)),
    [store, key],
  );
  const read = useCallback(() => (key === null ? undefined : store.get<T>(key)), [store, key]);
  return useSyncExternalStore(subscribe, read);
}
