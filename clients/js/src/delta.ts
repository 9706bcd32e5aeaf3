import type { Line } from "./protocol.js"

/**
 * Reads what comes for one subscription: it is given each publication, which may say only what has changed, and returns it
 * whole, or nothing if what has changed does not fit.
 */
export type DeltaReader = (line: Line) => Line | undefined

/** `new Godwit(url, { deltas: fossil })` has publications sent as what has changed in them, where that is shorter (docs/protocol.md §8). */
export function fossil(): DeltaReader {
  let base: Uint8Array = new Uint8Array()
  return (line) => {
    const { kind, delta, delta_base64, ...whole } = line
    const { data, data_base64 } = line
    if (delta === undefined && delta_base64 === undefined) {
      // A line that was CBOR has its bytes beside it.
      base = line.raw ?? (data_base64 === undefined ? bytes(data) : fromBase64(data_base64))
      if (kind === "json" && !line.raw) whole.data = JSON.parse(data)
      return whole
    }
    try {
      base = applyDelta(base, delta_base64 === undefined ? bytes(delta) : fromBase64(delta_base64))
    } catch {
      return undefined
    }
    if (kind === "binary") whole.data = base.slice()
    else {
      const text = new TextDecoder().decode(base)
      whole.data = kind === "json" ? JSON.parse(text) : text
    }
    return whole
  }
}

const sizeMax = 1 << 26 // the server's largest publications are far below

/** applyDelta applies a delta of Fossil's format to base. It throws a RangeError if it does not fit, or its checksum is wrong. */
export function applyDelta(base: Uint8Array, delta: Uint8Array): Uint8Array {
  let at = 0
  // A number in base 64, of an alphabet whose order is that of its characters.
  const number = () => {
    let n = 0
    for (let digit; (digit = digits.indexOf(String.fromCharCode(delta[at] ?? 0))) >= 0; at++) n = n * 64 + digit
    return n
  }
  const size = number()
  if (delta[at++] !== 10 || size > sizeMax) throw new RangeError("this is no delta, or of something too large")
  const out = new Uint8Array(size)
  let length = 0
  for (;;) {
    const count = number()
    const command = String.fromCharCode(delta[at++] ?? 0)
    let from = delta
    let offset = at
    if (command === "@") {
      from = base
      offset = number()
      if (delta[at++] !== 44) break
    } else if (command === ":") at += count
    else if (command === ";" && length === size && at === delta.length && count === checksum(out)) return out
    else break
    if (length + count > size || offset + count > from.length) break
    out.set(from.subarray(offset, offset + count), length)
    length += count
  }
  throw new RangeError("this delta does not fit what it is applied to")
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"

// The sum of words of four bytes, the most significant first; what is missing of the last is zero.
function checksum(data: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < data.length; i++) sum = (sum + (data[i]! << (24 - 8 * (i % 4)))) | 0
  return sum >>> 0
}

function bytes(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? new TextEncoder().encode(text) : text
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
}
