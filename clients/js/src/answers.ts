import { payload, message, type AskOptions } from "./channel.js"
import { GodwitError, matcher, trouble, type Line } from "./protocol.js"
import type { State } from "./steps.js"

/** A call of a method. */
export interface Call<T = unknown> {
  method: string
  /** What it was called with: text as a string, JSON as its value, bytes as a Uint8Array. */
  data: T
  /** The user that calls, if that is known, and the session. */
  user?: string
  session?: string
  /** It aborts when nobody waits for the answer any more. */
  signal: AbortSignal
}

/** What answers calls: what it returns is sent as a publication would be. A GodwitError that it throws is given to the caller as it is. */
export type Handler<T = unknown> = (call: Call<T>) => unknown

export interface HandleOptions {
  /** How many calls there may be at a time. Default is the server's. */
  concurrency?: number
  /** Answering ends when it aborts. */
  signal?: AbortSignal
}

/** What Answers need of a connection. */
interface Connection {
  readonly state: State
  readonly session: string | undefined
  _ask(verb: string, body: Line, options?: AskOptions): Promise<Line>
  _emit(type: "error", error: GodwitError): boolean
}

interface Method {
  answer: Handler
  concurrency: number | undefined
  matches: (method: string) => boolean
  session: string | undefined // which the server knows as its answerer
}

/** Answers are the methods that a session answers (docs/protocol.md §7). They are registered anew with every new session. */
export class Answers {
  private _methods = new Map<string, Method>()
  private _calls = new Map<number, AbortController>()
  private _callsOf: string | undefined // session

  constructor(private _connection: Connection) {}

  get size(): number {
    return this._methods.size
  }

  async handle(name: string, answer: Handler, { concurrency, signal }: HandleOptions): Promise<() => void> {
    signal?.throwIfAborted()
    if (this._methods.has(name)) throw new GodwitError(trouble("registered", name + " is answered by this client already: end that before"))
    const method: Method = { answer, concurrency, matches: matcher(name), session: undefined }
    this._methods.set(name, method)
    const stop = () => {
      if (this._methods.get(name) !== method) return
      this._methods.delete(name)
      void this._connection._ask("unregister", { method: name }).catch(() => {}) // it has ended in any case
    }
    await this._ask(name, method)
    if (signal?.aborted) stop()
    signal?.addEventListener("abort", stop, { once: true })
    return stop
  }

  /** renew registers with a session that knows nothing of this yet. */
  renew(): void {
    const { state, session } = this._connection
    if (state !== "open") return
    if (session !== this._callsOf) this._abort()
    this._callsOf = session
    for (const [name, method] of this._methods) {
      if (!method.session || method.session === session) continue // or it is on its way
      method.session = undefined
      this._ask(name, method).catch((error) => this._connection._emit("error", error))
    }
  }

  /** push takes what has come, if it concerns calls. */
  push({ call, call_over, unregistered }: Line): void {
    if (call) void this._answer(call)
    else if (call_over) {
      this._calls.get(call_over.id)?.abort(new GodwitError(trouble("call-over", call_over.reason)))
      this._calls.delete(call_over.id)
    } else if (unregistered) {
      this._methods.delete(unregistered.method)
      this._connection._emit("error", new GodwitError(unregistered.error))
    }
  }

  private async _ask(name: string, method: Method): Promise<void> {
    try {
      await this._connection._ask("register", { method: name, concurrency: method.concurrency })
    } catch (error) {
      // It was done before the connection was lost, and its reply did not come (docs/protocol.md §6.2).
      if ((error as GodwitError).problem !== "already-registered") {
        this._methods.delete(name)
        throw error
      }
    }
    method.session = this._connection.session
  }

  private async _answer(call: Line): Promise<void> {
    const end = new AbortController()
    this._calls.set(call.id, end)
    let body: Line
    try {
      const method = this._methods.get(call.method) ?? [...this._methods.values()].find(({ matches }) => matches(call.method))
      if (!method) throw new GodwitError(trouble("not-answered", call.method + " is not answered any more"))
      const { data } = message(call)
      body = payload(await method.answer({ method: call.method, data, user: call.user, session: call.session, signal: end.signal }))
    } catch (error) {
      body = { error: problemOf(error) }
    }
    if (this._calls.get(call.id) !== end) return // nobody waits for it
    this._calls.delete(call.id)
    // A call that is over meanwhile needs no answer.
    await this._connection._ask("answer", { call: call.id, ...body }).catch(() => {})
  }

  private _abort(): void {
    for (const end of this._calls.values()) end.abort(new GodwitError(trouble("call-over", "the session has ended")))
    this._calls.clear()
  }
}

// What the application throws by mistake is not the caller's business.
function problemOf(error: unknown): Line {
  if (error instanceof GodwitError) return { type: error.type, title: error.message, data: error.data }
  console.error(error)
  return { type: "urn:godwit:client:failed", title: "the call could not be answered" }
}
