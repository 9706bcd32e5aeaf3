import { onScopeDispose, shallowRef } from "vue"
import type { ChannelOptions, Godwit, Member, Message, State } from "./index.js"

/** A ref of Vue that is read. */
export interface ReadonlyRef<T> {
  readonly value: T
}

// until listens as long as the scope lives. On a server, where scopes do not end, nothing is begun.
function until(listen: () => () => void): void {
  if (typeof document !== "undefined") onScopeDispose(listen())
}

/** useMessages is the newest `keep` messages (default 100), the oldest first, until its scope ends. */
export function useMessages<T = unknown>(godwit: Godwit, name: string, options: ChannelOptions & { keep?: number } = {}): ReadonlyRef<Message<T>[]> {
  const { keep = 100, ...rest } = options
  const value = shallowRef<Message<T>[]>([])
  until(() => godwit.channel<T>(name, rest).on("message", (message) => (value.value = [...value.value, message].slice(-keep))))
  return value
}

/** useMembers is who is subscribed to a channel, and subscribes to it. */
export function useMembers(godwit: Godwit, name: string): ReadonlyRef<Member[]> {
  const value = shallowRef<Member[]>([])
  until(() => godwit.channel(name).presence.on("change", (roster) => (value.value = roster.members)))
  return value
}

/** useConnection is the state of the connection. */
export function useConnection(godwit: Godwit): ReadonlyRef<State> {
  const value = shallowRef(godwit.state)
  until(() => godwit.on("state", (state) => (value.value = state)))
  return value
}
