import { open, type Carrier, type Surroundings, type Transport } from "./carriers.js"
import type { Line } from "./protocol.js"
import type { FanHost } from "./fan.js"
import type { Lost } from "./steps.js"

const headStartMs = 1000 // of the first way to connect
const stepMs = 400 // between the others
const grantMs = 1500 // more for one that got through, until it answers

interface Candidate {
  way: Transport
  carrier: Carrier
}

/**
 * A Dialer tries ways to connect, each with a head start before the next: what a proxy swallows in silence costs a second. The
 * first that is answered carries the session, and the others are closed.
 */
export class Dialer {
  private _ways: Transport[]
  private _candidates: Candidate[] = []
  private _current: Candidate | undefined // what is written to
  private _hasAnswered = false
  private _timer: ReturnType<typeof setTimeout> | undefined
  private _why: Lost = {}

  /**
   * isKnown says that the first of ways has worked before: if it fails at once, so would the others, probably, and they are not
   * tried. host is told of the carrier that counts, and of nothing after close.
   */
  constructor(
    ways: Transport[],
    private _isKnown: boolean,
    private _around: Surroundings,
    private _host: Pick<FanHost, "_run">,
  ) {
    this._ways = [...ways]
    this._next(headStartMs)
  }

  send(lines: Line[]): void {
    this._current?.carrier.send(lines)
  }

  close(code: number): void {
    clearTimeout(this._timer)
    for (const candidate of this._candidates) candidate.carrier.close(candidate === this._current ? code : 4000)
    this._candidates = []
  }

  /** tryBetter opens a WebSocket beside what carries the session, which is replaced if that gets through. */
  tryBetter(): void {
    if (this._hasAnswered && this._candidates.length === 1) this._start("websocket")
  }

  private _next(head: number): void {
    clearTimeout(this._timer)
    const way = this._ways.shift()
    if (!way) return
    this._timer = setTimeout(() => this._next(stepMs), head)
    this._start(way)
  }

  private _start(way: Transport): void {
    const candidate = { way } as Candidate
    this._candidates.push(candidate)
    const isOurs = () => this._candidates.includes(candidate)
    try {
      candidate.carrier = open(way, this._around, {
        ready: () => isOurs() && this._ready(candidate),
        received: (lines) => isOurs() && this._received(candidate, lines),
        lost: (why) => isOurs() && this._lost(candidate, why),
      })
    } catch {
      // There is no such thing here, or a policy of the page forbids it.
      queueMicrotask(() => isOurs() && this._lost(candidate, {}))
    }
  }

  private _ready(candidate: Candidate): void {
    if (this._hasAnswered) this._keep(candidate) // it is the better one
    else if (this._ways.length > 0 && candidate.way === "websocket") {
      clearTimeout(this._timer)
      this._timer = setTimeout(() => this._next(stepMs), grantMs)
    }
    this._current = candidate
    this._host._run({ is: "ready", transport: candidate.way })
  }

  private _received(candidate: Candidate, lines: Line[]): void {
    if (!this._hasAnswered) {
      if (lines.length === 0) return
      this._keep(candidate)
      this._hasAnswered = true
      clearTimeout(this._timer)
    }
    this._host._run({ is: "received", lines })
  }

  private _keep(candidate: Candidate): void {
    const others = this._candidates.filter((other) => other !== candidate)
    this._candidates = [candidate]
    this._current = candidate
    for (const other of others) other.carrier?.close(4000)
  }

  private _lost(candidate: Candidate, why: Lost): void {
    this._candidates = this._candidates.filter((other) => other !== candidate)
    // A refused request says more than a WebSocket that did not open.
    if (why.status || !this._why.status) this._why = why
    if (this._candidates.length > 0) return
    if (!this._hasAnswered && this._ways.length > 0 && !(this._isKnown && !why.status)) return this._next(stepMs)
    this.close(4000)
    this._host._run({ is: "lost", ...this._why })
  }
}
