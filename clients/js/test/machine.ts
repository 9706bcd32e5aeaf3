import assert from "node:assert/strict"
import type { DeltaReader } from "../src/delta.js"
import type { Line } from "../src/protocol.js"
import { Session } from "../src/session.js"
import type { Effect, Input } from "../src/steps.js"

/** A Machine is a Session whose time is told, and whose effects are kept. */
export class Machine {
  session: Session
  now = 1_000_000
  sent: Line[] = []
  effects: Effect[] = []

  constructor(settings: { hasTokens?: boolean; token?: string; random?: number; deltas?: () => DeltaReader } = {}) {
    this.session = new Session({ client: "test/1", hasTokens: settings.hasTokens ?? false, token: settings.token, deltas: settings.deltas, random: () => settings.random ?? 1 })
  }

  do(input: Input): Effect[] {
    const effects = this.session.step(input, this.now)
    for (const effect of effects) if (effect.do === "send") this.sent.push(...JSON.parse(JSON.stringify(effect.lines)))
    this.effects.push(...effects)
    return effects
  }

  /** pass lets time go by, with the ticks that were asked for. */
  pass(ms: number): Effect[] {
    const end = this.now + ms
    const effects: Effect[] = []
    while (this.session.deadline <= end) {
      this.now = Math.max(this.now, this.session.deadline)
      const before = this.session.deadline
      effects.push(...this.do({ is: "tick" }))
      assert.ok(this.session.deadline > before || this.session.deadline >= this.now, "time goes on")
      if (this.session.deadline === before) break
    }
    this.now = end
    return effects
  }

  /** take returns what was sent since the last time. */
  take(): Line[] {
    return this.sent.splice(0)
  }

  hear(...lines: Line[]): Effect[] {
    return this.do({ is: "received", lines })
  }

  /** connect does all that it takes to be open, and returns what was sent. */
  connect(ok: Line = {}, kind = "websocket"): Line[] {
    if (this.session.state === "idle") this.do({ is: "use" })
    this.take()
    this.do({ is: "ready", transport: kind })
    const hello = this.take()
    this.hear({ id: hello[0]!.id, ok: { session: "S", secret: "X", resumed: false, reconnect: { after_ms: 1000 }, ping_ms: 25000, ...ok } })
    assert.equal(this.session.state, "open")
    return hello
  }

  subscribe(name: string, options: { since?: string; last?: number } = {}): void {
    this.do({ is: "subscribe", name, fields: {}, ...options })
  }
}

/** kinds are the effects without what is in them. */
export function kinds(effects: Effect[]): string[] {
  return effects.map((effect) => effect.do)
}
