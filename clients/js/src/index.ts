import { Answers, type HandleOptions, type Handler } from "./answers.js"
import { Channel as CoreChannel, randomId, type AskOptions, type ChannelOptions } from "./channel.js"
import { Godwit as Core, type Behind } from "./client.js"
import { Roster } from "./presence.js"
import type { Line } from "./protocol.js"
import { canShare, shareTabs, type Sharing } from "./sharing.js"
import type { Effect } from "./steps.js"
import type { Shared } from "./tabs.js"

export { GodwitError, version } from "./core.js"
export type * from "./core.js"
export type { HandleOptions, Handler, Call } from "./answers.js"
export { Roster } from "./presence.js"
export type { Member, RosterEvents } from "./presence.js"

/** A digest of publications. */
export interface Digest {
  count: number
  /** The positions of the first and the last of them, if there are any. */
  from?: string
  position: string
  sha256: string
}

/**
 * A channel, or a pattern of channels. Listening subscribes, and when nobody has listened for some seconds, it is unsubscribed.
 * Every Channel has its own beginning and position, however many there are of the same name.
 */
export class Channel<T = unknown> extends CoreChannel<T> {
  private _roster: Roster | undefined

  /** digest is what the server holds of the newest `last` publications, at most 256: who has the same computes the same (docs/protocol.md §9). */
  async digest({ last = 100, ...options }: AskOptions & { last?: number } = {}): Promise<Digest> {
    return (await this._link._ask("digest", { channel: this.name, last }, options)) as Digest
  }

  /** Who is there, live as long as somebody listens to it. A pattern has no members. */
  get presence(): Roster {
    return (this._roster ??= new Roster(this._link, this.name))
  }
}

/**
 * A connection to a Godwit server. It connects when something is used for the first time, comes back by itself, and closes when
 * nothing was used for some seconds. The tabs of a browser share one. Map says what the channels have, by name or pattern.
 */
export class Godwit<Map extends object = Record<string, unknown>> extends Core<Map> {
  private _sharing: Sharing | undefined
  private _answers: Answers | undefined
  private _own: Godwit | undefined
  private _behind: Behind = { is: false } // as it was told last

  /** channel is a channel, or with a pattern several. */
  override channel<Name extends keyof Map & string>(name: Name, options?: ChannelOptions): Channel<Map[Name]>
  override channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>
  override channel(name: string, options?: ChannelOptions): Channel {
    return super.channel(name, options) as Channel
  }

  /** @internal */
  protected override _newChannel(name: string, options: ChannelOptions): Channel {
    return new Channel(this, name, options)
  }

  /**
   * handle answers the calls of a method, or of all that a pattern stands for, until the function that it resolves with is
   * called. It resolves when the server has agreed. It needs the grant `answer`. What shares a connection with other tabs
   * gets one more for this, as each tab answers for itself.
   */
  async handle<T = unknown>(method: string, handler: Handler<T>, options: HandleOptions = {}): Promise<() => void> {
    if (this._options.tabs !== false && canShare() && !this._isClosed) {
      if (!this._own) {
        this._own = new Godwit(this.url, { ...this._options, tabs: false })
        this._own.on("error", (error) => this._emit("error", error))
      }
      return this._own.handle(method, handler, options)
    }
    this._answers ??= new Answers(this)
    return this._answers.handle(method, handler as Handler, options)
  }

  /** close ends the connection for good: what waits fails. */
  override close(): void {
    super.close()
    this._own?.close()
  }

  /** @internal */
  protected override _rest(): void {
    if (!this._answers?.size) super._rest()
  }

  // --- what other tabs have to do with it ---

  /** @internal */
  protected override get _at(): Shared {
    return this._sharing?.shared ?? super._at
  }

  /** @internal */
  protected override _join(): boolean {
    const { tabs = true } = this._options
    if (tabs)
      this._sharing ??= shareTabs("godwit 2 " + this.url + (tabs === true ? "" : " " + tabs), randomId(), {
        session: this._session,
        fan: this._fan,
        run: (input) => this._run(input),
        command: (verb, body, reply) => this._command(verb, body, reply),
        forget: (ref) => this._forget(ref),
        busy: () => this._busy(),
        rest: () => this._rest(),
        tell: () => this._tell(),
        behind: () => this._behind,
      })
    this._sharing?.join()
    return !!this._sharing
  }

  /** @internal */
  protected override _part(): void {
    this._sharing?.leave()
  }

  /** @internal */
  protected override _sleep(isLeft: boolean): void {
    // The session of a page that is left does not end if another tab goes on with it.
    super._sleep(isLeft && !this._sharing?.hasFollowers)
  }

  /** @internal */
  protected override _dial(): void {
    const sharing = this._sharing
    if (!sharing || sharing.isLeader) return super._dial()
    this._dialer?.close(4000)
    this._dialer = { send: (lines) => sharing.ask(lines), close() {} }
    this._run({ is: "ready", transport: "tab" })
  }

  /** @internal */
  protected override _push(line: Line): boolean {
    this._answers?.push(line)
    if (line.behind && (line.behind.is || this._behind.is)) this._emit("behind", (this._behind = line.behind))
    const isWanted = super._push(line) || !!line.message || !!line.behind
    if (isWanted && this._sharing?.isLeader) this._sharing.push(line)
    return isWanted
  }

  /** @internal */
  protected override _tell(): void {
    if (this._sharing?.isLeader) this._sharing.share()
    this._answers?.renew()
    super._tell()
  }

  /** @internal */
  protected override _do(effect: Effect): void {
    if (effect.do === "steal") this._sharing?.steal()
    else super._do(effect)
  }
}
