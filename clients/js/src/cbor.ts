import type { Codec } from "./carriers.js"
import { keys } from "./keys.js"
import type { Line } from "./protocol.js"

/**
 * `new Godwit(url, { codec: cbor })` speaks CBOR over WebSockets (docs/protocol.md §10): bytes are sent as they are, and not as
 * Base64. Other transports have JSON as ever.
 */
export const cbor: Codec = { protocol: "godwit.v1.cbor", encode, decode }

const numbers = new Map(keys.map((name, number) => [name, number]))
const tagJSON = 262
const levelsMax = 64
const strict = new TextDecoder("utf-8", { fatal: true })
const utf8 = new TextEncoder()

// --- writing ---

function encode(line: Line): Uint8Array<ArrayBuffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  const put = (bytes: Uint8Array) => {
    chunks.push(bytes)
    size += bytes.length
  }
  // RFC 8949 §3: three bits are the type, and five the number or how many bytes it has.
  const head = (type: number, n: number) => {
    const [count, bytes] = n < 24 ? [n, 0] : n < 256 ? [24, 1] : n < 65536 ? [25, 2] : n < 2 ** 32 ? [26, 4] : [27, 8]
    const out = new Uint8Array(1 + bytes)
    out[0] = (type << 5) | count
    for (let i = bytes; i > 0; i--, n = Math.floor(n / 256)) out[i] = n % 256
    put(out)
  }
  const data = (type: number, bytes: Uint8Array) => {
    head(type, bytes.length)
    put(bytes)
  }
  const write = (value: unknown, isPayload: boolean): void => {
    if (typeof value === "string") data(3, utf8.encode(value))
    else if (isPayload) {
      head(6, tagJSON)
      data(2, utf8.encode(JSON.stringify(value)))
    } else if (typeof value === "number") head(value < 0 ? 1 : 0, value < 0 ? -1 - value : value)
    else if (typeof value === "boolean") head(7, value ? 21 : 20)
    else if (value === null) head(7, 22)
    else {
      const members = Object.entries(value as Line).filter(([, value]) => value !== undefined)
      head(5, members.length)
      for (const [name, value] of members) {
        const isBytes = name === "data_base64"
        head(0, numbers.get(isBytes ? "data" : name)!)
        if (isBytes) data(2, Uint8Array.from(atob(value), (c) => c.charCodeAt(0)))
        else write(value, name === "data")
      }
    }
  }
  write(line, false)
  const all = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

// --- reading ---

function decode(message: ArrayBuffer): Line[] {
  const bytes = new Uint8Array(message)
  let at = 0
  const number = (count: number): number => {
    if (count < 24) return count
    if (count > 27) throw new SyntaxError("this is no CBOR of the server's")
    let n = 0
    for (let i = 1 << (count - 24); i > 0; i--) n = n * 256 + bytes[at++]!
    return n
  }
  const take = (count: number) => {
    if (at + count > bytes.length) throw new SyntaxError("CBOR ends too early")
    return bytes.subarray(at, (at += count))
  }
  const read = (level: number, owner?: Line): unknown => {
    const first = take(1)[0]!
    const type = first >> 5
    if (type === 7) {
      const simple = first & 31
      return simple === 22 ? null : simple === 21
    }
    const n = number(first & 31)
    if (level > levelsMax) throw new SyntaxError("CBOR has too many levels")
    switch (type) {
      case 0:
        return n
      case 1:
        return -1 - n
      case 2:
        return take(n).slice()
      case 3:
        return strict.decode(take(n))
      case 4:
        return Array.from({ length: Math.min(n, bytes.length) }, () => read(level + 1))
      case 5: {
        const out: Line = {}
        for (let i = 0; i < n; i++) {
          const name = keys[read(level + 1) as number]
          const value = read(level + 1, name === "data" ? out : undefined)
          // Times are microseconds.
          if (name === "time") out.time = (value as number) / 1000
          else if (name === "since" && typeof value === "number") out.since = new Date(value / 1000).toISOString()
          else if (name) out[name] = value
        }
        return out
      }
      default: {
        // Tagged: the text of JSON, which a delta may want as it is.
        const text = read(level + 1) as Uint8Array
        if (owner) Object.defineProperty(owner, "raw", { value: text })
        return JSON.parse(strict.decode(text))
      }
    }
  }
  const lines: Line[] = []
  while (at < bytes.length) lines.push(read(0) as Line)
  return lines
}
