// Goes on the tour in whatever runs this: runtime.mjs RUNTIME FOLDER_OF_DIST URL CUTTER. It says `done` and what the tour says.
import process from "node:process"
import { pathToFileURL } from "node:url"
import { tour } from "./tour.mjs"

const [runtime, dist, url, cutter] = process.argv.slice(2)
// Where there are WebSockets, a busy machine may be too slow for them, and have something else tried beside.
const options = ["node", "react-native-poll"].includes(runtime) ? {} : { transports: ["websocket"] }
if (runtime === "node-ws") options.WebSocket = (await import("ws")).WebSocket
if (runtime.startsWith("react-native")) {
  const WebSocket = await reactNative()
  if (runtime === "react-native") globalThis.WebSocket = WebSocket
}
if (runtime === "jsdom") await likeJSDOM()

const load = (name) => import(new URL(name + ".js", pathToFileURL(dist + "/")).href)
const around = { ...(await load("index")), ...(await load("cbor")), ...(await load("delta")) }
try {
  process.stdout.write("done " + JSON.stringify(await tour({ url, cutter, runtime, options, ...around })) + "\n")
} catch (error) {
  process.stdout.write("failed " + String(error.stack ?? error).replaceAll("\n", " | ") + "\n")
}
process.exit(0)

// The shape of what React Native has, and the lack of what it has not: no page, no streams in the answers of fetch, no crypto, no
// URL that can be changed, no locks, and a WebSocket whose third argument has headers and which throws at codes it does not know.
async function reactNative() {
  const { WebSocket: Socket } = await import("ws")
  const { fetch, URL } = globalThis
  for (const name of ["WebSocket", "crypto", "BroadcastChannel", "EventSource", "addEventListener"]) {
    Object.defineProperty(globalThis, name, { value: undefined, configurable: true, writable: true })
  }
  Object.defineProperty(globalThis, "navigator", { value: { product: "ReactNative" }, configurable: true })
  globalThis.window = globalThis
  globalThis.URL = class extends URL {
    get protocol() {
      return super.protocol
    }
    set protocol(_) {
      throw new Error("URL.protocol is not implemented")
    }
  }
  globalThis.fetch = async (target, options) => {
    const response = await fetch(target, options)
    const text = response.text() // all of it, before anything is seen of it
    text.catch(() => {}) // it is told to whoever asks for it
    const { ok, status, headers } = response
    return { ok, status, headers, text: () => text, json: async () => JSON.parse(await text) }
  }
  return class {
    constructor(url, protocols, { headers } = {}, ...more) {
      if (more.length > 0) throw new Error("too many arguments")
      this._socket = new Socket(url, protocols, { headers })
      this._socket.binaryType = "arraybuffer"
      this._socket.onopen = () => this.onopen?.({})
      this._socket.onmessage = ({ data }) => this.onmessage?.({ data: this.binaryType === undefined && typeof data !== "string" ? undefined : data })
      this._socket.onerror = ({ message }) => this.onerror?.({ message })
      this._socket.onclose = ({ code, reason }) => this.onclose?.({ code, reason })
    }
    set binaryType(type) {
      if (type !== "blob" && type !== "arraybuffer") throw new Error(`binaryType must be either 'blob' or 'arraybuffer'`)
      this._binaryType = type
    }
    get binaryType() {
      return this._binaryType
    }
    send(data) {
      if (typeof data !== "string" && !ArrayBuffer.isView(data)) throw new Error("Unsupported data type")
      this._socket.send(data)
    }
    close(code) {
      if (code !== undefined && code !== 1000 && (code < 3000 || code > 4999)) throw new Error("the code must be 1000 or 3000 to 4999")
      this._socket.close(code)
    }
  }
}

// A test runner's page: jsdom's window in place of the globals, and its WebSocket.
async function likeJSDOM() {
  const { JSDOM } = await import("jsdom")
  const { window } = new JSDOM("<!doctype html>", { url, pretendToBeVisual: true })
  for (const name of ["window", "document", "navigator", "WebSocket", "AbortController", "AbortSignal", "sessionStorage"]) {
    Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true, writable: true })
  }
  globalThis.addEventListener = window.addEventListener.bind(window)
}
