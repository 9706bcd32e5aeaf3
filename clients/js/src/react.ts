import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react"
import type { ChannelOptions, Gap, Godwit, GodwitError, Member, Message, State } from "./index.js"

/** What useChannel gives: the newest messages, the oldest first. */
export interface ChannelView<T> {
  messages: Message<T>[]
  /** The newest message. */
  latest: Message<T> | undefined
  /** The newest gap. */
  gap: Gap | undefined
  error: GodwitError | undefined
  publish(data: T): Promise<string>
}

/** useChannel shows a channel. It keeps the newest `keep` messages (default 100); a component that is mounted twice subscribes once. */
export function useChannel<T = unknown>(godwit: Godwit, name: string, options: ChannelOptions & { keep?: number } = {}): ChannelView<T> {
  const { last, since, rate, keep = 100 } = options
  const channel = useMemo(() => godwit.channel<T>(name, { last, since, rate }), [godwit, name, last, since, rate])
  const shown = useRef<unknown>(undefined)
  const [view, setView] = useState<{ messages: Message<T>[]; gap?: Gap; error?: GodwitError }>({ messages: [] })
  useEffect(() => {
    const end = new AbortController()
    const { signal } = end
    // Under StrictMode the same channel is left and listened to again at once, and goes on.
    if (shown.current !== channel) setView({ messages: [] })
    shown.current = channel
    // Many messages at once are one rendering.
    let fresh: Message<T>[] = []
    channel.on(
      "message",
      (message) => {
        if (fresh.push(message) > 1) return
        queueMicrotask(() => {
          const more = fresh
          fresh = []
          setView((before) => ({ ...before, messages: [...before.messages, ...more].slice(-keep) }))
        })
      },
      { signal },
    )
    channel.on("gap", (gap) => setView((before) => ({ ...before, gap })), { signal })
    channel.on("error", (error) => setView((before) => ({ ...before, error })), { signal })
    return () => end.abort()
  }, [channel, keep])
  const publish = useCallback((data: T) => channel.publish(data), [channel])
  return { messages: view.messages, latest: view.messages.at(-1), gap: view.gap, error: view.error, publish }
}

/** usePresence shows who is subscribed to a channel, and subscribes to it. */
export function usePresence(godwit: Godwit, name: string): { members: Member[]; count: number } {
  const roster = useMemo(() => godwit.channel(name).presence, [godwit, name])
  const [view, setView] = useState<{ members: Member[]; count: number }>({ members: [], count: 0 })
  useEffect(() => roster.on("change", ({ members, count }) => setView({ members, count })), [roster])
  return view
}

/** useConnection shows the state of the connection. */
export function useConnection(godwit: Godwit): State {
  const subscribe = useCallback((changed: () => void) => godwit.on("state", changed), [godwit])
  const read = () => godwit.state
  return useSyncExternalStore(subscribe, read, read)
}
