import type { DeltaReader } from "./delta.js"
import type { Line, Problem } from "./protocol.js"

/** What a Session is doing. */
export type State = "idle" | "connecting" | "open" | "waiting" | "closed"

/** Why a token is wanted: there is none yet, the one there was ends, or the server has refused it. */
export type TokenReason = "first" | "expired" | "refused"

/** The fields of `subscribe` that stay the same when a subscription goes on. */
export interface Fields {
  presence?: boolean
  rate?: number
}

/** What a Session is told. */
export type Input =
  | { is: "use" } // somebody wants the connection
  | { is: "again" } // also if it was closed for good
  | { is: "leave" } // nobody does any more
  | { is: "follow"; follow: boolean } // another tab has the connection, or not
  | { is: "token"; token?: string; error?: Problem }
  | { is: "ready"; transport: string } // a carrier takes commands
  | { is: "received"; lines: Line[] }
  | ({ is: "lost" } & Lost)
  | { is: "subscribe"; name: string; since?: string; last?: number; fields: Fields }
  | { is: "unsubscribe"; name: string }
  | { is: "ask"; ref: number; verb: string; body: Line }
  | { is: "forget"; ref: number } // the reply is not waited for any more
  | { is: "wake" } // the page is seen again, or the network is back
  | { is: "sleep" } // the page is about to be frozen
  | { is: "tick" } // the deadline has come

/** How a carrier ended, as far as that is known. */
export interface Lost {
  code?: number // of a WebSocket, or of `end`
  status?: number // of a refused request
  reconnect?: boolean // of `end`
  retryAfter?: number // milliseconds
  problem?: Problem
}

/** What a Session wants done. */
export type Effect =
  | { do: "token"; reason: TokenReason }
  | { do: "dial" }
  | { do: "send"; lines: Line[] }
  | { do: "drop"; code: number } // 1000 ends the session, others do not (docs/protocol.md §6.7)
  | { do: "reply"; ref: number; ok?: Line; error?: Problem }
  | { do: "begun"; name: string; ok?: Line; error?: Problem }
  | { do: "push"; line: Line }
  | { do: "steal" } // the tab that has the connection does not answer
  | { do: "state" }

/** What a Session needs to know of its surroundings. */
export interface Settings {
  client: string
  hasTokens: boolean // the effect `token` is answered with another token each time
  token?: string
  deltas?: () => DeltaReader // another for each subscription
  random: () => number
}

/** A subscription that a Session has, or wants. */
export interface Sub {
  name: string
  since?: string
  last?: number
  fields: Fields
  began: boolean
  read?: false | DeltaReader // what comes as deltas
}

/** What was said at the beginning of a connection that is not answered yet. */
export interface Hello {
  transport: string
  subs: Map<number, Sub> // by the id of subscribe
}
