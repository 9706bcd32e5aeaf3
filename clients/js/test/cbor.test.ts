import assert from "node:assert/strict"
import { test } from "node:test"
import { cbor } from "../src/cbor.js"
import { fossil } from "../src/delta.js"
import type { Line } from "../src/protocol.js"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const read = (text: string) => cbor.decode(new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex")).buffer)
const written = (line: Line) => hex(cbor.encode(line) as Uint8Array)

test("commands are written as the protocol says", () => {
  // docs/protocol.md §10.5
  assert.equal(written({ id: 2, subscribe: { channel: "chat" } }), "a2090213a1006463686174")
  assert.equal(written({ id: 1, ping: {} }), "a209011823a0")
  assert.equal(written({ id: 23, publish: { channel: "c", data: "é", event: undefined } }), "a2091712a20061630362c3a9")
  assert.equal(written({ id: 24, publish: { channel: "c", data: { a: [1.5] } } }), "a209181812a200616303d901064b" + hex(Buffer.from('{"a":[1.5]}')))
  assert.equal(written({ id: 256, publish: { channel: "c", data_base64: "AP8=" } }), "a20919010012a2006163034200ff")
  assert.equal(written({ id: 2 ** 40, history: { since: "E:1", last: 70000 } }), "a2091b0000010000000000181aa21463453a31182b1a00011170")
  assert.equal(written({ id: 1, subscribe: { presence: true, self: false } }), "a2090113a2181bf5182df4")
})

test("what the server says is read as JSON would be", () => {
  assert.deepEqual(read("a2 09 01 0a a1 18 28 61 53"), [{ id: 1, ok: { session: "S" } }])
  // A time, a payload of JSON, and two objects in one message.
  const [line, heartbeat] = read("a4 00 61 63 01 63 45 3a 31 02 1b 00062cf5e2bd8020 03 d90106 47 7b2261223a317d a0")
  assert.deepEqual(line, { channel: "c", position: "E:1", time: 0x00062cf5e2bd8020 / 1000, data: { a: 1 } })
  assert.deepEqual(heartbeat, {})
  assert.deepEqual(read("a1 03 42 00ff"), [{ data: new Uint8Array([0, 255]) }])
  assert.deepEqual(read("a1 18 3a f5"), [{ resumed: true }])
  assert.deepEqual(read("a2 03 f6 17 83 01 20 f4"), [{ data: null, members: [1, -1, false] }])
  assert.deepEqual(read("a2 18 fa 01 09 02"), [{ id: 2 }], "a key that is not known is left out")
  assert.deepEqual(read("a1 14 1b 00062cf5e2bd8020"), [{ since: new Date(0x00062cf5e2bd8020 / 1000).toISOString() }])
})

test("what is cut off is an error, and not something shorter", () => {
  const whole = "a4006163016345 3a31 02 1b00062cf5e2bd8020 03d9010647 7b2261223a317d".replace(/\s/g, "")
  for (let length = 2; length < whole.length; length += 2) assert.throws(() => read(whole.slice(0, length)), SyntaxError, whole.slice(0, length))
  assert.throws(() => read("9f01ff"), SyntaxError, "lengths that come later")
  assert.throws(() => read("81".repeat(100) + "01"), SyntaxError)
})

test("a payload of JSON is a base of deltas, byte for byte", () => {
  const reader = fossil()
  const text = '{"a" : 1}'
  const [line] = read("a2 00 61 63 03 d90106 49" + hex(Buffer.from(text)))
  assert.deepEqual(reader(line!), { channel: "c", data: { a: 1 } })
  // All of the base, and a checksum that is wrong for anything else.
  const sum = [...Buffer.from(text)].reduce((sum, byte, i) => sum + byte * 2 ** (24 - 8 * (i % 4)), 0) % 2 ** 32
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
  let number = ""
  for (let n = sum; n > 0; n = Math.floor(n / 64)) number = digits[n % 64] + number
  assert.deepEqual(reader({ channel: "c", kind: "json", delta: Buffer.from("9\n9@0," + number + ";") }), { channel: "c", data: { a: 1 } })
})
