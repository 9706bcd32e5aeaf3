import { later } from "./page.js"
import type { Line, Problem } from "./protocol.js"
import type { Lost } from "./steps.js"

/** The ways to carry a session, in the order in which they are tried. */
export type Transport = "websocket" | "stream" | "sse" | "poll"

/** What a carrier needs from its surroundings. */
export interface Surroundings {
  url: string // of /connect, http: or https:
  // In place of those of the platform.
  fetch?: typeof fetch
  WebSocket?: typeof WebSocket
  codec?: Codec
  session: { resume?: { session: string; secret: string } }
}

/** How objects are written in the messages of a WebSocket. Default is JSON. */
export interface Codec {
  /** The subprotocol. */
  readonly protocol: string
  encode(line: Line): string | ArrayBufferView<ArrayBuffer>
  decode(data: any): Line[]
}

const json: Codec = { protocol: "godwit.v1", encode: (line) => JSON.stringify(line), decode: parse }

/** What a carrier tells. Nothing is to be made of what comes after `lost`, or after it was closed. */
export interface Told {
  ready(): void // it takes commands, `connect` first
  received(lines: Line[]): void // an empty array is a sign of life
  lost(why: Lost): void
}

/** Something that carries commands one way and what the server says the other. */
export interface Carrier {
  send(lines: Line[]): void
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
function webSocket({ url, WebSocket = globalThis.WebSocket, codec = json }: Surroundings, told: Told): Carrier {
  const socket = new WebSocket(url.replace(/^http/, "ws"), codec.protocol)
  socket.binaryType = "arraybuffer"
  socket.onopen = () => told.ready()
  socket.onmessage = ({ data }) => told.received(codec.decode(data))
  socket.onclose = ({ code }) => told.lost({ code })
  socket.onerror = () => {} // close says it, too; in Node an error that nobody hears ends the process
  return {
    send: (lines) => lines.forEach((line) => socket.send(codec.encode(line))),
    close: (code) => socket.close(code),
  }
}

// docs/protocol.md §3.2 to 3.4: a POST whose answer is a stream or a page, and POSTs beside it.
// fetch is called as a function, which browsers insist on.
function requests(transport: Transport, { url, fetch = globalThis.fetch, session }: Surroundings, told: Told): Carrier {
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
    const response = await fetch(url + query, { ...init, signal, cache: "no-store" })
    if (response.ok) return response
    const problem: Problem | undefined = await response.json().catch(() => undefined)
    const seconds = Number(response.headers.get("Retry-After"))
    const why = { status: response.status, problem: problem?.type ? problem : undefined, retryAfter: seconds > 0 ? seconds * 1000 : undefined }
    if (response.status === 429 && hasBegun && init.method === "POST") {
      await new Promise<void>((done) => later(why.retryAfter ?? 1000, done))
      return isOver ? undefined : ask(init, query)
    }
    lost(why)
    return undefined
  }
  // Not in the address, which ends up in logs (docs/protocol.md §3.5).
  const field = () => ({ "Godwit-Session": session.resume!.session + "." + session.resume!.secret })
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
    let retryAfter: number | undefined
    for (;;) {
      const { done, value } = await reader.read()
      if (isOver) return
      if (done) return lost({ retryAfter })
      rest += decoder.decode(value, { stream: true })
      const end = rest.lastIndexOf("\n") + 1
      const text = rest.slice(0, end)
      rest = rest.slice(end)
      retryAfter = Number(/^retry: *(\d+)$/m.exec(text)?.[1]) || retryAfter
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
      const texts = lines.map(json.encode) as string[]
      if (!isAsked) {
        isAsked = true
        void read(texts.join("\n")).catch(failed)
        return
      }
      queue.push(...texts)
      if (!isPosting) void post().catch(failed)
    },
    close(code) {
      if (isOver) return
      isOver = true
      abort.abort()
      if (code !== 1000 || !hasBegun || !session.resume) return
      void fetch(url, { method: "DELETE", headers: field(), keepalive: true }).catch(() => {})
    },
  }
}

// parse reads objects that stand on lines; `{}` is a heartbeat (docs/protocol.md §1).
function parse(text: string): Line[] {
  const lines: Line[] = []
  for (const line of text.split("\n")) if (line.length > 2) lines.push(JSON.parse(line))
  return lines
}
