import assert from "node:assert/strict"
import { test } from "node:test"
import { Machine, kinds } from "./machine.js"

const subscribeOf = (line: any) => line.subscribe

test("it connects when it is used, and subscribes behind connect", () => {
  const m = new Machine()
  m.subscribe("chat", { last: 3 })
  assert.deepEqual(m.take(), [])
  assert.deepEqual(kinds(m.do({ is: "use" })), ["dial", "state"])
  const [connect, subscribe] = m.connect()
  assert.deepEqual(connect.connect, { client: "test/1" })
  assert.deepEqual(subscribe.subscribe, { channel: "chat", last: 3 })
  assert.ok(subscribe.id > connect.id)
})

test("a subscription goes on behind the newest position, and not behind what came before its reply", () => {
  const m = new Machine()
  m.subscribe("chat", { last: 3 })
  const hello = m.connect()
  m.hear({ channel: "chat", position: "E:9", data: 0 }) // for a pattern, before the reply
  m.do({ is: "lost", code: 1006 })
  m.pass(1000)
  let again = m.connect({ resumed: true })
  assert.deepEqual(again[1].subscribe, { channel: "chat", last: 3 })
  m.hear({ id: again[1].id, ok: { position: "E:6" } }, { channel: "chat", position: "E:7", data: 1 })
  m.do({ is: "lost", code: 1006 })
  m.pass(2000)
  again = m.connect({ resumed: true })
  assert.deepEqual(again[0].connect.resume, { session: "S", secret: "X" })
  assert.deepEqual(again[1].subscribe, { channel: "chat", since: "E:7" })
  assert.ok(again[0].id > hello[1].id)
})

test("a gap moves the position, a vector replaces the vector, and patterns keep their order", () => {
  const m = new Machine()
  m.subscribe("a/*")
  m.subscribe("chat")
  m.subscribe("b/**")
  const hello = m.connect()
  m.hear({ id: hello[1].id, ok: { vector: "V1" } }, { id: hello[2].id, ok: { position: "E:1" } }, { id: hello[3].id, ok: { vector: "W1" } })
  m.hear({ vector: { channel: "a/*", vector: "V2" } }, { gap: { channel: "chat", from: "E:1", to: "E:5", reason: "lost" } })
  m.hear({ gap: { channel: "b/**", from: null, to: null, reason: "dropped", count: 2 } })
  m.do({ is: "lost", code: 1006 })
  m.pass(1000)
  assert.deepEqual(m.connect().slice(1).map(subscribeOf), [
    { channel: "a/*", since: "V2" },
    { channel: "chat", since: "E:5" },
    { channel: "b/**", since: "W1" },
  ])
})

test("positions of one epoch are compared as numbers of any length", () => {
  const m = new Machine()
  m.subscribe("chat")
  const hello = m.connect()
  m.hear({ id: hello[1].id, ok: { position: "E:9" } })
  for (const [position, want] of [["E:10", "E:10"], ["E:9", "E:10"], ["E:18446744073709551614", "E:18446744073709551614"], ["E:18446744073709551615", "E:18446744073709551615"], ["E:18446744073709551614", "E:18446744073709551615"], ["F:1", "F:1"]]) {
    m.hear({ channel: "chat", position, data: 0 })
    assert.equal(m.session.position("chat"), want)
  }
})

test("what has no reply is sent again: with its id if the session goes on", () => {
  const m = new Machine()
  m.connect()
  m.do({ is: "ask", ref: 1, verb: "publish", body: { channel: "chat", data: 1, idempotency_key: "k" } })
  m.do({ is: "ask", ref: 2, verb: "rpc", body: { method: "m" } })
  m.do({ is: "ask", ref: 3, verb: "history", body: { channel: "chat" } })
  const first = m.take()
  m.do({ is: "lost", code: 1006 })
  m.pass(1000)
  m.connect({ resumed: true })
  const again = m.take()
  assert.deepEqual(again.slice(0, 2), first.slice(0, 2))
  assert.deepEqual(again[2].history, { channel: "chat" })
  assert.ok(again[2].id > first[2].id)
  const done = m.hear({ id: first[0].id, ok: { position: "E:1" } }, { id: first[1].id, ok: { data: 2 } }, { id: again[2].id, ok: {} })
  assert.deepEqual(done.map((effect) => effect.do === "reply" && effect.ref), [1, 2, 3])
  assert.deepEqual(m.hear({ id: first[2].id, ok: {} }), [], "a reply of the connection before means nothing")
})

test("in a new session what has a key is published again, and what could be done twice is given up", () => {
  const m = new Machine()
  m.connect()
  m.do({ is: "ask", ref: 1, verb: "publish", body: { channel: "chat", data: 1, idempotency_key: "k" } })
  m.do({ is: "ask", ref: 2, verb: "rpc", body: { method: "m" } })
  m.do({ is: "ask", ref: 3, verb: "publish", body: { channel: "chat", data: 1 } })
  const first = m.take()
  m.do({ is: "lost", code: 1006 })
  m.do({ is: "ask", ref: 4, verb: "rpc", body: { method: "later" } }) // never sent so far
  m.pass(1000)
  m.effects = []
  m.connect({ resumed: false })
  const again = m.take()
  assert.deepEqual(again.map((line) => line.publish ?? line.rpc), [first[0].publish, { method: "later" }])
  assert.ok(again[0].id > first[2].id)
  const failed = m.effects.filter((effect) => effect.do === "reply")
  assert.deepEqual(failed.map((effect) => [effect.ref, effect.error?.type]), [[2, "urn:godwit:client:unknown"], [3, "urn:godwit:client:unknown"]])
})

test("a publication is not sent again when the server may have forgotten its key", () => {
  const m = new Machine()
  m.connect()
  m.do({ is: "ask", ref: 1, verb: "publish", body: { channel: "chat", data: 1, idempotency_key: "k" } })
  m.take()
  m.do({ is: "lost", code: 1006 })
  m.do({ is: "ask", ref: 2, verb: "publish", body: { channel: "chat", data: 2, idempotency_key: "l" } })
  m.now += 300_000
  m.do({ is: "wake" })
  m.effects = []
  m.connect({ resumed: false })
  assert.deepEqual(m.take().map((line) => line.publish.data), [2])
  assert.deepEqual(m.effects.filter((e) => e.do === "reply").map((e) => e.ref), [1])
})

test("at most 32 publications wait for replies, and the others for those", () => {
  const m = new Machine()
  m.connect()
  for (let ref = 1; ref <= 40; ref++) m.do({ is: "ask", ref, verb: "publish", body: { channel: "chat", data: ref } })
  const first = m.take()
  assert.equal(first.length, 32)
  m.hear(...first.slice(0, 3).map(({ id }) => ({ id, ok: { position: "E:1" } })))
  assert.deepEqual(m.take().map((line) => line.publish.data), [33, 34, 35])
})

test("a publication that is too many is published later, in its place", () => {
  const m = new Machine()
  m.connect()
  for (let ref = 1; ref <= 3; ref++) m.do({ is: "ask", ref, verb: "publish", body: { channel: "chat", data: ref, idempotency_key: "k" + ref } })
  const [one, two, three] = m.take()
  const error = { type: "https://godwit.io/problems/too-many-requests", title: "", retry_after_ms: 2000 }
  assert.deepEqual(kinds(m.hear({ id: one!.id, ok: { position: "E:1" } }, { id: two!.id, error }, { id: three!.id, error })), ["reply"])
  m.do({ is: "ask", ref: 4, verb: "publish", body: { channel: "chat", data: 4, idempotency_key: "k4" } })
  m.do({ is: "ask", ref: 5, verb: "history", body: { channel: "chat" } })
  assert.deepEqual(m.take().map((line) => Object.keys(line)[1]), ["history"])
  m.pass(2000)
  assert.deepEqual(m.take().map((line) => line.publish.data), [2, 3, 4])
})

test("it waits as long as the server said, then twice as long, up to a minute", () => {
  const m = new Machine({ random: 0.5 })
  m.connect({ reconnect: { after_ms: 3000 } })
  m.hear({ reconnect: { after_ms: 2000 } })
  m.do({ is: "lost", code: 1006 })
  const waits = []
  for (let i = 0; i < 8; i++) {
    assert.equal(m.session.state, "waiting")
    waits.push(m.session.retryAt - m.now)
    m.pass(m.session.retryAt - m.now)
    assert.equal(m.session.state, "connecting")
    m.do({ is: "lost" })
  }
  assert.deepEqual(waits, [1500, 3000, 6000, 12000, 24000, 45000, 45000, 45000])
  m.pass(45_000)
  m.do({ is: "lost", status: 503, retryAfter: 90_000 })
  assert.equal(m.session.retryAt - m.now, 90_000, "what the server says counts more")
})

test("each end does what the table of codes says", () => {
  for (const [why, want] of [
    [{ code: 1000 }, "closed"],
    [{ code: 1001 }, "waiting"],
    [{ code: 1006 }, "waiting"],
    [{ code: 1009 }, "closed"],
    [{ code: 4403 }, "closed"],
    [{ code: 4404 }, "waiting"],
    [{ code: 4401 }, "closed"],
    [{ code: 4999 }, "waiting"],
    [{ status: 403 }, "closed"],
    [{ status: 404 }, "closed"],
    [{ status: 404, problem: { type: "https://godwit.io/problems/session-unknown", title: "" } }, "waiting"],
    [{ status: 429 }, "waiting"],
    [{ status: 500 }, "waiting"],
    [{}, "waiting"],
  ] as const) {
    const m = new Machine()
    m.connect()
    m.do({ is: "lost", ...why })
    assert.equal(m.session.state, want, JSON.stringify(why))
  }
  const m = new Machine()
  m.connect()
  m.hear({ end: { code: 4800, reason: "own", reconnect: false } })
  assert.equal(m.session.state, "closed")
  assert.equal(m.session.error?.code, 4800)
})

test("what waits fails when it is over, and it can be tried again", () => {
  const m = new Machine()
  m.subscribe("chat")
  m.connect()
  m.do({ is: "ask", ref: 1, verb: "publish", body: { channel: "chat", data: 1 } })
  m.take()
  const effects = m.hear({ end: { code: 4403, reason: "ended by the application", reconnect: false } })
  assert.deepEqual(kinds(effects), ["drop", "reply", "begun", "state"])
  assert.deepEqual(kinds(m.do({ is: "ask", ref: 2, verb: "ping", body: {} })), ["reply"])
  assert.deepEqual(kinds(m.do({ is: "wake" })), [], "the page being seen is no reason")
  assert.deepEqual(kinds(m.do({ is: "again" })), ["dial", "state"])
})

test("a session that another connection has taken is not taken back", () => {
  const m = new Machine()
  m.connect()
  m.hear({ end: { code: 4409, reason: "the session goes on elsewhere", reconnect: false } })
  assert.equal(m.session.state, "waiting")
  m.pass(1000)
  assert.equal(m.connect()[0].connect.resume, undefined)
})

test("tokens: asked for first, when refused, and before they end", () => {
  const m = new Machine({ hasTokens: true })
  assert.deepEqual(m.do({ is: "use" })[0], { do: "token", reason: "first" })
  assert.deepEqual(kinds(m.do({ is: "token", token: "t1" })), ["dial"])
  assert.equal(m.connect({ expires_after_ms: 40_000 })[0].connect.token, "t1")
  assert.deepEqual(m.hear({ expiring: { after_ms: 8000 } })[0], { do: "token", reason: "expired" })
  m.do({ is: "token", token: "t2" })
  assert.deepEqual(m.take().map((line) => line.refresh), [{ token: "t2" }])
  m.hear({ end: { code: 4401, reason: "revoked", reconnect: false } })
  assert.deepEqual(m.effects.at(-2), { do: "token", reason: "refused" })
  m.do({ is: "token", token: "t3" })
  m.do({ is: "ready", transport: "websocket" })
  const [connect] = m.take()
  assert.equal(connect.connect.token, "t3")
  m.hear({ id: connect.id, error: { type: "https://godwit.io/problems/unauthorized", title: "Not authenticated", detail: "no" } })
  m.hear({ end: { code: 4401, reason: "no", reconnect: false } })
  assert.equal(m.session.state, "closed", "a new token that is refused, too, ends it")
  assert.equal(m.session.error?.problem.detail, "no")
})

test("a token that cannot be had is a reason to wait", () => {
  const m = new Machine({ hasTokens: true })
  m.do({ is: "use" })
  m.do({ is: "token", error: { type: "urn:x", title: "offline" } })
  assert.equal(m.session.state, "waiting")
  assert.equal(m.session.error?.problem.title, "offline")
  m.pass(2000)
  assert.deepEqual(m.effects.filter((e) => e.do === "token").length, 2)
})

test("a token that ended while there was no connection is not tried", () => {
  const m = new Machine({ hasTokens: true })
  m.do({ is: "use" })
  m.do({ is: "token", token: "t1" })
  m.connect({ expires_after_ms: 1500 })
  m.do({ is: "lost", code: 1006 })
  m.now += 1500
  m.do({ is: "tick" })
  assert.deepEqual(m.effects.at(-2), { do: "token", reason: "expired" })
})

test("silence is asked about, and then taken for the end", () => {
  const m = new Machine()
  m.connect()
  m.pass(24_000)
  m.hear() // a sign of life
  m.pass(24_000)
  assert.deepEqual(m.take(), [])
  m.pass(1000)
  const [ping] = m.take()
  assert.deepEqual(ping.ping, {})
  m.pass(9000)
  m.hear({ id: ping.id, ok: {} })
  m.pass(25_000)
  assert.equal(m.take().length, 1)
  assert.deepEqual(kinds(m.pass(10_000)), ["drop", "state"])
  assert.equal(m.session.state, "waiting")
})

test("a clock that jumped gives the connection time to answer", () => {
  const m = new Machine()
  m.connect()
  m.pass(25_000)
  m.take()
  m.now += 3_600_000 // the lid was closed
  assert.deepEqual(kinds(m.do({ is: "tick" })), ["send"])
  assert.equal(m.session.state, "open")
  m.pass(3000)
  assert.equal(m.session.state, "waiting")
})

test("a page that is seen again: waiting ends, an old attempt is replaced, a silent socket is asked", () => {
  const m = new Machine()
  m.connect()
  assert.deepEqual(m.do({ is: "wake" }), [])
  m.now += 6000
  assert.deepEqual(kinds(m.do({ is: "wake" })), ["send"])
  m.pass(3000)
  assert.equal(m.session.state, "waiting")
  assert.deepEqual(kinds(m.do({ is: "wake" })), ["dial", "state"])
  assert.deepEqual(m.do({ is: "wake" }), [], "an attempt that has just begun goes on")
  m.now += 6000
  assert.deepEqual(kinds(m.do({ is: "wake" })), ["drop", "dial"])
})

test("a page that is frozen drops the connection, keeps the session, and comes back when it is seen", () => {
  const m = new Machine()
  m.connect()
  const [drop] = m.do({ is: "sleep" })
  assert.deepEqual(drop, { do: "drop", code: 4000 })
  assert.equal(m.session.deadline, Infinity)
  m.now += 10_000
  m.do({ is: "wake" })
  assert.deepEqual(m.connect({ resumed: true })[0].connect.resume, { session: "S", secret: "X" })
})

test("an attempt that hangs ends, and the next one comes", () => {
  const m = new Machine()
  m.do({ is: "use" })
  assert.deepEqual(kinds(m.pass(15_000)), ["drop", "state"])
  assert.equal(m.session.state, "waiting")
  m.pass(1000)
  assert.equal(m.session.state, "connecting")
})

test("a better carrier takes over with the positions that there are", () => {
  const m = new Machine()
  m.subscribe("chat")
  const hello = m.connect({}, "stream")
  m.hear({ id: hello[1].id, ok: { position: "E:1" } }, { channel: "chat", position: "E:2", data: 0 })
  m.do({ is: "ready", transport: "websocket" })
  const again = m.take()
  assert.deepEqual(again[0].connect.resume, { session: "S", secret: "X" })
  assert.equal(again[1].subscribe.since, "E:2")
  m.hear({ id: again[0].id, ok: { session: "S", secret: "X", resumed: true } })
  assert.equal(m.session.transport, "websocket")
})

test("of two carriers that were told hello each has its own subscriptions", () => {
  const m = new Machine()
  m.subscribe("a")
  m.do({ is: "use" })
  m.do({ is: "ready", transport: "websocket" })
  const first = m.take()
  m.subscribe("b")
  m.do({ is: "unsubscribe", name: "a" })
  m.do({ is: "ready", transport: "stream" })
  assert.deepEqual(m.take().slice(1).map(subscribeOf), [{ channel: "b" }])
  // The first answers after all: it learns what has changed.
  m.hear({ id: first[0].id, ok: { session: "S", secret: "X" } })
  const then = m.take()
  assert.deepEqual(then.map((line) => line.unsubscribe ?? line.subscribe), [{ channel: "a" }, { channel: "b" }])
  m.hear({ id: first[1].id, ok: { position: "E:1" } }, { id: then[0]!.id, ok: {} })
  assert.deepEqual(kinds(m.hear({ id: then[1]!.id, ok: { position: "E:2" } })), ["begun"])
})

test("a subscription that is asked for again begins where it is wanted", () => {
  const m = new Machine()
  m.subscribe("chat")
  const hello = m.connect()
  m.hear({ id: hello[1].id, ok: { position: "E:8" } })
  m.subscribe("chat", { since: "E:3" })
  const [off, on] = m.take()
  assert.deepEqual(off!.unsubscribe, { channel: "chat" })
  assert.deepEqual(on!.subscribe, { channel: "chat", since: "E:3" })
  m.hear({ channel: "chat", position: "E:9", data: 0 }) // was under way
  m.hear({ id: off!.id, ok: {} }, { id: on!.id, ok: { position: "E:3" } }, { channel: "chat", position: "E:4", data: 0 })
  assert.equal(m.session.position("chat"), "E:4")
})

test("a subscription that cannot be decided now is tried again", () => {
  const m = new Machine()
  m.subscribe("chat")
  const hello = m.connect()
  m.hear({ id: hello[1].id, error: { type: "https://godwit.io/problems/undecided", title: "", retry_after_ms: 2000 } })
  m.pass(1999)
  assert.deepEqual(m.take(), [])
  m.pass(1)
  assert.deepEqual(m.take().map(subscribeOf), [{ channel: "chat" }])
})

test("a position that the server cannot read is a gap", () => {
  const m = new Machine()
  m.subscribe("chat/*", { since: "nonsense" })
  const hello = m.connect()
  const effects = m.hear({ id: hello[1].id, error: { type: "https://godwit.io/problems/bad-position", title: "" } })
  assert.deepEqual(effects[0], { do: "push", line: { gap: { channel: "chat/*", from: null, to: null, reason: "lost" } } })
  assert.deepEqual(m.take().map(subscribeOf), [{ channel: "chat/*" }])
})

test("subscriptions of the server's are those of the client from then on", () => {
  const m = new Machine()
  m.connect()
  m.hear({ subscribed: { channel: "team", position: "E:4" } })
  assert.ok(m.session.hasBegun("team"))
  m.do({ is: "lost", code: 1006 })
  m.pass(1000)
  assert.deepEqual(m.connect()[1].subscribe, { channel: "team", since: "E:4" })
  m.hear({ unsubscribed: { channel: "team", error: { type: "https://godwit.io/problems/forbidden", title: "" } } })
  assert.ok(!m.session.hasBegun("team"))
})

test("messages to the user go on where they were", () => {
  const m = new Machine()
  m.connect()
  m.hear({ subscribed: { channel: "@ann", position: "E:1" } }, { message: { channel: "@ann", position: "E:2", data: 1 } })
  m.do({ is: "lost", code: 1006 })
  m.pass(1000)
  assert.equal(m.connect()[0].connect.messages, "E:2")
  m.hear({ gap: { channel: "@ann", from: "E:2", to: "E:7", reason: "lost" } })
  m.do({ is: "lost", code: 1006 })
  m.pass(2000)
  assert.equal(m.connect()[0].connect.messages, "E:7")
})

test("a call that nobody waits for is canceled", () => {
  const m = new Machine()
  m.connect()
  m.do({ is: "ask", ref: 1, verb: "rpc", body: { method: "m" } })
  const [call] = m.take()
  m.do({ is: "forget", ref: 1 })
  assert.deepEqual(m.take().map((line) => line.cancel), [{ rpc: call!.id }])
  assert.deepEqual(kinds(m.hear({ id: call!.id, ok: { data: 1 } })), [], "its reply comes too late")
})

test("another tab: no token, its silence means to take over, and its commands are not mistaken for ours", () => {
  const m = new Machine({ hasTokens: true })
  m.do({ is: "follow", follow: true })
  assert.deepEqual(kinds(m.do({ is: "use" })), ["dial", "state"])
  m.connect({ ping_ms: 3000 }, "tab")
  m.do({ is: "ask", ref: 1, verb: "publish", body: { channel: "chat", data: 1, idempotency_key: "k" } })
  m.do({ is: "ask", ref: 2, verb: "rpc", body: { method: "m" } })
  const sent = m.take()
  assert.ok(kinds(m.pass(6000)).includes("steal"))
  assert.deepEqual(kinds(m.do({ is: "follow", follow: false })), ["token", "state"])
  m.do({ is: "token", token: "t" })
  m.effects = []
  assert.deepEqual(m.connect({ resumed: true })[0].connect, { client: "test/1", token: "t", resume: { session: "S", secret: "X" } })
  const [again, ...more] = m.take()
  assert.deepEqual(again!.publish, sent[0]!.publish)
  assert.notEqual(again!.id, sent[0]!.id)
  assert.deepEqual(more, [])
  assert.deepEqual(m.effects.filter((e) => e.do === "reply").map((e) => e.ref), [2])
})

test("an hour of messages keeps nothing but positions", () => {
  const m = new Machine()
  m.subscribe("chat")
  const hello = m.connect()
  m.hear({ id: hello[1].id, ok: { position: "E:0" } })
  const size = () => JSON.stringify(m.session, (_, value) => (value instanceof Map ? [...value] : value)).length
  const before = size()
  for (let i = 1; i <= 3600; i++) {
    m.hear({ channel: "chat", position: "E:" + i, data: "x".repeat(100) })
    m.do({ is: "ask", ref: i, verb: "publish", body: { channel: "chat", data: i } })
    for (const line of m.take()) m.hear({ id: line.id, ok: { position: "E:" + i } })
    m.pass(1000)
    m.effects = []
  }
  assert.ok(size() < before + 100, `${before} became ${size()}`)
})
