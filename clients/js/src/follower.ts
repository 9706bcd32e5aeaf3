import type { Behind } from "./client.js"
import type { Fan, Feed } from "./fan.js"
import type { Line, Problem } from "./protocol.js"

/** What a Follower needs of the tab that has the connection. */
export interface Leader {
  fan: Fan
  answer(lines: Line[]): void
  /** ask gives a command to the session, and returns its number there. */
  ask(verb: string, body: Line, reply: (outcome: { ok?: Line; error?: Problem }) => void): number
  forget(ref: number): void
  /** What a follower is told when it connects. */
  welcome(): Line
  /** What was said last of whether anything is behind. */
  behind(): Behind
}

/** followerPingMs is after how much silence a tab asks whether the one that has the connection still answers. */
const followerPingMs = 3000

/**
 * A Follower is another tab, as the one that has the connection sees it: a client of godwit.v1 whose commands are done in the one
 * session. What is pushed goes to all tabs at once and not through here.
 */
export class Follower {
  private _feeds = new Map<string, Feed>()
  private _refs = new Map<number, number>()

  constructor(private _leader: Leader) {}

  /** take does the commands of the tab. */
  take(lines: Line[]): void {
    for (const { id, ...command } of lines) {
      const [verb] = Object.keys(command)
      if (verb) this._do(id, verb, command[verb])
    }
  }

  /** end takes back what the tab has wanted. */
  end(): void {
    for (const feed of this._feeds.values()) this._leader.fan.detach(feed)
    for (const ref of this._refs.values()) this._leader.forget(ref)
    this._feeds.clear()
    this._refs.clear()
  }

  private _do(id: number, verb: string, body: Line): void {
    const ok = (ok: Line = {}) => this._leader.answer([{ id, ok }])
    switch (verb) {
      case "connect":
        // It subscribes again behind this.
        this.end()
        ok({ ...this._leader.welcome(), resumed: false, ping_ms: followerPingMs })
        return this._leader.answer([{ behind: this._leader.behind() }])
      case "ping":
        return ok()
      case "end":
        this.end()
        return ok()
      case "unsubscribe":
        this._unsubscribe(body.channel)
        return ok()
      case "subscribe":
        return this._subscribe(id, body)
      case "cancel": {
        const ref = this._refs.get(body.rpc)
        if (ref !== undefined) this._leader.forget(ref)
        this._refs.delete(body.rpc)
        return ok()
      }
      default: {
        const ref = this._leader.ask(verb, body, (outcome) => {
          this._refs.delete(id)
          this._leader.answer([{ id, ...outcome }])
        })
        if (ref > 0) this._refs.set(id, ref)
      }
    }
  }

  private _unsubscribe(name: string): void {
    const feed = this._feeds.get(name)
    this._feeds.delete(name)
    if (feed) this._leader.fan.detach(feed)
  }

  // What another tab is given is whole, whatever it asks for.
  private _subscribe(id: number, { channel, since, last, delta: _, ...fields }: Line): void {
    this._unsubscribe(channel)
    let isAnswered = false
    const feed: Feed = {
      name: channel,
      since,
      last,
      fields,
      begun: (ok) => {
        if (!isAnswered) this._leader.answer([{ id, ok }])
        isAnswered = true
      },
      failed: (error) => {
        this._feeds.delete(channel)
        this._leader.answer([isAnswered ? { unsubscribed: { channel, error } } : { id, error }])
        isAnswered = true
      },
    }
    this._feeds.set(channel, feed)
    this._leader.fan.attach(feed)
  }
}
