// sockjs-client, as applications use it.

// open connects.
//
//	url, options   of new SockJS()
//
//	open      transport
//	message   data
//	closed    code, text
export function open(SockJS, { url, options }, tell) {
  const socket = new SockJS(url, null, options)
  socket.onopen = () => tell("open", { transport: socket.transport })
  socket.onmessage = (e) => tell("message", { data: e.data })
  socket.onclose = (e) => tell("closed", { code: e.code, text: e.reason })
  return {
    send({ data }) {
      socket.send(data)
    },
    numbers({ prefix, count }) {
      for (let i = 0; i < count; i++) socket.send(prefix + i)
    },
    close({ code = 1000, text = "" }) {
      socket.close(code, text)
    },
  }
}
