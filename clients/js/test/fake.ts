import type { Line } from "../src/protocol.js"

/** A Fake is a server that a test speaks for, and the WebSockets to it. */
export class Fake {
  sockets: Socket[] = []
  heard: Line[] = []
  /** What replies to commands, if not with success. */
  reply: (verb: string, body: Line) => Line | undefined = () => undefined
  private _count = 0

  /** A class that is given to the client as its WebSocket. */
  get WebSocket(): typeof WebSocket {
    const fake = this
    return class extends Socket {
      constructor(url: string) {
        super(fake, url)
      }
    } as unknown as typeof WebSocket
  }

  /** The socket that is open. */
  get socket(): Socket {
    return this.sockets[this.sockets.length - 1]!
  }

  verbs(): string[] {
    return this.heard.splice(0).map((line) => Object.keys(line).find((key) => key !== "id")!)
  }

  take(socket: Socket, line: Line): void {
    this.heard.push(line)
    const verb = Object.keys(line).find((key) => key !== "id")!
    const body = line[verb]
    let ok: Line | undefined
    if (verb === "connect") ok = { session: "S" + ++this._count, secret: "X", resumed: !!body.resume, reconnect: { after_ms: 1000 }, ping_ms: 25000 }
    else if (verb === "subscribe") ok = body.channel.includes("*") ? { vector: "V" } : { position: "E:0" }
    else if (verb === "publish") ok = { position: "E:1" }
    socket.say(this.reply(verb, body) ? { id: line.id, ...this.reply(verb, body) } : { id: line.id, ok: ok ?? {} })
  }
}

class Socket {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  closed: number | undefined

  constructor(
    private _fake: Fake,
    readonly url: string,
  ) {
    _fake.sockets.push(this)
    queueMicrotask(() => this.onopen?.())
  }

  send(text: string): void {
    queueMicrotask(() => this.closed === undefined && this._fake.take(this, JSON.parse(text)))
  }

  say(...lines: Line[]): void {
    this.onmessage?.({ data: lines.map((line) => JSON.stringify(line)).join("\n") })
  }

  close(code: number): void {
    this.closed = code
  }
}

/** settle lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}
