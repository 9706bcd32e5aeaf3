import assert from "node:assert/strict"
import { test } from "node:test"
import { applyDelta, fossil } from "../src/delta.js"
import { Machine } from "./machine.js"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

// The example of docs/protocol.md §8.
const base = '{"rows": [["AAPL", 187.20], ["MSFT", 402.10], ["NVDA", 118.50]]}'
const delta = "10\nw@0,5:75]]3I1iNl;"
const changed = '{"rows": [["AAPL", 187.20], ["MSFT", 402.10], ["NVDA", 118.75]]}'

test("a delta makes what was published", () => {
  assert.equal(text(applyDelta(bytes(base), bytes("10\nw@0,5:75]]}3I1iNl;"))), changed)
  assert.equal(text(applyDelta(bytes(""), bytes("0\n0;"))), "")
  // Copies that overlap and are out of order, and a checksum with its highest bit.
  assert.equal(text(applyDelta(bytes("abc"), bytes("6\n3@0,1@2,2:xy" + checksumOf("abccxy") + ";"))), "abccxy")
  const high = new Uint8Array(8).fill(0xf0)
  assert.deepEqual(applyDelta(high, bytes("8\n8@0," + checksumOf(high) + ";")), high)
})

test("what is cut off, does not fit or has another checksum is refused", () => {
  const whole = "10\nw@0,5:75]]}3I1iNl;"
  for (let length = 0; length < whole.length; length++) assert.throws(() => applyDelta(bytes(base), bytes(whole.slice(0, length))), RangeError, whole.slice(0, length))
  for (const wrong of [delta, whole + "0", whole.replace("3I1iNl", "3I1iNk"), whole.replace("w@0", "x@9"), whole.replace("5:", "6:"), whole.replace("10\n", "11\n"), "~~~~~~\n0;", "10\nw@zzzz,0;", "10\n1x0;"])
    assert.throws(() => applyDelta(bytes(base), bytes(wrong)), RangeError, wrong)
})

test("a subscription reads deltas upon what it was sent last, and begins again if one does not fit", () => {
  const m = new Machine({ deltas: fossil })
  m.subscribe("prices")
  const [, subscribe] = m.connect()
  assert.deepEqual(subscribe!.subscribe, { channel: "prices", delta: "fossil" })
  m.hear({ id: subscribe!.id, ok: { position: "E:1", delta: "fossil" } })
  const given = (line: object) => m.hear(line).flatMap((effect) => (effect.do === "push" ? [effect.line.data] : []))
  assert.deepEqual(given({ channel: "prices", position: "E:2", kind: "json", data: base }), [JSON.parse(base)])
  assert.deepEqual(given({ channel: "prices", position: "E:3", kind: "json", delta: "10\nw@0,5:75]]}3I1iNl;" }), [JSON.parse(changed)])
  assert.deepEqual(given({ channel: "prices", position: "E:4", data: "text" }), ["text"])
  assert.deepEqual(given({ channel: "prices", position: "E:5", kind: "binary", delta_base64: btoa("3\n2@0,1:\xff" + checksumOf(new Uint8Array([116, 101, 255])) + ";") }), [new Uint8Array([116, 101, 255])])
  assert.deepEqual(given({ channel: "other", position: "E:1", data: { a: 1 } }), [{ a: 1 }], "what comes for a pattern has no deltas")
  m.take()
  assert.deepEqual(given({ channel: "prices", position: "E:6", kind: "json", delta: "10\nw@0,5:75]]}3I1iNl;" }), [])
  const [unsubscribe, again] = m.take()
  assert.deepEqual([unsubscribe!.unsubscribe, again!.subscribe], [{ channel: "prices" }, { channel: "prices", since: "E:5", delta: "fossil" }])
  assert.deepEqual(given({ channel: "prices", position: "E:7", data: "on the way" }), [], "it comes again behind the reply")
  m.hear({ id: again!.id, ok: { position: "E:5", delta: "fossil" } })
  assert.deepEqual(given({ channel: "prices", position: "E:6", kind: "json", data: changed }), [JSON.parse(changed)])
})

function checksumOf(data: string | Uint8Array): string {
  const all = typeof data === "string" ? bytes(data) : data
  let sum = 0n
  for (const [i, byte] of all.entries()) sum += BigInt(byte) << BigInt(24 - 8 * (i % 4))
  let n = sum % 2n ** 32n
  let out = ""
  for (; n > 0n; n /= 64n) out = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"[Number(n % 64n)] + out
  return out || "0"
}
