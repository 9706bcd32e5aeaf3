// A program with Godwit's client in it: it reads `down` numbers from the channel "down", publishes `up` of them to "up", and says
// on its standard output what happens, a line each. It is told by its arguments.
import { createHash } from "node:crypto"
import { WebSocket } from "ws"

const [client, url, transports, down, up] = process.argv.slice(2)
const { Godwit } = await import(client)
const say = (...words) => process.stdout.write(words.join(" ") + "\n")

const godwit = new Godwit(url, { WebSocket, transports: transports.split(",") })
godwit.on("open", () => say("open", godwit.transport))
godwit.on("close", () => say("close"))
godwit.on("error", (error) => say("error", error.problem, error.message))

const seen = createHash("sha256")
let count = 0
const read = new Promise((done) => {
  const channel = godwit.channel("down")
  channel.on("subscribed", () => count === 0 && say("subscribed"))
  channel.on("gap", (gap) => say("gap", JSON.stringify(gap)))
  channel.on("error", (error) => say("error", error.problem, error.message))
  channel.on("message", ({ data }) => {
    seen.update(data + "\n")
    count++
    say("read", count)
    if (count === Number(down)) done()
  })
})
const published = (async () => {
  // A few at a time, as an application does.
  const channel = godwit.channel("up")
  let next = 0
  const publish = async () => {
    while (next < Number(up)) await channel.publish(String(next++))
  }
  await Promise.all(Array.from({ length: 8 }, publish))
})()
await Promise.all([read, published])
say("done", count, seen.digest("hex"))
godwit.close()
