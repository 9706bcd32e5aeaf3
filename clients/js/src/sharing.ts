import type { Behind } from "./client.js"
import type { Fan } from "./fan.js"
import { Follower, type Leader } from "./follower.js"
import type { Line } from "./protocol.js"
import type { Session } from "./session.js"
import type { Input } from "./steps.js"
import { Tabs, type Shared } from "./tabs.js"

/** What sharing needs of the connection of its tab. */
export interface Host {
  session: Session
  fan: Fan
  run(input: Input): void
  command: Leader["ask"]
  forget: Leader["forget"]
  busy(): void // another tab uses the connection
  rest(): void // it does not any more
  tell(): void
  behind(): Behind // what was said of it last
}

/** A Sharing is the part of a connection that knows of other tabs. */
export interface Sharing {
  /** What the tab that has the connection says of it, while that is another one. */
  shared: Shared | undefined
  readonly isLeader: boolean
  readonly hasFollowers: boolean
  join(): void
  leave(): void
  steal(): void
  /** ask gives commands to the tab that has the connection. */
  ask(lines: Line[]): void
  /** push gives what has come to the other tabs. */
  push(line: Line): void
  /** share tells the other tabs how the connection is. */
  share(): void
}

/** Whether tabs can share a connection here: Web Locks want a secure context. */
export function canShare(): boolean {
  return typeof document !== "undefined" && typeof BroadcastChannel === "function" && !!globalThis.navigator?.locks
}

/** shareTabs is Sharing among the tabs of a browser that give the same name. */
export function shareTabs(name: string, id: string, { session, fan, run, command, forget, busy, rest, tell, behind }: Host): Sharing | undefined {
  if (!canShare()) return undefined
  const followers = new Map<string, Follower>()
  const follower = (from: string): Follower => {
    const known = followers.get(from)
    if (known) return known
    const made = new Follower({
      fan,
      answer: (lines) => tabs.answer(from, lines),
      ask: command,
      forget,
      welcome: () => {
        sharing.share()
        return { ...session.resume, user: session.user }
      },
      behind,
    })
    followers.set(from, made)
    return made
  }
  const tabs = new Tabs(name, id, {
    follow(follow) {
      sharing.shared = follow ? (sharing.shared ?? { state: "connecting", retryAt: 0, transport: "" }) : undefined
      for (const follower of followers.values()) follower.end()
      followers.clear()
      run({ is: "follow", follow })
      run({ is: "use" })
    },
    leader: () => run({ is: "lost" }),
    received: (lines) => run({ is: "received", lines }),
    shared(shared) {
      sharing.shared = shared
      session.resume = shared.resume
      tell()
    },
    commands(from, lines) {
      busy()
      follower(from).take(lines)
    },
    left(from) {
      followers.get(from)?.end()
      followers.delete(from)
      rest()
    },
  })
  const sharing: Sharing = {
    shared: undefined,
    get isLeader() {
      return tabs.isLeader
    },
    get hasFollowers() {
      return tabs.hasFollowers
    },
    join: () => tabs.join(),
    leave() {
      tabs.leave()
      sharing.shared = undefined
    },
    steal: () => tabs.steal(),
    ask: (lines) => tabs.ask(lines),
    push: (line) => tabs.answer(undefined, [line]),
    share() {
      const { state, retryAt, transport, user, resume } = session
      tabs.share({ state, retryAt, transport, user, resume })
    },
  }
  return sharing
}
