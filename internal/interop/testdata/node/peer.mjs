// The peer made of Node and ws. What it is told and tells is in ../../peer_test.go.
import { once } from "node:events"
import { createInterface } from "node:readline"
import { WebSocket, WebSocketServer } from "ws"

const conns = new Map()

function tell(event) {
  process.stdout.write(JSON.stringify(event) + "\n")
}

function base64(data) {
  return Buffer.from(data).toString("base64")
}

// deflate turns the parameters of the tests into those of ws. Every message is
// compressed, however short.
function deflate(params) {
  return params && {
    threshold: 0,
    serverNoContextTakeover: params.serverNoContextTakeover || undefined,
    clientNoContextTakeover: params.clientNoContextTakeover || undefined,
    serverMaxWindowBits: params.serverMaxWindowBits || undefined,
    clientMaxWindowBits: params.clientMaxWindowBits || undefined,
  }
}

function follow(conn, socket, opened) {
  conns.set(conn, socket)
  let failed = ""
  socket.on("message", (data, binary) => tell({ conn, event: "message", binary, data: base64(data) }))
  socket.on("ping", (data) => tell({ conn, event: "ping", data: base64(data) }))
  socket.on("pong", (data) => tell({ conn, event: "pong", data: base64(data) }))
  socket.on("error", (error) => { failed = error.message })
  socket.on("close", (code, reason) => {
    conns.delete(conn)
    tell({ conn, event: "closed", code, reason: reason.toString(), text: failed })
  })
  opened?.()
}

const actions = {
  listen({ conn, protocols, deflate: params, max, header }) {
    const server = new WebSocketServer({
      host: "127.0.0.1",
      port: 0,
      maxPayload: max || 0,
      perMessageDeflate: deflate(params) ?? false,
      handleProtocols: (offered) => (protocols ?? []).find((p) => offered.has(p)) ?? false,
    })
    server.on("headers", (lines) => {
      for (const [name, value] of Object.entries(header ?? {})) lines.push(`${name}: ${value}`)
    })
    server.on("connection", (socket, request) => {
      follow(request.url.slice(1), socket, () => tell({
        conn: request.url.slice(1), event: "open",
        protocol: socket.protocol, extensions: socket.extensions, header: request.headers,
      }))
    })
    server.on("listening", () => tell({ conn, event: "listening", port: server.address().port }))
  },

  open({ conn, url, protocols, deflate: params, max, header }) {
    const socket = new WebSocket(url, protocols ?? [], {
      maxPayload: max || 0,
      perMessageDeflate: deflate(params) ?? false,
      headers: header ?? {},
    })
    let answer = {}
    socket.on("upgrade", (response) => { answer = response.headers })
    socket.on("open", () => tell({
      conn, event: "open", protocol: socket.protocol, extensions: socket.extensions,
      header: { ...answer, "set-cookie": answer["set-cookie"]?.join("; ") ?? "" },
    }))
    follow(conn, socket)
  },

  send({ conn, binary, parts }) {
    parts.forEach((part, i) => {
      conns.get(conn).send(Buffer.from(part, "base64"), { binary, fin: i === parts.length - 1 })
    })
  },

  // ws sends a close frame without a code when it is given none.
  close({ conn, code, reason }) { code ? conns.get(conn).close(code, reason) : conns.get(conn).close() },
  ping({ conn, data }) { conns.get(conn).ping(Buffer.from(data, "base64")) },
  raw({ conn, data }) { conns.get(conn)._socket.write(Buffer.from(data, "base64")) },
  abort({ conn }) { conns.get(conn).terminate() },
}

tell({ event: "ready", text: `Node ${process.versions.node}, ws` })
const lines = createInterface({ input: process.stdin })
lines.on("line", (line) => {
  const command = JSON.parse(line)
  actions[command.do](command)
})
await once(lines, "close")
process.exit(0)
