// socket.io-client, as applications use it. Every release of it is driven the same way.
import { shown, meant } from "./values.mjs"

// open connects a namespace.
//
//	url, namespace, options   of io()
//
//	open       id, transport (the first of the connection), recovered
//	upgraded   transport, also before it is open
//	refused    text, data
//	message    name, args
//	ack        tag, args
//	closed     text
export function open(io, { url, namespace = "/", options }, tell) {
  const socket = io(url + namespace, { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 500, ...options })
  const old = typeof socket.onAny !== "function" // releases before 3
  let transport
  socket.io.on("open", () => {
    const engine = socket.io.engine
    transport = engine.transport.name
    engine.on("upgrade", ({ name }) => tell("upgraded", { transport: name }))
  })
  socket.on("connect", () => tell("open", { id: socket.id, transport, recovered: socket.recovered }))
  const refused = (error) => (typeof error === "string" ? tell("refused", { text: error }) : tell("refused", { text: error.message, data: error.data ?? error }))
  socket.on("connect_error", refused)
  if (old) socket.on("error", refused) // what the server says of it, as it is
  socket.on("disconnect", (reason) => tell("closed", { text: reason }))
  const got = (name, args) => {
    const more = typeof args.at(-1) === "function" ? { wantsAck: true } : {}
    tell("message", { name, args: args.filter((a) => typeof a !== "function").map(shown), ...more })
  }
  if (old) {
    // It has no listener for everything: what an application registers is a name each.
    const emit = socket.onevent
    socket.onevent = function (packet) {
      const [name, ...args] = packet.data
      got(name, args)
      emit.call(this, packet)
    }
  } else {
    socket.onAny((name, ...args) => got(name, args))
  }
  return {
    // emit   name, args, and with a tag an acknowledgement is asked for
    emit({ name, args = [], tag }) {
      const more = tag ? [(...answer) => tell("ack", { tag, args: shown(answer) })] : []
      socket.emit(name, ...args.map(meant), ...more)
    },
    // numbers   count of them under a name, each a text that begins with prefix
    numbers({ name, prefix, count }) {
      for (let i = 0; i < count; i++) socket.emit(name, prefix + i)
    },
    close() {
      socket.close()
    },
    // cut ends the connection without a word, as a network does.
    cut() {
      socket.io.engine.close()
    },
  }
}
