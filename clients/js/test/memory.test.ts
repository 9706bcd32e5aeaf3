import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Godwit } from "../src/index.js"
import { Fake, settle } from "./fake.js"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

test("an hour of messages, publications, calls and lost connections leaves nothing behind", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 })
  const fake = new Fake()
  const godwit = new Godwit("https://example.com", { WebSocket: fake.WebSocket, transports: ["websocket"] })
  fake.reply = (verb) => (verb === "connect" ? { ok: { session: "S", secret: "X", resumed: true, reconnect: { after_ms: 1000 } } } : undefined)
  let seen = 0
  godwit.channel("chat").on("message", () => seen++)
  godwit.channel("scores/**").on("message", () => seen++)
  await godwit.handle("m", () => 1)
  let position = 0
  const used: number[] = []
  for (let second = 0; second < 3600; second++) {
    for (let i = 0; i < 10; i++) {
      const channel = i < 5 ? "chat" : "scores/" + position // more than are kept of a pattern
      fake.socket.say({ channel, position: "E:" + ++position, time: "2026-11-30T09:30:00Z", data: "x".repeat(200) })
    }
    fake.socket.say({ call: { id: second + 1, method: "m" } })
    const published = godwit.channel("chat").publish(second)
    await settle()
    await published
    // A view that comes and goes.
    const off = godwit.channel("view/" + second, { last: 1 }).on("message", () => {})
    await settle()
    off()
    if (second % 60 === 30) {
      fake.socket.onclose!({ code: 1006 })
      mock.timers.tick(2000)
      await settle()
      assert.equal(godwit.state, "open")
    }
    mock.timers.tick(1000)
    fake.heard.length = 0
    fake.sockets.splice(0, fake.sockets.length - 1)
    if (second % 600 === 599) {
      for (let i = 0; i < 3; i++) {
        collect()
        await settle()
      }
      used.push(process.memoryUsage().heapUsed)
    }
  }
  assert.equal(seen, 36_000)
  // After the first ten minutes everything is there that is kept.
  const growth = Math.min(...used.slice(3)) - Math.max(...used.slice(0, 2))
  // The engine's own, compiled code above all, comes and goes with half a megabyte.
  assert.ok(growth < 800_000, `the heap has grown by ${growth} bytes: ${used}`)
  godwit.close()
  mock.timers.reset()
})
