import { codesAfter } from "./codes.js"
import { Outbox } from "./outbox.js"
import { isBehind, trouble, type Line, type Problem } from "./protocol.js"
import type { Effect, Fields, Hello, Input, Lost, Settings, State, Sub, TokenReason } from "./steps.js"

const dialMs = 15_000
const patienceMs = 10_000 // for the reply to a ping
const tabMs = 3_000 // for another tab to say hello
const probeMs = 3_000
const freshMs = 5_000 // what was heard so lately needs no probe
const delayMaxMs = 60_000

/**
 * A session of godwit.v1 (docs/protocol.md) without any input or output: it is told what has happened and what time it is, and
 * returns what is to be done, in order. After each step `deadline` is when it wants the next `tick`.
 */
export class Session {
  state: State = "idle"
  /** When it is tried again, while waiting. */
  retryAt = 0
  /** Why it is waiting or closed. */
  error: { problem: Problem; code?: number } | undefined
  /** The carrier: "" while there is none. */
  transport = ""
  user: string | undefined
  deadline: number = Infinity
  /** The session and its secret, to go on with. */
  resume: { session: string; secret: string } | undefined

  private _settings: Settings
  private _token: string | undefined
  private _tokenEndsAt = Infinity
  private _waitsForToken = false
  private _refusals = 0
  private _follows = false
  private _id = 0
  private _connects = new Map<number, Hello>() // by the id of connect
  private _outbox: Outbox = new Outbox({
    nextId: () => ++this._id,
    send: (line) => this._send([line]),
    settled: (ref, outcome) => this._effects.push({ do: "reply", ref, ...outcome }),
  })
  private _subs = new Map<string, Sub>()
  private _subIds = new Map<number, Sub>()
  private _refusedUntil = Infinity // then what was refused for now is asked for again
  private _messages: string | undefined
  private _failures = 0
  private _afterMs = 1000
  private _pingMs = 25_000
  private _heard = 0
  private _pingedAt = 0
  private _until = 0 // of dialling, or of the reply to a ping
  private _lastError: Problem | undefined // of connect
  private _isAsleep = false
  private _hasCarrier = false
  private _effects: Effect[] = []

  constructor(settings: Settings) {
    this._settings = settings
    this._token = settings.token
  }

  /** The newest position or vector of a subscription. */
  position(name: string): string | undefined {
    return this._subs.get(name)?.since
  }

  /** Whether a subscription has begun on this connection. */
  hasBegun(name: string): boolean {
    return !!this._subs.get(name)?.began
  }

  // Whether a carrier is there, or on its way.
  private get _isUp(): boolean {
    return this.state === "open" || this.state === "connecting"
  }

  step(input: Input, now: number): Effect[] {
    const effects: Effect[] = (this._effects = [])
    const before = this.state + this.retryAt + this.transport
    switch (input.is) {
      case "use":
        if (this.state === "idle") this._connect(now)
        break
      case "again":
        if (this.state === "closed") this._connect(now)
        else this._wake(now)
        break
      case "leave":
        if (this.state !== "closed") this._stop("idle")
        break
      case "follow":
        this._follow(input.follow, now)
        break
      case "token":
        this._onToken(input, now)
        break
      case "ready":
        if (this._isUp) this._hello(input.transport, now)
        break
      case "received":
        this._heard = now
        this._pingedAt = 0
        for (const line of input.lines) this._receive(line, now)
        break
      case "lost":
        this._hasCarrier = false
        this._lost(input, now)
        break
      case "subscribe":
        this._subscribe(input)
        break
      case "unsubscribe":
        if (this._subs.delete(input.name) && this.state === "open") this._unsubscribe(input.name)
        break
      case "ask":
        this._outbox.ask(input.ref, input.verb, input.body)
        if (this.state === "closed" && this.error) this._outbox.fail(this.error.problem)
        this._flush(now)
        break
      case "forget":
        this._outbox.forget(input.ref, this.state === "open")
        this._flush(now)
        break
      case "wake":
        this._wake(now)
        break
      case "sleep":
        // What broke while the page was frozen would be noticed late: it comes back by itself.
        if (this._isUp) {
          this._isAsleep = true
          this._drop(4000)
          this._wait(now, Infinity)
        }
        break
      case "tick":
        this._tick(now)
    }
    if (before !== this.state + this.retryAt + this.transport) effects.push({ do: "state" })
    this._setDeadline(now)
    return effects
  }

  // --- connecting ---

  private _connect(now: number): void {
    this.state = "connecting"
    this.transport = ""
    this._until = now + dialMs
    this._connects.clear()
    if (!this._follows && this._settings.hasTokens && (!this._token || now >= this._tokenEndsAt)) this._want(this._token ? "expired" : "first")
    else this._dial()
  }

  private _dial(): void {
    this._hasCarrier = true
    this._effects.push({ do: "dial" })
  }

  private _want(reason: TokenReason): void {
    this._waitsForToken = true
    this._effects.push({ do: "token", reason })
  }

  private _onToken({ token, error }: { token?: string; error?: Problem }, now: number): void {
    if (!this._waitsForToken) return
    this._waitsForToken = false
    if (token !== undefined) {
      this._token = token
      this._tokenEndsAt = Infinity
    }
    if (this.state === "open") {
      // A session goes on with the token that it has until that ends (docs/protocol.md §4.10).
      if (token !== undefined) this._send([this._line({ refresh: { token } })])
    } else if (this.state === "connecting") {
      this._until = now + dialMs
      if (error) this._retry(now, error)
      else this._dial()
    }
  }

  // What a new connection begins with (docs/protocol.md §6.2). Publications and calls that have no reply follow when it is
  // known whether the session goes on.
  private _hello(transport: string, now: number): void {
    if (this.state === "open") this._until = now + dialMs // a better carrier takes over
    this.state = "connecting"
    // Ids ascend over all connections, also those of another tab that had the session before.
    this._id = Math.max(this._id, now * 1000)
    const token = this._follows ? undefined : this._token
    const lines = [this._line({ connect: { client: this._settings.client, token, resume: this.resume, messages: this._messages } })]
    // Two carriers may be tried at a time: each knows its own subscriptions.
    this._connects.set(this._id, { transport, subs: (this._subIds = new Map()) })
    for (const sub of this._subs.values()) {
      sub.began = false
      lines.push(this._subscribeLine(sub))
    }
    if (transport === "tab") this._until = now + tabMs
    this._send(lines)
  }

  private _connected(ok: Line, { transport, subs }: Hello, now: number): void {
    this.state = "open"
    this.transport = transport
    this.user = ok.user
    this.error = undefined
    this.retryAt = 0
    this.resume = { session: ok.session, secret: ok.secret }
    this._afterMs = ok.reconnect?.after_ms ?? this._afterMs
    this._pingMs = ok.ping_ms || 25_000
    this._failures = this._refusals = 0
    this._tokenEndsAt = ok.expires_after_ms ? now + ok.expires_after_ms : Infinity
    this._subIds = subs
    // What was unsubscribed and subscribed while this connection began.
    for (const sub of subs.values()) if (this._subs.get(sub.name) !== sub) this._unsubscribe(sub.name)
    this._subscribeRest()
    // Nothing is behind until it is said again (docs/protocol.md §5.10); another tab says how it is there.
    if (transport !== "tab") this._effects.push({ do: "push", line: { behind: { is: false } } })
    this._outbox.goOn(!!ok.resumed && transport !== "tab", now)
    this._flush(now)
  }

  private _flush(now: number): void {
    if (this.state === "open") this._outbox.flush(now)
  }

  private _follow(follow: boolean, now: number): void {
    if (this._follows === follow) return
    this._follows = follow
    // What went through the other tab has ids of that one, and what this one has sent is not known there.
    this._outbox.isStale = true
    if (this._isUp || this.state === "waiting") {
      this._drop(4000)
      this._failures = 0
      this._connect(now)
    }
  }

  // --- losing ---

  private _lost(why: Lost, now: number): void {
    if (!this._isUp) return
    const wasOpen = this.state === "open"
    const { code, status, reconnect } = why
    const problem = why.problem ?? this._lastError ?? trouble("lost", status ? "the server answered " + status : "the connection was lost")
    const retryAfter = why.retryAfter ?? problem.retry_after_ms
    this._lastError = undefined
    const has = (what: keyof typeof codesAfter) => codesAfter[what].includes(code!)
    const isDelayed = !status || status === 408 || status === 429 || status > 499 || (status === 404 && /session-unknown$/.test(problem.type))
    const needsToken = status === 401 || has("new-token")
    // Another connection carries the session: another tab's, or one of ours that came late. This one begins anew.
    // What the server calls by a code of its own goes by `reconnect`.
    const isOver = code !== 4409 && (has("never") || !(isDelayed || needsToken) || (reconnect === false && !needsToken && !has("afresh")))
    this.error = { problem, code: code ?? status }
    if (code === 4409) this.resume = undefined
    if (isOver) return this._stop("closed")
    if (needsToken) {
      this._tokenEndsAt = Infinity
      if (!this._settings.hasTokens || this._refusals++ > 0) return this._stop("closed")
      this.state = "connecting"
      this.transport = ""
      return this._want("refused")
    }
    // A tab that has left is replaced at once.
    if (this._follows) return this._wait(now, wasOpen ? 0 : 500)
    this._retry(now, problem, retryAfter)
  }

  // docs/protocol.md §6.6
  private _retry(now: number, problem: Problem, retryAfter = 0): void {
    this.error ??= { problem }
    const most = Math.min(delayMaxMs, this._afterMs * 2 ** this._failures++)
    this._wait(now, Math.max(retryAfter, most * (0.5 + this._settings.random() / 2)))
  }

  private _wait(now: number, ms: number): void {
    this.state = "waiting"
    this.transport = ""
    this.retryAt = now + ms
  }

  private _stop(state: "idle" | "closed"): void {
    if (this._isUp) this._drop(1000)
    this.state = state
    this.transport = ""
    this._waitsForToken = false
    this.resume = undefined
    this._failures = 0
    for (const sub of this._subs.values()) sub.began = false
    if (state === "closed" && this.error) this._fail(this.error.problem)
  }

  private _drop(code: number): void {
    if (this._hasCarrier) this._effects.push({ do: "drop", code })
    this._hasCarrier = false
    this.transport = ""
  }

  private _fail(error: Problem): void {
    this._outbox.fail(error)
    for (const name of [...this._subs.keys()]) this._begun(name, { error })
  }

  private _wake(now: number): void {
    if (this.state === "waiting") {
      this._isAsleep = false
      this._failures = 0
      this._connect(now)
    } else if (this.state === "connecting" && !this._waitsForToken && now > this._until - dialMs + freshMs) {
      // An attempt from before a sleep hangs until its own end.
      this._drop(4000)
      this._connect(now)
    } else if (this.state === "open" && now - this._heard > freshMs) {
      // A socket may say that it is open long after its network has gone.
      this._ping(now, probeMs)
    }
  }

  private _tick(now: number): void {
    if (now < this.deadline) return
    if (this.state === "waiting") {
      if (now >= this.retryAt && !this._isAsleep) this._connect(now)
    } else if (this.state === "connecting") {
      if (now < this._until || this._waitsForToken) return
      this._silent(now)
    } else if (this.state === "open") {
      if (!this._pingedAt) {
        if (now - this._heard >= this._pingMs) this._ping(now, Math.min(this._pingMs, patienceMs))
      } else if (now - this._until > freshMs) {
        // This tick is far too late, because the machine slept: what has come is not read yet.
        this._ping(now, probeMs)
      } else if (now >= this._until) {
        return this._silent(now)
      }
    }
    this._flush(now)
    if (this.state === "open" && now >= this._refusedUntil) this._subscribeRest()
  }

  private _silent(now: number): void {
    this._drop(4000)
    if (this._follows) this._effects.push({ do: "steal" })
    this._lost({ problem: trouble("silent", "there was no answer") }, now)
  }

  private _ping(now: number, patience: number): void {
    this._pingedAt = now
    this._until = now + patience
    this._send([this._line({ ping: {} })])
  }

  private _setDeadline(now: number): void {
    let deadline = Infinity
    if (this.state === "waiting" && !this._isAsleep) deadline = this.retryAt
    else if (this.state === "connecting" && !this._waitsForToken) deadline = this._until
    else if (this.state === "open") {
      deadline = this._pingedAt ? this._until : this._heard + this._pingMs
      deadline = Math.min(deadline, this._outbox.pausedUntil, this._refusedUntil)
    }
    this.deadline = Math.max(deadline, now)
  }

  // --- commands ---

  private _line(command: Line): Line {
    return { id: ++this._id, ...command }
  }
  private _send(lines: Line[]): void {
    this._effects.push({ do: "send", lines })
  }

  private _subscribe({ name, since, last, fields }: { name: string; since?: string; last?: number; fields: Fields }): void {
    const old = this._subs.get(name)
    const sub: Sub = { name, since, last, fields, began: false }
    // In its place, so that patterns keep their order (docs/protocol.md §6.2).
    this._subs.set(name, sub)
    if (this.state === "closed" && this.error) return this._begun(name, { error: this.error.problem })
    if (this.state !== "open") return
    if (old) this._unsubscribe(name)
    this._send([this._subscribeLine(sub)])
  }

  private _subscribeLine(sub: Sub): Line {
    const { name, since, last, fields } = sub
    const delta = this._settings.deltas && "fossil"
    const line = this._line({ subscribe: { channel: name, since, last: since ? undefined : last, delta, ...fields } })
    this._subIds.set(this._id, sub)
    return line
  }

  // Subscribes to what has not begun and was not asked for.
  private _subscribeRest(): void {
    this._refusedUntil = Infinity
    const asked = new Set(this._subIds.values())
    for (const sub of this._subs.values()) if (!sub.began && !asked.has(sub)) this._send([this._subscribeLine(sub)])
  }

  // A delta did not fit (docs/protocol.md §8.5): what comes until this has begun again is left out, and comes again.
  private _again(sub: Sub): void {
    sub.began = false
    this._unsubscribe(sub.name)
    this._send([this._subscribeLine(sub)])
  }

  private _unsubscribe(channel: string): void {
    this._send([this._line({ unsubscribe: { channel } })])
  }

  private _begun(name: string, outcome: { ok?: Line; error?: Problem }): void {
    if (outcome.error) this._subs.delete(name)
    this._effects.push({ do: "begun", name, ...outcome })
  }

  // --- what comes ---

  private _receive(line: Line, now: number): void {
    if (line.position && line.channel) {
      const sub = this._subs.get(line.channel)
      const whole = sub?.read ? sub.began && sub.read(line) : line
      if (!whole) return sub!.began ? this._again(sub!) : undefined
      line = whole
      this._reached(line.channel, line.position)
    } else if (line.id || line.error) {
      return this._reply(line, now)
    } else if (line.gap) {
      if (line.gap.to) this._reached(line.gap.channel, line.gap.to)
    } else if (line.vector) {
      const sub = this._subs.get(line.vector.channel)
      if (sub?.began) sub.since = line.vector.vector
    } else if (line.message) {
      this._messages = line.message.position
    } else if (line.subscribed) {
      const { channel, position } = line.subscribed
      if (channel[0] === "@") this._messages = position ?? undefined
      else this._subs.set(channel, { since: position, name: channel, fields: {}, began: true })
    } else if (line.unsubscribed) {
      return this._begun(line.unsubscribed.channel, { error: line.unsubscribed.error })
    } else if (line.reconnect) {
      this._afterMs = line.reconnect.after_ms
    } else if (line.expiring) {
      if (!this._waitsForToken && this._settings.hasTokens && !this._follows) this._want("expired")
    } else if (line.end) {
      const { code, reason, reconnect } = line.end
      const problem = this._lastError ?? trouble("ended", reason)
      if (this._isUp) this._drop(4000)
      return this._lost({ code, reconnect, problem }, now)
    }
    this._effects.push({ do: "push", line })
  }

  private _reached(channel: string, position: string): void {
    const sub = this._subs.get(channel)
    if (sub?.began && isBehind(position, sub.since)) sub.since = position
    else if (!sub && channel[0] === "@") this._messages = position
  }

  private _reply({ id, ok, error }: Line, now: number): void {
    const hello = this._connects.get(id)
    if (hello) {
      this._connects.clear()
      if (ok) this._connected(ok, hello, now)
      else this._lastError = error // the end that follows says what to do
      return
    }
    const sub = this._subIds.get(id)
    if (sub) {
      this._subIds.delete(id)
      if (this._subs.get(sub.name) === sub) this._subscribed(sub, ok, error, now)
      return // or there is a newer one
    }
    // What nobody waits for is the reply to a ping, or to what was given up.
    if (this._outbox.replied(id, error ? { error } : { ok }, now)) this._flush(now)
  }

  private _subscribed(sub: Sub, ok: Line | undefined, error: Problem | undefined, now: number): void {
    const { name } = sub
    if (error) {
      if (error.retry_after_ms) {
        this._refusedUntil = now + error.retry_after_ms
        return
      }
      if (sub.since && /(bad-position|bad-command)$/.test(error.type)) {
        // The server does not know where this was: begin anew, and say so.
        sub.since = undefined
        this._effects.push({ do: "push", line: { gap: { channel: name, from: null, to: null, reason: "lost" } } })
        this._send([this._subscribeLine(sub)])
        return
      }
      if (!/already-subscribed$/.test(error.type)) return this._begun(name, { error })
    }
    sub.began = true
    sub.read = ok?.delta && this._settings.deltas?.()
    sub.last = undefined
    sub.since = ok?.position ?? ok?.vector ?? sub.since
    this._begun(name, { ok: ok ?? { position: sub.since } })
  }
}
