// piesocket-js, as applications use it.
import { shown, meant } from "./values.mjs"

// open makes a client.
//
//	options   of new PieSocket()
//
//	open      channel, id
//	refused   channel, text
//	message   channel, name, data, meta: what a listener of everything was called with
//	frame     channel, data: what came, text or bytes
//	failed, closed   channel
export function open(PieSocket, { options }, tell) {
  const pie = new PieSocket(options)
  const channels = {}
  return {
    async subscribe({ channel }) {
      try {
        const c = await pie.subscribe(channel)
        channels[channel] = c
        c.listen("*", (name, data, meta) => tell("message", { channel, name, data: shown(data), meta: shown(meta) }))
        c.on("message", async (e) => tell("frame", { channel, data: e.data instanceof Blob ? shown(await e.data.arrayBuffer()) : e.data }))
        c.on("error", () => tell("failed", { channel }))
        c.on("close", (e) => tell("closed", { channel, code: e.code, text: e.reason }))
        tell("open", { channel, id: c.uuid })
      } catch (error) {
        tell("refused", { channel, text: error.message ?? String(error) })
      }
    },
    publish({ channel, name, data, meta }) {
      channels[channel].publish(name, data, meta)
    },
    send({ channel, data }) {
      channels[channel].send(meant(data))
    },
    numbers({ channel, name, prefix, count }) {
      for (let i = 0; i < count; i++) channels[channel].publish(name, prefix + i)
    },
    members({ channel }) {
      tell("members", { channel, data: shown(channels[channel].members) })
    },
    unsubscribe({ channel }) {
      pie.unsubscribe(channel)
      delete channels[channel]
    },
  }
}
