import assert from "node:assert/strict"
import { afterEach, beforeEach, mock, test } from "node:test"
import { Godwit, type Item, type Message } from "../src/index.js"
import { messages as storeOf } from "../src/svelte.js"
import { Fake, settle } from "./fake.js"

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 }))
afterEach(() => mock.timers.reset())

function make(options = {}): { fake: Fake; godwit: Godwit } {
  const fake = new Fake()
  return { fake, godwit: new Godwit("https://example.com/below", { WebSocket: fake.WebSocket, transports: ["websocket"], ...options }) }
}

const publication = (n: number, channel = "chat") => ({ channel, position: "E:" + n, time: "2026-11-30T09:30:00Z", data: n })

test("nothing happens before something is used, and then it is in one go", async () => {
  const { fake, godwit } = make()
  const chat = godwit.channel("chat", { last: 3 })
  await settle()
  assert.equal(fake.sockets.length, 0)
  assert.equal(godwit.state, "idle")
  chat.on("message", () => {})
  await settle()
  assert.equal(fake.socket.url, "wss://example.com/below/connect")
  assert.deepEqual(fake.heard.map(({ id: _, ...line }) => line), [{ connect: { client: "godwit-js/{{version}}" } }, { subscribe: { channel: "chat", last: 3 } }])
  assert.equal(godwit.state, "open")
  godwit.close()
  assert.equal(fake.socket.closed, 1000)
  assert.equal(godwit.state, "closed")
})

test("a component that is mounted twice subscribes once, and leaving ends everything after a while", async () => {
  const { fake, godwit } = make()
  const chat = godwit.channel("chat")
  const seen: unknown[] = []
  const listen = (m: Message) => seen.push(m.data)
  chat.on("message", listen)
  await settle()
  chat.off("message", listen)
  fake.socket.say(publication(1)) // between the two
  const off = chat.on("message", listen)
  fake.socket.say(publication(2))
  mock.timers.tick(60_000)
  await settle()
  assert.deepEqual(fake.verbs().filter((verb) => verb !== "ping"), ["connect", "subscribe"])
  assert.deepEqual(seen, [2])
  off()
  mock.timers.tick(4999)
  await settle()
  assert.ok(!fake.verbs().includes("unsubscribe"))
  mock.timers.tick(1)
  await settle()
  assert.ok(fake.verbs().includes("unsubscribe"))
  mock.timers.tick(5000)
  assert.equal(godwit.state, "idle")
  assert.equal(fake.socket.closed, 1000)
  // And it begins again when it is used again.
  chat.on("message", listen)
  await settle()
  assert.equal(fake.sockets.length, 2)
  godwit.close()
})

test("a second Channel of a name has its own beginning, in its place", async () => {
  const { fake, godwit } = make()
  const first: unknown[] = []
  const second: unknown[] = []
  godwit.channel("chat").on("message", (m) => first.push(m.data))
  await settle()
  fake.socket.say(publication(1), publication(2), publication(3))
  fake.verbs()
  fake.reply = (verb) => (verb === "history" ? { ok: { position: "E:4", publications: [publication(3), publication(4)] } } : undefined)
  godwit.channel("chat", { last: 2 }).on("message", (m) => second.push(m.data))
  fake.socket.say(publication(4), publication(5)) // before the reply: kept, and not twice
  await settle()
  assert.deepEqual(fake.verbs(), ["history"])
  fake.socket.say(publication(6))
  assert.deepEqual([first, second], [[1, 2, 3, 4, 5, 6], [3, 4, 5, 6]])
  // One that comes with an older position has the server repeat, and nobody hears twice.
  const third: unknown[] = []
  godwit.channel("chat", { since: "E:4" }).on("message", (m) => third.push(m.data))
  await settle()
  assert.deepEqual(fake.heard.map((line) => line.subscribe?.since).filter(Boolean), ["E:4"])
  fake.socket.say(publication(5), publication(6), publication(7))
  assert.deepEqual([first, second, third], [[1, 2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7], [5, 6, 7]])
  godwit.close()
})

test("a channel and a pattern that match the same hear each publication once", async () => {
  const { fake, godwit } = make()
  const one: string[] = []
  const all: string[] = []
  godwit.channel("a/1").on("message", (m) => one.push(m.position))
  godwit.channel("a/*").on("message", (m) => all.push(m.channel + m.position))
  await settle()
  fake.socket.say(publication(1, "a/1"), publication(1, "a/2"), publication(1, "a/1"), publication(1, "b"), publication(1, "a/b/c"), publication(1, "a/@x"))
  assert.deepEqual([one, all], [["E:1"], ["a/1E:1", "a/2E:1"]])
  godwit.close()
})

test("a gap is told once, and what it covers does not come any more", async () => {
  const { fake, godwit } = make()
  const told: unknown[] = []
  const chat = godwit.channel("chat")
  chat.on("message", (m) => told.push(m.data))
  chat.on("gap", (gap) => told.push(gap))
  await settle()
  const gap = { channel: "chat", from: "E:0", to: "E:5", reason: "lost", count: 5 }
  fake.socket.say({ gap }, { gap }, publication(4), publication(6))
  assert.deepEqual(told, [gap, 6])
  assert.equal(chat.position, "E:6")
  godwit.close()
})

test("what is behind is told, and when it is over", async () => {
  const { fake, godwit } = make()
  const told: unknown[] = []
  godwit.on("behind", ({ is, channel }) => told.push([is, channel]))
  godwit.channel("chat").on("message", () => {})
  await settle()
  fake.socket.say({ behind: { channel: "chat", is: true, detail: "why" } }, { behind: { is: true, detail: "why" } }, { behind: { is: false } })
  assert.deepEqual(told, [[true, "chat"], [true, undefined], [false, undefined]])
  godwit.close()
})

test("what is behind is over with another connection, until it is said again", async () => {
  const { fake, godwit } = make()
  const told: unknown[] = []
  godwit.on("behind", ({ is, channel }) => told.push([is, channel]))
  godwit.channel("chat").on("message", () => {})
  const comeBack = async () => {
    fake.socket.onclose!({ code: 1006 })
    mock.timers.tick(1001)
    await settle()
  }
  await settle()
  await comeBack()
  assert.deepEqual(told, [], "nothing was behind")
  fake.socket.say({ behind: { channel: "chat", is: true, detail: "why" } })
  await comeBack()
  assert.deepEqual(told.splice(0), [[true, "chat"], [false, undefined]])
  fake.socket.say({ behind: { is: true, detail: "why" } })
  await comeBack()
  fake.socket.say({ behind: { is: true, detail: "why" } }, { behind: { is: false } })
  assert.deepEqual(told, [[true, undefined], [false, undefined], [true, undefined], [false, undefined]])
  godwit.close()
})

test("a loop has messages and gaps, drops the oldest as a gap, and leaving it stops listening", async () => {
  const { fake, godwit } = make()
  const loop = godwit.channel("chat", { buffer: 4 })[Symbol.asyncIterator]()
  await settle()
  for (let n = 1; n <= 6; n++) fake.socket.say(publication(n))
  const items: Item[] = []
  for (let i = 0; i < 4; i++) items.push((await loop.next()).value)
  assert.deepEqual(items.map((item) => item.gap ?? item.data), [{ channel: "chat", from: null, to: "E:3", reason: "dropped", count: 3 }, 4, 5, 6])
  const waiting = loop.next()
  fake.socket.say(publication(7))
  assert.equal((await waiting).value.data, 7)
  await loop.return!()
  assert.deepEqual(await loop.next(), { value: undefined, done: true })
  fake.verbs()
  mock.timers.tick(5000)
  await settle()
  assert.ok(fake.verbs().includes("unsubscribe"))
  godwit.close()
  for (const name of ["window", "document"]) Reflect.deleteProperty(globalThis, name)
})

test("a subscription that is refused is an error, of a loop, too", async () => {
  const { fake, godwit } = make()
  fake.reply = (verb) => (verb === "subscribe" ? { error: { type: "https://godwit.io/problems/forbidden", title: "Not allowed", detail: "this needs a grant" } } : undefined)
  const error = await new Promise<Error>((done) => godwit.channel("secret").on("error", done))
  assert.equal(error.message, "this needs a grant")
  await assert.rejects(async () => {
    for await (const _ of godwit.channel("secret")) assert.fail("nothing comes")
  }, { problem: "forbidden" })
  godwit.close()
})

test("what is published is text, JSON or bytes, and comes back as that", async () => {
  const { fake, godwit } = make()
  const chat = godwit.channel("chat")
  assert.equal(await chat.publish("text"), "E:1")
  await chat.publish({ a: [1] }, { event: "said", key: "k", idempotencyKey: "own" })
  await chat.publish(new Uint8Array([0, 255]).buffer, { idempotencyKey: false })
  const sent = fake.heard.map((line) => line.publish).filter(Boolean)
  assert.match(sent[0].idempotency_key, /^[\w+/]{16}$/)
  assert.deepEqual({ ...sent[0], idempotency_key: 0 }, { channel: "chat", data: "text", idempotency_key: 0 })
  assert.deepEqual(sent[1], { channel: "chat", data: { a: [1] }, event: "said", key: "k", idempotency_key: "own" })
  assert.deepEqual(sent[2], { channel: "chat", data_base64: "AP8=" })
  const got = new Promise<Message>((done) => chat.on("message", done))
  await settle()
  fake.socket.say({ channel: "chat", position: "E:1", time: "2026-11-30T09:30:00.5Z", user: "ann", data_base64: "AP8=" })
  assert.deepEqual(await got, { channel: "chat", position: "E:1", time: new Date("2026-11-30T09:30:00.5Z"), event: undefined, user: "ann", key: undefined, data: new Uint8Array([0, 255]) })
  godwit.close()
})

test("commands wait for the connection within a bound, and are given up in time or by a signal", async () => {
  const { fake, godwit } = make({ queue: 3 })
  fake.reply = () => ({ id: -1 }) // says nothing of use
  const chat = godwit.channel("chat")
  const view = new AbortController()
  const late = chat.publish(1, { timeout: 2000 })
  const aborted = chat.publish(2, { signal: view.signal })
  const closed = chat.publish(3)
  await assert.rejects(chat.publish(4), { problem: "queue" })
  mock.timers.tick(2000)
  await assert.rejects(late, { problem: "timeout" })
  view.abort(new Error("gone"))
  await assert.rejects(aborted, { message: "gone" })
  godwit.close()
  await assert.rejects(closed, { problem: "closed" })
  await assert.rejects(chat.publish(5), { problem: "closed" })
})

test("listeners: signal, once, the same function, and one that throws", async () => {
  const { fake, godwit } = make()
  const chat = godwit.channel("chat")
  const seen: string[] = []
  const view = new AbortController()
  const twice = () => seen.push("twice")
  chat.on("message", () => seen.push("signal"), { signal: view.signal })
  chat.on("message", () => seen.push("once"), { once: true })
  chat.on("message", twice)
  chat.on("message", twice)
  chat.on("message", () => seen.push("never"), { signal: AbortSignal.abort() })
  await settle()
  fake.socket.say(publication(1))
  assert.deepEqual(seen.splice(0), ["signal", "once", "twice"])
  view.abort()
  fake.socket.say(publication(2))
  assert.deepEqual(seen.splice(0), ["twice"])
  chat.off("message", twice)
  const thrown: Error[] = []
  const reported = mock.method(globalThis, "queueMicrotask", (report: () => void) => {
    try {
      report()
    } catch (error) {
      thrown.push(error as Error)
    }
  })
  chat.on("message", () => {
    throw new Error("of the application")
  })
  chat.on("message", () => seen.push("after"))
  fake.socket.say(publication(3))
  assert.deepEqual(seen, ["after"])
  reported.mock.restore()
  assert.deepEqual(thrown.map((error) => error.message), ["of the application"])
  godwit.close()
})

test("states and events of a connection that breaks and comes back", async () => {
  const { fake, godwit } = make()
  const told: string[] = []
  for (const type of ["state", "open", "close", "error"] as const) godwit.on(type, (what) => told.push(type === "state" ? String(what) : type))
  godwit.channel("chat").on("message", () => {})
  await settle()
  fake.socket.onclose!({ code: 1006 })
  assert.ok(godwit.retryAt!.getTime() > Date.now())
  assert.equal(godwit.error!.code, 1006)
  mock.timers.tick(1001)
  await settle()
  assert.deepEqual(told, ["connecting", "open", "open", "waiting", "close", "error", "connecting", "open", "open"])
  assert.equal(godwit.error, undefined)
  fake.socket.say({ end: { code: 4403, reason: "ended by the application", reconnect: false } })
  assert.equal(godwit.state, "closed")
  assert.equal(godwit.error!.message, "ended by the application")
  godwit.reconnect()
  await settle()
  assert.equal(godwit.state, "open")
  godwit.close()
})

test("what is closed keeps no program from ending", async () => {
  const { fake, godwit } = make()
  const before = new Set<unknown>()
  const { setTimeout, clearTimeout } = globalThis
  mock.method(globalThis, "setTimeout", (...args: Parameters<typeof setTimeout>) => {
    const timer = setTimeout(...args)
    before.add(timer)
    return Object.assign(timer, { unref: () => before.delete(timer) })
  })
  mock.method(globalThis, "clearTimeout", (timer: never) => {
    before.delete(timer)
    clearTimeout(timer)
  })
  const off = godwit.channel("chat").on("message", () => {})
  await settle()
  godwit.channel("chat").publish(1, { timeout: 60_000 }).catch(() => {})
  ;(godwit as unknown as { _planUpgrade(kind: string): void })._planUpgrade("stream")
  await settle()
  off()
  godwit.close()
  mock.restoreAll()
  assert.equal(fake.socket.closed, 1000)
  assert.deepEqual(before.size, 0)
})

test("a token comes from a function, with the reason", async () => {
  const reasons: string[] = []
  const { fake, godwit } = make({ token: (reason: string) => (reasons.push(reason), "t" + reasons.length) })
  godwit.channel("chat").on("message", () => {})
  await settle()
  assert.equal(fake.heard[0]!.connect.token, "t1")
  fake.socket.say({ expiring: { after_ms: 1000 } })
  await settle()
  assert.equal(fake.heard.at(-1)!.refresh.token, "t2")
  fake.socket.say({ end: { code: 4401, reason: "revoked", reconnect: false } })
  await settle()
  assert.deepEqual(reasons, ["first", "expired", "refused"])
  assert.equal(godwit.state, "open")
  godwit.close()
})

test("the roster applies what comes after its pages, and is read anew when something is missing", async () => {
  const { fake, godwit } = make()
  const member = (id: string) => ({ id, transport: "session", since: "2026-11-30T09:30:00Z" })
  let page: object = { count: 1, version: 5, members: [member("a")] }
  fake.reply = (verb) => (verb === "presence" ? { ok: page } : undefined)
  const { presence } = godwit.channel("chat")
  const told: string[] = []
  presence.on("join", ({ id }) => told.push("+" + id))
  presence.on("leave", ({ id }) => told.push("-" + id))
  await settle()
  fake.socket.say({ join: { channel: "chat", count: 1, version: 4, previous: 3, members: [member("old")] } })
  fake.socket.say({ join: { channel: "chat", count: 2, version: 6, previous: 5, members: [member("b")] } }, { leave: { channel: "chat", count: 1, version: 6, previous: 5, members: [member("a")] } })
  assert.deepEqual(told.splice(0), ["+a", "+b", "-a"])
  assert.deepEqual(presence.members.map(({ id }) => id), ["b"])
  assert.equal(presence.count, 1)
  page = { count: 2, version: 9, members: [member("b"), member("c")] }
  fake.socket.say({ join: { channel: "chat", count: 2, version: 9, previous: 8, members: [member("x")] } })
  await settle()
  assert.deepEqual(told, ["+c"])
  godwit.close()
})

test("a store of Svelte keeps the newest messages and leaves with its last subscriber", async () => {
  const { fake, godwit } = make({ tabs: false })
  let value: unknown[] = []
  const store = storeOf(godwit, "chat", { keep: 2 })
  const subscribe = () => store.subscribe((messages) => (value = messages.map((m) => m.data)))
  subscribe()()
  assert.equal(godwit.state, "idle", "nothing is begun where there is no page")
  Object.assign(globalThis, { window: new EventTarget(), document: Object.assign(new EventTarget(), { visibilityState: "visible" }) })
  const unsubscribe = subscribe()
  await settle()
  fake.socket.say(publication(1), publication(2), publication(3))
  assert.deepEqual(value, [2, 3])
  unsubscribe()
  mock.timers.tick(5000)
  await settle()
  assert.ok(fake.verbs().includes("unsubscribe"))
  godwit.close()
  for (const name of ["window", "document"]) Reflect.deleteProperty(globalThis, name)
})
