import { notKnown, trouble, type Line, type Problem } from "./protocol.js"

/** What became of a command. */
export interface Outcome {
  ok?: Line
  error?: Problem
}

/** Where an Outbox puts what it has. */
export interface Exit {
  nextId(): number
  send(line: Line): void
  settled(ref: number, outcome: Outcome): void
}

interface Asked {
  ref: number
  verb: string
  body: Line
  id: number // 0 while it was not sent
  sentAt: number
}

const windowMax = 32 // commands without a reply; the server takes 64 publications, calls and answers
const keyMs = 240_000 // the server knows idempotency keys for 5 minutes

/** An Outbox has the commands that wait for their replies, in order, and knows which may be sent again. It is as pure as a Session. */
export class Outbox {
  /** Whether what was sent went through a connection whose ids are not ours: that of another tab. */
  isStale = false
  /** Until when the server wants no publications, Infinity if it does. */
  pausedUntil: number = Infinity
  private _asked = new Map<number, Asked>() // by ref
  private _byId = new Map<number, Asked>()

  constructor(private _exit: Exit) {}

  ask(ref: number, verb: string, body: Line): void {
    this._asked.set(ref, { ref, verb, body, id: 0, sentAt: 0 })
  }

  /** flush sends what was not sent yet, as far as there is room. */
  flush(now: number): void {
    if (now >= this.pausedUntil) this.pausedUntil = Infinity
    for (const asked of this._asked.values()) {
      if (asked.id || (isCounted(asked.verb) && this.pausedUntil < Infinity)) continue
      if (this._byId.size >= windowMax) return
      this._transmit(asked, now, this._exit.nextId())
    }
  }

  /** goOn sends again what has no reply (docs/protocol.md §6.2, §6.3). isResumed says that the session is the one of before. */
  goOn(isResumed: boolean, now: number): void {
    const isSame = isResumed && !this.isStale
    this.isStale = false
    this._byId.clear()
    for (const asked of [...this._asked.values()]) {
      if (!asked.id) continue
      const isOnce = isCounted(asked.verb) && !asked.body.idempotency_key
      if (isSame && isCounted(asked.verb)) this._transmit(asked, now, asked.id)
      else if (isOnce || (isCounted(asked.verb) && now - asked.sentAt > keyMs)) {
        // It may have been done, and would be done twice.
        this._settle(asked, { error: trouble("unknown", "the connection was lost" + notKnown) })
      } else asked.id = 0
    }
  }

  /** replied settles the command of that id. It returns false if there is none. */
  replied(id: number, outcome: Outcome, now: number): boolean {
    const asked = this._byId.get(id)
    if (!asked) return false
    const after = outcome.error?.retry_after_ms
    if (after && asked.body.idempotency_key) {
      // Too many at a time: it is published later, as if there were no connection.
      asked.id = 0
      this._byId.delete(id)
      this.pausedUntil = now + after
    } else this._settle(asked, outcome)
    return true
  }

  /** forget gives a command up. A call is canceled, if it can be. */
  forget(ref: number, isOpen: boolean): void {
    const asked = this._asked.get(ref)
    if (!asked) return
    if (isOpen && asked.id && asked.verb === "rpc") this._exit.send({ id: this._exit.nextId(), cancel: { rpc: asked.id } })
    this._remove(asked)
  }

  fail(error: Problem): void {
    for (const asked of [...this._asked.values()]) this._settle(asked, { error })
  }

  private _transmit(asked: Asked, now: number, id: number): void {
    if (!asked.id) asked.sentAt = now
    asked.id = id
    this._byId.set(id, asked)
    this._exit.send({ id, [asked.verb]: asked.body })
  }

  private _settle(asked: Asked, outcome: Outcome): void {
    this._remove(asked)
    this._exit.settled(asked.ref, outcome)
  }

  private _remove(asked: Asked): void {
    this._asked.delete(asked.ref)
    this._byId.delete(asked.id)
  }
}

function isCounted(verb: string): boolean {
  return verb === "publish" || verb === "rpc" || verb === "answer"
}
