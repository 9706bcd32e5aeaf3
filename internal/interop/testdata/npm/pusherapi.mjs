// The server library of Pusher, as back ends use it.
import { Buffer } from "node:buffer"

// open makes a client of the HTTP API.
//
//	options   of new Pusher()
//
//	result    tag, data: what a method returned, or the body of a response
//	refused   tag, code, text
export function open(Pusher, { options }, tell) {
  const pusher = new Pusher(options)
  return {
    // call   tag, method, args
    async call({ tag, method, args }) {
      try {
        const result = await pusher[method](...args)
        tell("result", { tag, data: typeof result?.text === "function" ? await result.text() : result })
      } catch (error) {
        tell("refused", { tag, code: error.status, text: error.body ?? error.message })
      }
    },
    // numbers   count of them on a channel, ten a request, in order
    async numbers({ channel, name, prefix, count }) {
      for (let i = 0; i < count; i += 10) {
        const batch = Array.from({ length: Math.min(10, count - i) }, (_, j) => ({ channel, name, data: prefix + (i + j) }))
        const response = await pusher.triggerBatch(batch)
        if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
      }
    },
    // webhook   tag, headers, body in base64: what the library says of it
    webhook({ tag, headers, body }) {
      const hook = pusher.webhook({ headers, rawBody: Buffer.from(body, "base64").toString() })
      tell("result", { tag, data: { valid: hook.isValid(), events: hook.isValid() ? hook.getEvents() : [] } })
    },
  }
}
