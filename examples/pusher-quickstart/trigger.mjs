// Triggers an event with the server library of Pusher.
//
//	npm install pusher
//	node trigger.mjs "hello world"
import Pusher from "pusher"

const pusher = new Pusher({
  appId: "app",
  key: "app-key",
  secret: "app-secret",
  host: "localhost",
  port: 8000,
  useTLS: false,
})

await pusher.trigger("my-channel", "my-event", { message: process.argv[2] ?? "hello world" })
