/** What the life of a page says to a connection. */
export interface Life {
  /** It is seen again, or the network is back: a hint, and not more. */
  wake(): void
  /** It is about to be frozen, kept for the back button, or left. */
  sleep(isLeft: boolean): void
  /** It goes on after that. */
  resume(): void
}

/** watchPage tells of the page that this runs in, if it runs in one, until the function that it returns is called. */
export function watchPage(life: Life): () => void {
  if (typeof addEventListener !== "function") return () => {}
  const end = new AbortController()
  const { signal } = end
  const wake = () => life.wake()
  addEventListener("online", wake, { signal })
  if (typeof document === "undefined") return () => end.abort()
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal })
  // Chromium freezes pages in the background; every browser keeps them for the back button.
  document.addEventListener("freeze", () => life.sleep(false), { signal })
  document.addEventListener("resume", () => life.resume(), { signal })
  addEventListener("pagehide", ({ persisted }) => life.sleep(!persisted), { signal })
  addEventListener("pageshow", ({ persisted }) => persisted && life.resume(), { signal })
  return () => end.abort()
}
