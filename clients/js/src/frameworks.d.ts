// What the optional entries use of other people's packages, so that building this one needs none of them.
declare module "react" {
  export function useState<T>(initial: T): [T, (next: T | ((before: T) => T)) => void]
  export function useEffect(effect: () => (() => void) | void, on: unknown[]): void
  export function useMemo<T>(make: () => T, on: unknown[]): T
  export function useCallback<T>(call: T, on: unknown[]): T
  export function useRef<T>(initial: T): { current: T }
  export function useSyncExternalStore<T>(subscribe: (changed: () => void) => () => void, read: () => T, readOnServer: () => T): T
}

declare module "vue" {
  export function shallowRef<T>(value: T): { value: T }
  export function onScopeDispose(dispose: () => void): void
}
