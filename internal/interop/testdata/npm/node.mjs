// The actors in Node: commands are lines of JSON on standard input, and what they
// see are lines of JSON on standard output.
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { drivers, stage } from "./actors.mjs"
import * as pusherapi from "./pusherapi.mjs"

drivers.pusherapi = pusherapi
const require = createRequire(import.meta.url)
const libraries = {
  "engine.io-client": async () => (await import("engine.io-client")).Socket,
  "laravel-echo": async () => ({ Echo: (await import("laravel-echo")).default, Pusher: require("pusher-js"), io: require("socket.io-client") }),
}

const run = stage(
  (name) => libraries[name]?.() ?? require(name),
  (event) => process.stdout.write(JSON.stringify(event) + "\n"),
)
let last = Promise.resolve()
const lines = createInterface({ input: process.stdin })
lines.on("line", (line) => {
  const command = JSON.parse(line)
  last = last.then(() => (command.do === "open" ? run(command) : void run(command)))
})
lines.on("close", () => process.exit())
process.on("uncaughtException", (error) => process.stdout.write(JSON.stringify({ conn: "", event: "threw", text: String(error?.stack ?? error) }) + "\n"))
console.log(JSON.stringify({ conn: "", event: "ready", text: `Node ${process.version}` }))
