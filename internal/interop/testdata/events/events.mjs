// One EventSource, as an application has it. What it is told is printed, a line
// each: the last event ID and the data, after the kind.
//
//	node events.mjs CLIENT URL
import { createRequire } from "node:module"

const require = createRequire(import.meta.url)
const clients = {
  "eventsource 2": () => require("eventsource2"),
  "eventsource 4": async () => (await import("eventsource4")).EventSource,
  "undici": async () => (await import("undici")).EventSource,
  "event-source-polyfill": () => require("event-source-polyfill").EventSourcePolyfill,
}

const [client, url] = process.argv.slice(2)
const EventSource = await clients[client]()
setInterval(() => {}, 60_000) // undici's wait before it reconnects does not keep Node alive
const source = new EventSource(url)
source.onmessage = (e) => console.log("message", e.lastEventId, e.data)
source.addEventListener("position", (e) => console.log("position", e.lastEventId))
source.addEventListener("gap", (e) => console.log("gap", e.data))
source.onerror = () => {
  if (source.readyState === 2) console.log("gave up")
}
