// pusher-js, as applications use it. Every release of it is driven the same way.
import { shown } from "./values.mjs"

// open connects.
//
//	key, options   of new Pusher()
//
//	open       id
//	state      text           of the connection
//	failed     data           an error of the connection
//	message    channel, name, data
export function open(Pusher, { key, options }, tell) {
  const pusher = new Pusher(key, { cluster: "", forceTLS: false, enabledTransports: ["ws"], disableStats: true, ...options })
  pusher.connection.bind("state_change", ({ current }) => tell("state", { text: current }))
  pusher.connection.bind("connected", () => tell("open", { id: pusher.connection.socket_id }))
  pusher.connection.bind("error", (error) => tell("failed", { data: shown(error?.error?.data ?? error?.data ?? error) }))
  if (pusher.user) {
    pusher.user.bind_global((name, data) => tell("message", { channel: "@user", name, data: shown(data) }))
    pusher.user.watchlist.bind_global((name, data) => tell("message", { channel: "@watchlist", name, data: shown(data) }))
    // bind_global has what the library sends itself, too; only this is about the outcome.
    pusher.connection.bind("message", ({ event, data }) => {
      if (event === "pusher:signin_success") tell("signed in", { data })
    })
  }
  return {
    subscribe({ channel }) {
      pusher.subscribe(channel).bind_global((name, data) => tell("message", { channel, name, data: shown(data) }))
    },
    unsubscribe({ channel }) {
      pusher.unsubscribe(channel)
      tell("unsubscribed", { channel })
    },
    trigger({ channel, name, data }) {
      pusher.channel(channel).trigger(name, data)
    },
    numbers({ channel, name, prefix, count }) {
      for (let i = 0; i < count; i++) pusher.channel(channel).trigger(name, prefix + i)
    },
    id() {
      tell("id", { id: pusher.connection.socket_id })
    },
    signin() {
      pusher.signin()
    },
    close() {
      pusher.disconnect()
    },
  }
}
