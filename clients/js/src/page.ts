/** timerMaxMs is the longest time that a timer takes. */
export const timerMaxMs: number = 2 ** 31 - 1

/** later does something after some milliseconds, unless the function that it returns is called before. */
export function later(ms: number, then: () => void): () => void {
  const timer = setTimeout(then, Math.min(ms, timerMaxMs))
  ;(timer as { unref?(): void }).unref?.() // in Node it keeps no program from ending
  return () => clearTimeout(timer)
}

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
  const end = new AbortController()
  const on = (at: EventTarget, type: string, then: (event: PageTransitionEvent) => void) => at.addEventListener?.(type, then as EventListener, end)
  on(globalThis as never, "online", () => life.wake())
  const { document } = globalThis
  if (document) {
    on(document, "visibilitychange", () => document.visibilityState === "visible" && life.wake())
    // Chromium freezes pages in the background; every browser keeps them for the back button.
    on(document, "freeze", () => life.sleep(false))
    on(document, "resume", () => life.resume())
    on(window, "pagehide", ({ persisted }) => life.sleep(!persisted))
    on(window, "pageshow", ({ persisted }) => persisted && life.resume())
  }
  return () => end.abort()
}
