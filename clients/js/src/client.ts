import type { Codec, Transport } from "./carriers.js"
import { Channel, payload, type AskOptions, type ChannelOptions, type Link, type Message, message } from "./channel.js"
import type { DeltaReader } from "./delta.js"
import { Dialer } from "./dial.js"
import { Emitter } from "./emitter.js"
import { Fan, type Feed } from "./fan.js"
import { later, timerMaxMs, watchPage } from "./page.js"
import { GodwitError, notKnown, trouble, wasClosed, type Line, type Problem } from "./protocol.js"
import { Session } from "./session.js"
import type { Effect, Input, State, TokenReason } from "./steps.js"
import type { Shared } from "./tabs.js"
import { version } from "./version.js"

export interface GodwitOptions {
  /**
   * A token, or what gets one. It is asked again when the token ends (`expired`) or is not taken (`refused`). Without, the server
   * decides what somebody unknown may do.
   */
  token?: string | ((reason: TokenReason) => string | Promise<string>)
  /**
   * Whether the tabs of a browser that have the same URL share one connection. Default true, where the page is served over https
   * or from localhost. A string keeps those apart whose strings differ: the id of the user, where a browser may have several.
   */
  tabs?: boolean | string
  /** The ways to connect, in the order in which they are tried. Default websocket, stream, sse, poll. */
  transports?: Transport[]
  /** How long a subscription, and then the connection, outlives the last who used it, in milliseconds. Default 5000. */
  grace?: number
  /** How many publications and questions may wait for their reply before more are refused. Default 1000. */
  queue?: number
  /** Name and version of the program, for the server's logs. */
  client?: string
  /** `cbor` of "@godwit/client/cbor": what goes over a WebSocket is CBOR, and bytes are sent as they are. Default is JSON. */
  codec?: Codec
  /** `fossil` of "@godwit/client/delta": publications may come as what has changed. Default is whole ones. */
  deltas?: () => DeltaReader
  /** In place of the platform's own. */
  fetch?: typeof fetch
  WebSocket?: typeof WebSocket
}

export interface GodwitEvents {
  /** The state, the transport or the time of the next attempt is another. */
  state: State
  /** The connection is there. */
  open: Godwit
  /** It was there, and is not any more. */
  close: GodwitError | undefined
  /** Why there is no connection; in the state `closed` nothing more is tried. */
  error: GodwitError
  /** A message to the user, in the user's own channel. */
  message: Message
  /** What is published does not come at present, or does again, also because another connection says nothing of it. Not in `core`. */
  behind: Behind
}

export interface Behind {
  /** The channel or the pattern; none: all that this session is subscribed to. */
  channel?: string
  is: boolean
  detail?: string
}

type Waiting = (outcome: { ok?: Line; error?: Problem }) => void

const upgradeFirstMs = 10_000
const upgradeMaxMs = 600_000

/**
 * A connection to a Godwit server. It connects when something is used for the first time, comes back by itself, and closes when
 * nothing was used for some seconds. Map says what the channels have, by name or pattern.
 */
export class Godwit<Map extends object = Record<string, unknown>> extends Emitter<GodwitEvents> {
  /** The address of the server, with a slash at its end. */
  readonly url: string

  /** @internal */
  protected _options: GodwitOptions
  /** @internal */
  protected _session: Session
  /** @internal */
  protected _fan: Fan
  /** @internal */
  protected _dialer: { send(lines: Line[]): void; close(code: number): void; tryBetter?(): void } | undefined
  /** @internal */
  readonly _grace: number
  private _waiting = new globalThis.Map<number, Waiting>()
  private _ref = 0
  private _inputs: Input[] = []
  private _isStepping = false
  private _timer: ReturnType<typeof setTimeout> | undefined
  private _idle: (() => void) | undefined
  private _upgrade: (() => void) | undefined
  private _upgradeMs = upgradeFirstMs
  private _unwatch: (() => void) | undefined
  private _known: Transport | undefined
  private _told = "idle" as State
  private _toldAll = ""
  /** @internal */
  protected _isClosed = false

  /** url is that of the server, http: or https:, and may have a path. Default is where the page is from. */
  constructor(url?: string | URL, options: GodwitOptions = {}) {
    super()
    const { href } = new URL(url ?? ".", globalThis.document?.baseURI)
    this.url = href.replace(/^ws/, "http").replace(/\/?([?#].*)?$/, "/")
    this._options = options
    const { token } = options
    this._session = new Session({
      client: options.client ?? "godwit-js/" + version,
      hasTokens: typeof token === "function",
      token: typeof token === "string" ? token : undefined,
      deltas: options.deltas,
      random: Math.random,
    })
    this._fan = new Fan(this._session, this)
    this._grace = options.grace ?? 5000
  }

  /** What the connection is doing; in a tab that shares another one's, what that is doing. */
  get state(): State {
    const { state } = this._session
    if (this._isClosed) return "closed"
    return state === "closed" || state === "idle" ? state : (this._at.state as State)
  }

  /** When the next attempt is made, in the state `waiting`. */
  get retryAt(): Date | undefined {
    const { retryAt } = this._at
    return this.state === "waiting" && isFinite(retryAt) ? new Date(retryAt) : undefined
  }

  /** Why the connection is not there. */
  get error(): GodwitError | undefined {
    const { error } = this._session
    return error && this.state !== "open" ? new GodwitError(error.problem, error.code) : undefined
  }

  /** What carries the connection, "" while there is none. */
  get transport(): Transport | "" {
    return this._at.transport as Transport | ""
  }

  /** Whether another tab has the connection. */
  get isShared(): boolean {
    return this._at !== this._session
  }

  /** Who the server says this is. */
  get user(): string | undefined {
    return this._at.user
  }

  /** The id of the session, which others see as that of a member. */
  get session(): string | undefined {
    return this._at.resume?.session
  }

  /** What the connection is like, wherever it is. @internal */
  protected get _at(): Shared {
    return this._session
  }

  /** channel is a channel, or with a pattern several. */
  channel<Name extends keyof Map & string>(name: Name, options?: ChannelOptions): Channel<Map[Name]>
  channel<T = unknown>(name: string, options?: ChannelOptions): Channel<T>
  channel(name: string, options: ChannelOptions = {}): Channel {
    return this._newChannel(name, options)
  }

  /** @internal */
  protected _newChannel(name: string, options: ChannelOptions): Channel {
    return new Channel(this, name, options)
  }

  /** rpc calls a method, and resolves with what answers it. Default timeout 30 s. */
  async rpc<T = unknown>(method: string, data?: unknown, { timeout = 30_000, signal }: AskOptions = {}): Promise<T> {
    const body: Line = { method, timeout_ms: Math.max(1, Math.min(timeout, 60_000)), ...(data === undefined ? {} : payload(data)) }
    // The server's own error says more than ours, so it has the time to come.
    const ok = await this._ask("rpc", body, { timeout: timeout + 5000, signal })
    return message(ok).data as T
  }

  /** reconnect tries at once, also after the server has said that it would do no good. */
  reconnect(): void {
    if (!this._isClosed) this._run({ is: "again" })
  }

  /** close ends the connection for good: what waits fails. */
  close(): void {
    if (this._isClosed) return
    this._isClosed = true
    this._end()
    for (const reply of [...this._waiting.values()]) reply({ error: wasClosed })
  }

  // --- commands ---

  /** @internal */
  _attach(feed: Feed): void {
    this._use()
    if (this._isClosed) queueMicrotask(() => feed.failed(wasClosed))
    else this._fan.attach(feed)
  }

  /** @internal */
  _detach(feed: Feed): void {
    this._fan.detach(feed)
    this._rest()
  }

  /** @internal */
  _ask(verb: string, body: Line, { timeout = verb === "publish" ? 0 : 30_000, signal }: AskOptions = {}): Promise<Line> {
    return new Promise((done, failed) => {
      const give = (reason: unknown) => {
        end()
        this._forget(ref)
        failed(reason)
      }
      const aborted = () => give(signal!.reason)
      if (signal?.aborted) return failed(signal.reason)
      const ref = this._command(verb, body, ({ ok, error }) => {
        end()
        if (ok) done(ok)
        else failed(new GodwitError(error!))
      })
      const stop =
        timeout && ref
          ? later(timeout, () => give(new GodwitError(trouble("timeout", "there was no reply in time" + notKnown))))
          : undefined
      const end = () => {
        stop?.()
        signal?.removeEventListener("abort", aborted)
      }
      signal?.addEventListener("abort", aborted)
    })
  }

  /** @internal */
  protected _command(verb: string, body: Line, reply: Waiting): number {
    const isFull = this._waiting.size >= (this._options.queue ?? 1000)
    if (this._isClosed || isFull) {
      queueMicrotask(() => reply({ error: this._isClosed ? wasClosed : trouble("queue", "too many commands wait") }))
      return 0
    }
    const ref = ++this._ref
    this._waiting.set(ref, (outcome) => {
      this._waiting.delete(ref)
      reply(outcome)
      this._rest()
    })
    this._use()
    this._run({ is: "ask", ref, verb, body })
    return ref
  }

  /** @internal */
  protected _forget(ref: number): void {
    if (!this._waiting.delete(ref)) return
    this._run({ is: "forget", ref })
    this._rest()
  }

  // --- the life of the connection ---

  private _use(): void {
    this._busy()
    if (this._isClosed || this._session.state !== "idle") return
    this._unwatch ??= watchPage({
      wake: () => this._run({ is: "wake" }),
      sleep: (isLeft) => this._sleep(isLeft),
      resume: () => {
        this._join()
        this._run({ is: "wake" })
      },
    })
    if (!this._join()) this._run({ is: "use" })
  }

  /** _join says whether other tabs have a say in who connects. @internal */
  protected _join(): boolean {
    return false
  }

  /** _part is the opposite of _join. @internal */
  protected _part(): void {}

  /** @internal */
  protected _busy(): void {
    this._idle?.()
    this._idle = undefined
  }

  /** _rest lets go when nobody has used anything for a while. @internal */
  protected _rest(): void {
    if (this._idle || this._isClosed || this._fan.size > 0 || this._waiting.size > 0) return
    this._idle = later(this._grace, () => {
      this._idle = undefined
      this._end()
    })
  }

  private _end(): void {
    this._busy()
    this._upgrade?.()
    this._upgrade = undefined
    this._run({ is: "leave" })
    this._part()
    this._unwatch?.()
    this._unwatch = undefined
    this._tell()
  }

  /** isLeft says that the page ends, and its session with it. @internal */
  protected _sleep(isLeft: boolean): void {
    if (!isLeft) this._run({ is: "sleep" })
    this._part()
  }

  // --- one step after another ---

  /** @internal */
  _run(input: Input): void {
    this._inputs.push(input)
    if (this._isStepping) return
    this._isStepping = true
    try {
      for (let next; (next = this._inputs.shift()); ) {
        const effects = this._session.step(next, Date.now())
        this._arm()
        for (const effect of effects) this._do(effect)
      }
    } finally {
      this._isStepping = false
    }
  }

  private _arm(): void {
    clearTimeout(this._timer)
    const { deadline } = this._session
    if (deadline < Infinity) this._timer = setTimeout(() => this._run({ is: "tick" }), Math.min(deadline - Date.now() + 1, timerMaxMs))
  }

  /** @internal */
  protected _do(effect: Effect): void {
    switch (effect.do) {
      case "send":
        return this._dialer?.send(effect.lines)
      case "dial":
        return this._dial()
      case "drop":
        this._dialer?.close(effect.code)
        this._dialer = undefined
        return
      case "token":
        return this._getToken(effect.reason)
      case "reply":
        return this._waiting.get(effect.ref)?.(effect)
      case "begun":
        return this._fan.begun(effect.name, effect.ok, effect.error)
      case "push":
        return void this._push(effect.line)
      case "state":
        return this._tell()
    }
  }

  private _getToken(reason: TokenReason): void {
    const { token } = this._options
    const get = async () => (typeof token === "function" ? token(reason) : token!)
    get().then(
      (token) => this._run({ is: "token", token }),
      (error) => this._run({ is: "token", error: trouble("token", "no token was to be had: " + (error?.message ?? error)) }),
    )
  }

  /** _push hands on what has come, and says whether another tab wants it. @internal */
  protected _push(line: Line): boolean {
    if (line.message) this._emit("message", message(line.message))
    return this._fan.push(line)
  }

  /** @internal */
  protected _dial(): void {
    this._dialer?.close(4000)
    const around = { ...this._options, url: this.url + "connect", session: this._session }
    const known = this._known ?? memory(this.url)
    const kinds = this._kinds().sort((a, b) => Number(b === known) - Number(a === known))
    // Every third attempt tries everything: the network may be another.
    this._dialer = new Dialer(kinds, kinds[0] === known && this._attempts++ % 3 < 2, around, this)
  }

  private _attempts = 0

  private _kinds(): Transport[] {
    const hasSocket = !!(this._options.WebSocket ?? globalThis.WebSocket)
    return (this._options.transports ?? ["websocket", "stream", "sse", "poll"]).filter((kind) => kind !== "websocket" || hasSocket)
  }

  /** @internal */
  protected _tell(): void {
    const { transport, resume } = this._session
    if (transport && transport !== "tab") {
      this._attempts = 0
      if (this._known !== transport) memory(this.url, (this._known = transport as Transport))
    }
    this._planUpgrade(transport)
    const all = [this.state, this.transport, this.retryAt?.getTime(), resume?.session].join()
    if (all === this._toldAll) return
    this._toldAll = all
    const { state } = this
    const before = this._told
    this._told = state
    this._emit("state", state)
    if (state === "open" && before !== "open") this._emit("open", this as never)
    if (state !== "open" && before === "open") this._emit("close", this.error)
    if ((state === "waiting" || state === "closed") && before !== state && this.error) this._emit("error", this.error)
  }

  // What carries the session is replaced by a WebSocket when that gets through.
  private _planUpgrade(kind: string): void {
    if (this._upgrade || kind === "" || kind === "tab" || kind === "websocket" || !this._kinds().includes("websocket")) return
    this._upgrade = later(this._upgradeMs, () => {
      this._upgrade = undefined
      this._upgradeMs = Math.min(this._upgradeMs * 2, upgradeMaxMs)
      this._dialer?.tryBetter?.()
      this._planUpgrade(this._session.transport)
    })
  }
}

// The transport that has worked is tried first as long as the tab lives, also after a reload.
function memory(url: string, transport?: Transport): string | null | undefined {
  const key = "godwit transport " + url
  try {
    if (!transport) return sessionStorage.getItem(key)
    sessionStorage.setItem(key, transport)
  } catch {
    // There is none, or it is forbidden: all are tried again then.
  }
  return undefined
}
