import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { getHeapSnapshot } from "node:v8"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import { Godwit } from "../src/index.js"
import { Fake, settle } from "./fake.js"

/**
 * How many bytes the objects take that can be reached, with their strings. What waits for the collector is not among them, nor
 * what the engine has compiled: both depend on how busy the machine is.
 */
async function reachable(): Promise<number> {
  let text = ""
  for await (const part of getHeapSnapshot()) text += part
  const { snapshot, nodes } = JSON.parse(text)
  const fields: string[] = snapshot.meta.node_fields
  const [type, size] = [fields.indexOf("type"), fields.indexOf("self_size")]
  const counts = snapshot.meta.node_types[type].map((name: string) => !["code", "hidden", "native", "object shape", "synthetic"].includes(name))
  let bytes = 0
  for (let at = 0; at < nodes.length; at += fields.length) if (counts[nodes[at + type]]) bytes += nodes[at + size]
  return bytes
}

async function hour(): Promise<[number, number]> {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 })
  const fake = new Fake()
  const godwit = new Godwit("https://example.com", { WebSocket: fake.WebSocket, transports: ["websocket"] })
  fake.reply = (verb) => (verb === "connect" ? { ok: { session: "S", secret: "X", resumed: true, reconnect: { after_ms: 1000 } } } : undefined)
  let seen = 0
  godwit.channel("chat").on("message", () => seen++)
  godwit.channel("scores/**").on("message", () => seen++)
  await godwit.handle("m", () => 1)
  let position = 0
  const used: [number, number] = [0, 0]
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
      // The clock is at the end of a tick already when its timers fire. The view's may be the first, and puts off the client's.
      mock.timers.tick(1000)
      mock.timers.tick(1000)
      await settle()
      assert.equal(godwit.state, "open")
    }
    mock.timers.tick(1000)
    fake.heard.length = 0
    fake.sockets.splice(0, fake.sockets.length - 1)
    // After the first ten minutes everything is there that is kept.
    if (second === 599) used[0] = await reachable()
  }
  used[1] = await reachable()
  assert.equal(seen, 36_000)
  godwit.close()
  mock.timers.reset()
  return used
}

if (isMainThread) {
  test("an hour of messages, publications, calls and lost connections leaves nothing behind", async () => {
    // Here the test runner keeps a table of all promises that are not collected yet. It keeps none in a thread without tests.
    const thread = new Worker(new URL(import.meta.url))
    const [before, after] = await new Promise<[number, number]>((done, failed) => thread.on("message", done).on("error", failed))
    // A number that is kept of each second would be 24,000 bytes.
    assert.ok(after - before < 16_000, `of ${before} bytes that can be reached have become ${after}`)
  })
} else {
  parentPort!.postMessage(await hour())
}
