import type { ChannelOptions, Godwit, Member, Message, State } from "./index.js"

/** A store of Svelte: `$name` in a component subscribes and unsubscribes. */
export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void
}

// On a server a store is read once, and nothing is begun.
const isPage = (): boolean => typeof document !== "undefined"
const nothing = () => {}

/** messages is a store of the newest `keep` messages (default 100), the oldest first. */
export function messages<T = unknown>(godwit: Godwit, name: string, options: ChannelOptions & { keep?: number } = {}): Readable<Message<T>[]> {
  const { keep = 100, ...rest } = options
  return {
    subscribe(run) {
      let value: Message<T>[] = []
      run(value)
      if (!isPage()) return nothing
      return godwit.channel<T>(name, rest).on("message", (message) => run((value = [...value, message].slice(-keep))))
    },
  }
}

/** members is a store of who is subscribed to a channel; reading it subscribes to the channel. */
export function members(godwit: Godwit, name: string): Readable<Member[]> {
  return {
    subscribe(run) {
      run([])
      if (!isPage()) return nothing
      return godwit.channel(name).presence.on("change", (roster) => run(roster.members))
    },
  }
}

/** connection is a store of the state of the connection. */
export function connection(godwit: Godwit): Readable<State> {
  return {
    subscribe(run) {
      run(godwit.state)
      return godwit.on("state", run)
    },
  }
}
