// engine.io-client, as applications use it.
import { shown, meant } from "./values.mjs"

// open connects.
//
//	url, options   of new Socket()
//
//	open       id, transport
//	upgraded   transport
//	message    data
//	refused    text, data     it could not connect
//	closed     text
export function open(Socket, { url, options }, tell) {
  const socket = new Socket(url, options)
  socket.binaryType = "arraybuffer"
  socket.on("open", () => tell("open", { id: socket.id, transport: socket.transport.name }))
  socket.on("upgrade", (transport) => tell("upgraded", { transport: transport.name }))
  socket.on("message", (data) => tell("message", { data: shown(data) }))
  socket.on("error", (error) => tell("refused", { text: error.message, data: shown(error.context?.responseText) }))
  socket.on("close", (reason) => tell("closed", { text: reason }))
  return {
    send({ data }) {
      socket.send(meant(data))
    },
    numbers({ prefix, count }) {
      for (let i = 0; i < count; i++) socket.send(prefix.replace("#", i))
    },
    close() {
      socket.close()
    },
  }
}
