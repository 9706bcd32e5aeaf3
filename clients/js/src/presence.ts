import type { AskOptions, Link } from "./channel.js"
import { Emitter } from "./emitter.js"
import type { Feed } from "./fan.js"
import { later } from "./page.js"
import { GodwitError, type Line } from "./protocol.js"

/** Somebody who is subscribed to a channel. */
export interface Member {
  /** The id of the session; absent by user. */
  id?: string
  transport?: string
  /** How many sessions, by user. */
  sessions?: number
  /** Since when, as ISO 8601. */
  since: string
  user?: string
  /** What the token says about the user that others may see. */
  info?: unknown
}

export interface RosterEvents {
  /** Somebody came or went, or the roster was read anew. */
  change: Roster
  join: Member
  leave: Member
  error: GodwitError
}

/**
 * The members of a channel. It is live as long as somebody listens to it, which subscribes to the channel: a member of it, too.
 */
export class Roster extends Emitter<RosterEvents> {
  private _members = new Map<string, Member>()
  private _version = -1
  private _count = 0
  private _feed: Feed | undefined
  private _stop: (() => void) | undefined
  private _early: Line[] | undefined // what came while pages are read
  private _reading = 0

  /** @internal */
  constructor(
    private _link: Link,
    private _name: string,
  ) {
    super()
  }

  /** Who is there, as far as it is known; those who came first are first. */
  get members(): Member[] {
    return [...this._members.values()]
  }

  /** How many are there. */
  get count(): number {
    return this._count
  }

  /** get asks once, and does not subscribe. By user, members are users with the number of their sessions. */
  async get({ by, ...options }: AskOptions & { by?: "user" } = {}): Promise<Member[]> {
    return (await this._pages(by, options)).members
  }

  /** @internal */
  protected override _listens(): void {
    this._stop?.()
    this._stop = undefined
    if (this._feed) return
    const feed: Feed = (this._feed = {
      name: this._name,
      fields: { presence: true },
      begun: () => this._feed === feed && void this._read(),
      failed: (error) => {
        if (this._feed !== feed) return
        this._feed = undefined
        this._emit("error", new GodwitError(error))
      },
      push: (line) => this._feed === feed && this._push(line),
    })
    this._link._attach(feed)
  }

  /** @internal */
  protected override _leaves(): void {
    this._stop = later(this._link._grace, () => {
      this._stop = undefined
      if (this._feed) this._link._detach(this._feed)
      this._feed = undefined
      this._reading++
      this._members.clear()
      this._count = 0
    })
  }

  private async _pages(by: "user" | undefined, options: AskOptions = {}): Promise<{ members: Member[]; version: number; count: number }> {
    const members: Member[] = []
    let cursor: string | undefined
    for (;;) {
      const ok = await this._link._ask("presence", { channel: this._name, limit: 1000, cursor, by }, options)
      members.push(...ok.members)
      cursor = ok.cursor
      if (!cursor) return { members, version: ok.version ?? -1, count: ok.count }
    }
  }

  // docs/protocol.md §5.3: all pages, and then each change of a greater version.
  private async _read(): Promise<void> {
    const reading = ++this._reading
    this._early = []
    try {
      const { members, version, count } = await this._pages(undefined)
      if (reading !== this._reading) return
      const before = this._members
      this._members = new Map(members.map((member) => [member.id!, member]))
      this._version = version
      this._count = count
      const early = this._early
      this._early = undefined
      for (const [id, member] of this._members) if (!before.has(id)) this._emit("join", member)
      for (const [id, member] of before) if (!this._members.has(id)) this._emit("leave", member)
      this._emit("change", this)
      for (const line of early) this._push(line)
    } catch (error) {
      if (reading === this._reading) this._emit("error", error as GodwitError)
    }
  }

  private _push(line: Line): void {
    const change = line.join ?? line.leave ?? line.presence
    if (!change || change.channel !== this._name) return
    if (this._early) return void this._early.push(line)
    if (change.version < this._version) return
    // A join and a leave of one version belong together.
    if (line.presence || (change.version > this._version && change.previous > this._version)) return void this._read()
    this._version = change.version
    this._count = change.count
    for (const member of change.members as Member[]) {
      if (line.join) this._members.set(member.id!, member)
      else this._members.delete(member.id!)
      this._emit(line.join ? "join" : "leave", member)
    }
    this._emit("change", this)
  }
}
