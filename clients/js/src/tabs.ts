import type { Line } from "./protocol.js"

/** What a tab that has the connection tells the others about it. */
export interface Shared {
  state: string
  retryAt: number
  transport: string
  user?: string
  resume?: { session: string; secret: string }
}

/** What one tab says to the others. */
type Said =
  | { from: string; lines: Line[] } // a follower's commands
  | { from: string; bye: true } // a follower leaves
  | { leads: string } // who has the connection
  | { to?: string; lines: Line[] } // replies to one, or pushes for all
  | { shared: Shared }

export interface TabEvents {
  /** follow says whether another tab has the connection. */
  follow(follow: boolean): void
  /** A new tab has it. */
  leader(): void
  /** The leader answers. */
  received(lines: Line[]): void
  shared(shared: Shared): void
  /** A follower, to the leader. */
  commands(from: string, lines: Line[]): void
  left(from: string): void
}

/**
 * Tabs elects the tab that has the connection: the one that holds a Web Lock. When it is closed or crashes, the lock goes to the
 * next. One that is frozen keeps the lock, so it is stolen by a follower that gets no answer.
 */
export class Tabs {
  isLeader = false
  readonly id: string
  private _name: string
  private _events: TabEvents
  private _channel: BroadcastChannel | undefined
  private _release: (() => void) | undefined
  private _end = new AbortController()
  private _known = new Set<string>()
  private _isIn = false

  constructor(name: string, id: string, events: TabEvents) {
    this._name = name
    this.id = id
    this._events = events
  }

  join(): void {
    if (this._isIn) return
    this._isIn = true
    this._end = new AbortController()
    this._channel = new BroadcastChannel(this._name)
    this._channel.onmessage = ({ data }) => this._hear(data)
    // Held as long as this tab lives, so that the leader notices its end.
    this._lock(this._name + this.id, {}, () => new Promise((done) => this._end.signal.addEventListener("abort", done as () => void)))
    this._lock(this._name, { ifAvailable: true }, (lock) => (lock ? this._lead() : this._follow()))
  }

  /** leave gives the connection to another tab, if this one has it. */
  leave(): void {
    if (!this._isIn) return
    this._isIn = this.isLeader = false
    this._say({ from: this.id, bye: true })
    this._channel?.close()
    this._end.abort()
    this._release?.()
    this._known.clear()
  }

  /** steal takes the connection from a tab that does not answer. */
  steal(): void {
    if (this._isIn && !this.isLeader) this._lock(this._name, { steal: true }, () => this._lead())
  }

  get hasFollowers(): boolean {
    return this._known.size > 0
  }

  ask(lines: Line[]): void {
    // As JSON has them: the objects of an application may not be what can be cloned.
    this._say({ from: this.id, lines: JSON.parse(JSON.stringify(lines)) })
  }

  answer(to: string | undefined, lines: Line[]): void {
    this._say(to === undefined ? { lines } : { to, lines })
  }

  share(shared: Shared): void {
    this._say({ shared })
  }

  private _lock(name: string, options: LockOptions, held: (lock: Lock | null) => unknown): void {
    const { signal } = this._end
    const asked = navigator.locks.request(name, options.ifAvailable || options.steal ? options : { ...options, signal }, (lock) =>
      signal.aborted ? undefined : held(lock),
    )
    asked.catch(() => {
      // Either nobody waits for it any more, or this tab was frozen, and another has stolen the lock.
      if (name !== this._name || signal.aborted || !this.isLeader) return
      this.isLeader = false
      this._known.clear()
      this._follow()
    })
  }

  private _lead(): Promise<void> | undefined {
    if (this.isLeader) return undefined
    this.isLeader = true
    this._say({ leads: this.id })
    this._events.follow(false)
    return new Promise((release) => (this._release = release))
  }

  private _follow(): void {
    this._lock(this._name, {}, () => this._lead())
    this._events.follow(true)
  }

  private _say(said: Said): void {
    this._channel?.postMessage(said)
  }

  private _hear(said: Said): void {
    if (!this._isIn) return
    if ("leads" in said) {
      if (!this.isLeader) this._events.leader()
    } else if ("shared" in said) {
      if (!this.isLeader) this._events.shared(said.shared)
    } else if ("bye" in said) {
      this._left(said.from)
    } else if ("from" in said) {
      if (!this.isLeader) return
      if (!this._known.has(said.from)) {
        this._known.add(said.from)
        // Given when that tab has ended in whatever way.
        this._lock(this._name + said.from, {}, () => this._left(said.from))
      }
      this._events.commands(said.from, said.lines)
    } else if (!this.isLeader && (said.to === undefined || said.to === this.id)) {
      this._events.received(said.lines)
    }
  }

  private _left(from: string): void {
    if (this._known.delete(from)) this._events.left(from)
  }
}
