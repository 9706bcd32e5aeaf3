// Values of applications as JSON: bytes, wherever they are, are {"$bytes": base64}.

const toBase64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""))
const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))

// shown makes what a library handed to the application fit for JSON.
export function shown(value) {
  if (value instanceof ArrayBuffer) return { $bytes: toBase64(new Uint8Array(value)) }
  if (ArrayBuffer.isView(value)) return { $bytes: toBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) }
  if (Array.isArray(value)) return value.map(shown)
  if (value instanceof Error) return value.message
  if (value !== null && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, shown(v)]))
  return value
}

// meant makes of JSON what an application would hand to a library.
export function meant(value) {
  if (Array.isArray(value)) return value.map(meant)
  if (value === null || typeof value !== "object") return value
  if (typeof value.$bytes === "string") {
    const bytes = fromBase64(value.$bytes)
    return typeof Buffer === "undefined" ? bytes.buffer : Buffer.from(bytes) // old releases know no others
  }
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, meant(v)]))
}
