import assert from "node:assert/strict"
import { afterEach, beforeEach, mock, test } from "node:test"
import { Godwit, GodwitError, type Call } from "../src/index.js"
import { Fake, settle } from "./fake.js"

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 }))
afterEach(() => mock.timers.reset())

function make(options = {}): { fake: Fake; godwit: Godwit } {
  const fake = new Fake()
  return { fake, godwit: new Godwit("https://example.com", { WebSocket: fake.WebSocket, transports: ["websocket"], grace: 0, ...options }) }
}

const answers = (fake: Fake) =>
  fake.heard
    .map((line) => line.answer)
    .filter(Boolean)
    .sort((a, b) => a.call - b.call)

test("a call is answered with what is returned, and with what is thrown", async () => {
  const { fake, godwit } = make()
  const calls: Call[] = []
  await godwit.handle<number[]>("math/*", (call) => {
    calls.push(call)
    if (call.method === "math/sum") return call.data[0]! + call.data[1]!
    if (call.method === "math/bytes") return new Uint8Array([0, 255])
    if (call.method === "math/nothing") return undefined
    throw new GodwitError({ type: "https://example.com/no", title: "No", data: { why: 1 } })
  })
  await godwit.handle("math/exact", async () => "the exact one")
  assert.deepEqual(fake.heard.map((line) => line.register).filter(Boolean), [{ method: "math/*" }, { method: "math/exact" }])
  fake.socket.say(
    { call: { id: 1, method: "math/sum", user: "ann", session: "other", timeout_ms: 100, data: [1, 2] } },
    { call: { id: 2, method: "math/bytes", session: "other" } },
    { call: { id: 3, method: "math/nothing" } },
    { call: { id: 4, method: "math/fails" } },
    { call: { id: 5, method: "math/exact" } },
  )
  await settle()
  assert.deepEqual(answers(fake), [
    { call: 1, data: 3 },
    { call: 2, data_base64: "AP8=" },
    { call: 3, data: null },
    { call: 4, error: { type: "https://example.com/no", title: "No", data: { why: 1 } } },
    { call: 5, data: "the exact one" },
  ])
  assert.deepEqual({ ...calls[0], signal: 0 }, { method: "math/sum", data: [1, 2], user: "ann", session: "other", signal: 0 })
  godwit.close()
})

test("what an application throws by mistake stays with it", async () => {
  const { fake, godwit } = make()
  const told = mock.method(console, "error", () => {})
  const mistake = new TypeError("the password is 1234")
  await godwit.handle("m", () => {
    throw mistake
  })
  fake.socket.say({ call: { id: 1, method: "m" } }, { call: { id: 2, method: "other" } })
  await settle()
  assert.deepEqual(answers(fake)[0], { call: 1, error: { type: "urn:godwit:client:failed", title: "the call could not be answered" } })
  assert.equal(answers(fake)[1].error.type, "urn:godwit:client:not-answered")
  assert.deepEqual(told.mock.calls.map((call) => call.arguments), [[mistake]])
  told.mock.restore()
  godwit.close()
})

test("a call that nobody waits for is aborted, and has no answer", async () => {
  const { fake, godwit } = make()
  const signals: AbortSignal[] = []
  const done: (() => void)[] = []
  await godwit.handle("m", ({ signal }) => new Promise<void>((resolve) => (signals.push(signal), done.push(resolve))))
  fake.socket.say({ call: { id: 1, method: "m" } }, { call: { id: 2, method: "m" } })
  fake.socket.say({ call_over: { id: 1, reason: "canceled" } })
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true, false])
  assert.equal(signals[0]!.reason.message, "canceled")
  for (const end of done) end()
  await settle()
  assert.deepEqual(answers(fake), [{ call: 2, data: null }])
  godwit.close()
})

test("a session that goes on is still the answerer, and a new one registers again and drops the calls of the old", async () => {
  const { fake, godwit } = make()
  let session = "S1"
  fake.reply = (verb, body) => (verb === "connect" ? { ok: { session, secret: "X", resumed: !!body.resume && session === body.resume.session, reconnect: { after_ms: 1000 } } } : undefined)
  const done: (() => void)[] = []
  const signals: AbortSignal[] = []
  await godwit.handle("m", ({ signal }) => new Promise<void>((resolve) => (signals.push(signal), done.push(resolve))), { concurrency: 3 })
  fake.socket.say({ call: { id: 7, method: "m" } })
  const again = async () => {
    fake.socket.onclose!({ code: 1006 })
    mock.timers.tick(1001)
    await settle()
    return fake.heard.splice(0).filter((line) => line.register || line.answer)
  }
  fake.heard.splice(0)
  assert.deepEqual(await again(), [])
  assert.equal(signals[0]!.aborted, false)
  session = "S2"
  const [register] = await again()
  assert.deepEqual(register!.register, { method: "m", concurrency: 3 })
  assert.equal(signals[0]!.aborted, true)
  done[0]!()
  await settle()
  assert.deepEqual(answers(fake), [], "it was not this session's to answer")
  godwit.close()
})

test("it is registered once, ends by the function, by a signal and by the server, and keeps the connection meanwhile", async () => {
  const { fake, godwit } = make()
  fake.reply = (verb, body) => (verb === "register" && body.method === "secret" ? { error: { type: "https://godwit.io/problems/forbidden", title: "Not allowed" } } : undefined)
  await assert.rejects(godwit.handle("secret", () => 1), { problem: "forbidden" })
  const stop = await godwit.handle("m", () => 1)
  await assert.rejects(godwit.handle("m", () => 2), { problem: "registered" })
  mock.timers.tick(1000)
  assert.equal(godwit.state, "open")
  stop()
  stop()
  await settle()
  const verbs = (): string[] => fake.verbs().filter((verb) => verb.includes("register"))
  assert.deepEqual(verbs(), ["register", "register", "unregister"])
  const end = new AbortController()
  await godwit.handle("m", () => 1, { signal: end.signal })
  end.abort()
  await settle()
  assert.deepEqual(verbs(), ["register", "unregister"])
  await assert.rejects(godwit.handle("m", () => 1, { signal: end.signal }), { name: "AbortError" })
  const errors: GodwitError[] = []
  godwit.on("error", (error) => errors.push(error))
  await godwit.handle("m", () => 1)
  fake.socket.say({ unregistered: { method: "m", error: { type: "https://godwit.io/problems/forbidden", title: "Not allowed" } } })
  assert.deepEqual(errors.map(({ problem }) => problem), ["forbidden"])
  await godwit.handle("m", () => 1).then((stop) => stop())
  await settle()
  mock.timers.tick(1)
  assert.equal(godwit.state, "idle", "nothing is used any more")
})
