// What a page has without any library.
import { shown, meant } from "./values.mjs"

// websocket connects to a channel.
//
//	url, protocols
//
//	open
//	message   data
//	closed    code, text
export const websocket = {
  open(_, { url, protocols = [] }, tell) {
    const socket = new WebSocket(url, protocols)
    socket.binaryType = "arraybuffer"
    socket.onopen = () => tell("open")
    socket.onmessage = (e) => tell("message", { data: shown(e.data) })
    socket.onclose = (e) => tell("closed", { code: e.code, text: e.reason })
    return {
      send({ data }) {
        socket.send(meant(data))
      },
      close() {
        socket.close()
      },
    }
  },
}

// eventsource reads a channel, and publishes as a page does that reads with an EventSource.
//
//	url, names   of the events that it listens to besides message
//
//	open
//	message   name, data
export const eventsource = {
  open(_, { url, names = [] }, tell) {
    const source = new EventSource(url)
    source.onopen = () => tell("open")
    for (const name of ["message", ...names]) source.addEventListener(name, (e) => tell("message", { name, data: e.data }))
    return {
      async send({ data, type, query = "" }) {
        const response = await fetch(url + query, { method: "POST", headers: { "Content-Type": type }, body: meant(data) })
        if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
      },
    }
  },
}

// session speaks godwit.v1 to one channel.
//
//	url, channel
//
//	open
//	message   text: an object that was pushed
export const session = {
  open(_, { url, channel }, tell) {
    const socket = new WebSocket(url, ["godwit.v1"])
    let id = 0
    const send = (command) => socket.send(JSON.stringify({ id: ++id, ...command }))
    socket.onopen = () => {
      send({ connect: {} })
      send({ subscribe: { channel } })
    }
    socket.onmessage = (e) => {
      for (const line of e.data.split("\n")) {
        const object = JSON.parse(line)
        if (object.error) tell("threw", { text: line })
        else if (object.id === 2) tell("open")
        else if (object.channel) tell("message", { text: line })
      }
    }
    return {
      publish({ fields }) {
        send({ publish: { channel, ...fields } })
      },
    }
  },
}
