import type { Line, Problem } from "./protocol.js"
import type { Lost } from "./steps.js"

/** The ways to carry a session, in the order in which they are tried. */
export type Transport = "websocket" | "stream" | "sse" | "poll"

/** What a carrier needs from its surroundings. */
export interface Surroundings {
  url: string // of /connect, http: or https:
  fetch: typeof fetch
  WebSocket: typeof WebSocket | undefined
  session(): string // ID.SECRET, once it is known
}

/** What a carrier tells. Nothing comes after `lost`, or after it was closed. */
export interface Told {
  ready(): void // it takes commands, `connect` first
  received(lines: Line[]): void // an empty array is a sign of life
  lost(why: Lost): void
}

/** Something that carries commands one way and what the server says the other. */
export interface Carrier {
  send(lines: string[]): void
  /** close ends it: with 1000 the session, too. */
  close(code: number): void
}

const batchMax = 60_000 // characters in a request; the server takes more
const waitSeconds = 25

/** open begins to carry a session in one way. */
export function open(transport: Transport, around: Surroundings, told: Told): Carrier {
  return transport === "websocket" ? webSocket(around, told) : requests(transport, around, told)
}

// docs/protocol.md §3.1
function webSocket({ url, WebSocket }: Surroundings, told: Told): Carrier {
  const socket = new WebSocket!(url.replace(/^http/, "ws"), "godwit.v1")
  socket.onopen = () => told.ready()
  socket.onmessage = ({ data }) => told.received(parse(data))
  socket.onclose = ({ code }) => told.lost({ code })
  socket.onerror = () => {} // close says it, too; in Node an error that nobody hears ends the process
  return {
    send: (lines) => lines.forEach((line) => socket.send(line)),
    close(code) {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close(code)
    },
  }
}

// docs/protocol.md §3.2 to 3.4: a POST whose answer is a stream or a page, and POSTs beside it.
function requests(transport: Transport, around: Surroundings, told: Told): Carrier {
  const abort = new AbortController()
  const { signal } = abort
  let isAsked = false // whether hello was sent
  let hasBegun = false // and answered
  let isPosting = false
  let queue: string[] = []
  let isOver = false
  const lost = (why: Lost) => {
    if (isOver) return
    isOver = true
    abort.abort()
    told.lost(why)
  }
  // It gives nothing if this carrier is over.
  const ask = async (init: RequestInit & { headers: Record<string, string> }, query = ""): Promise<Response | undefined> => {
    const { fetch } = around // called as a function, which browsers insist on
    const response = await fetch(around.url + query, { ...init, signal, cache: "no-store" })
    if (response.ok) return response
    const problem: Problem | undefined = await response.json().catch(() => undefined)
    const seconds = Number(response.headers.get("Retry-After"))
    const why = { status: response.status, problem: problem?.type ? problem : undefined, retryAfter: seconds > 0 ? seconds * 1000 : undefined }
    if (response.status === 429 && hasBegun && init.method === "POST") {
      await wait(why.retryAfter ?? 1000, signal)
      return signal.aborted ? undefined : ask(init, query)
    }
    lost(why)
    return undefined
  }
  // Not in the address, which ends up in logs (docs/protocol.md §3.5).
  const field = () => ({ "Godwit-Session": around.session() })
  const read = async (hello: string) => {
    const accept = { stream: "application/x-ndjson", sse: "text/event-stream", poll: "application/json" }[transport as "stream"]
    let response = await ask({ method: "POST", body: hello, headers: { Accept: accept } })
    hasBegun = true
    while (transport === "poll" && response) {
      const { poll, messages } = await response.json()
      if (isOver) return
      told.received(messages)
      response = isOver ? undefined : await ask({ headers: { Accept: accept, Prefer: "wait=" + waitSeconds, ...field() } }, "?ack=" + poll)
    }
    if (!response) return
    if (!response.body) return lost({}) // this platform has no streams
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    let rest = ""
    for (;;) {
      const { done, value } = await reader.read()
      if (isOver) return
      if (done) return lost({ retryAfter: Number(/^retry: *(\d+)$/m.exec(rest)?.[1]) || undefined })
      rest += decoder.decode(value, { stream: true })
      const end = rest.lastIndexOf("\n") + 1
      const text = rest.slice(0, end)
      rest = (/^retry:.*\n/m.exec(text)?.[0] ?? "") + rest.slice(end)
      told.received(parse(transport === "sse" ? text.replace(/^(data: ?|[^d\n].*)/gm, "") : text))
    }
  }
  const post = async () => {
    isPosting = true
    while (queue.length > 0 && !isOver) {
      let size = 0
      const count = queue.findIndex((line) => (size += line.length) > batchMax)
      const batch = count < 0 ? queue.length : Math.max(1, count)
      if (await ask({ method: "POST", body: queue.slice(0, batch).join("\n"), headers: field() })) queue = queue.slice(batch)
    }
    isPosting = false
  }
  const failed = () => lost({})
  queueMicrotask(() => isOver || told.ready())
  return {
    send(lines) {
      if (!isAsked) {
        isAsked = true
        void read(lines.join("\n")).catch(failed)
        return
      }
      queue.push(...lines)
      if (!isPosting) void post().catch(failed)
    },
    close(code) {
      if (isOver) return
      isOver = true
      abort.abort()
      if (code !== 1000 || !hasBegun || around.session() === "") return
      const { fetch } = around
      void fetch(around.url, { method: "DELETE", headers: field(), keepalive: true }).catch(() => {})
    },
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms)
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true })
  })
}

// parse reads objects that stand on lines; `{}` is a heartbeat (docs/protocol.md §1).
function parse(text: string): Line[] {
  const lines: Line[] = []
  for (const line of text.split("\n")) if (line.length > 2) lines.push(JSON.parse(line))
  return lines
}
