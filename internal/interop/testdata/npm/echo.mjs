// laravel-echo, as the applications of Laravel use it.
import { shown } from "./values.mjs"

// open makes an Echo.
//
//	options   of new Echo()
//
//	open      id
//	state     text
//	message   channel, name, data: what a listener was called with
export function open({ Echo, Pusher, io }, { options }, tell) {
  const client = options.broadcaster === "socket.io" ? { client: io } : { Pusher }
  const echo = new Echo({ forceTLS: false, enabledTransports: ["ws"], disableStats: true, ...client, ...options })
  echo.connector.onConnectionChange((state) => {
    tell("state", { text: state })
    if (state === "connected") tell("open", { id: echo.socketId() })
  })
  const channels = {}
  const said = (channel, name) => (data) => tell("message", { channel, name, data: shown(data) })
  return {
    // listen   kind (channel, private, join), channel, names of events, whispers
    listen({ kind, channel, names = [], whispers = [] }) {
      const c = echo[kind](channel)
      channels[channel] = c
      c.subscribed(said(channel, "subscribed"))
      c.error(said(channel, "error"))
      for (const name of names) c.listen(name, said(channel, name))
      for (const name of whispers) c.listenForWhisper(name, said(channel, "whisper " + name))
      if (kind === "join") c.here(said(channel, "here")).joining(said(channel, "joining")).leaving(said(channel, "leaving"))
    },
    whisper({ channel, name, data }) {
      channels[channel].whisper(name, data)
    },
    leave({ channel }) {
      echo.leave(channel)
    },
    close() {
      echo.disconnect()
    },
  }
}
