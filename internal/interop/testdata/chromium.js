// What the cases in ../chromium_test.go are written with. A case logs what an
// application can see of its WebSocket, and the log is compared as a whole.

const url = (path, host = location.host) => `${location.protocol === "https:" ? "wss" : "ws"}://${host}${path}`

const next = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }))

// later is in a task of its own, after whatever is under way.
const later = () => new Promise((resolve) => setTimeout(resolve, 5))

// run runs one case. watch opens a WebSocket whose events are logged.
async function run(test) {
  const entries = []
  const log = (...words) => { entries.push(words.join(" ")) }
  const watch = (path, protocols, host) => {
    const socket = new WebSocket(url(path, host), protocols ?? [])
    socket.addEventListener("open", () => log("open"))
    socket.addEventListener("error", () => log("error"))
    socket.addEventListener("close", (e) => log("close", e.code, JSON.stringify(e.reason), e.wasClean ? "clean" : "unclean"))
    return socket
  }
  await test({ log, watch })
  return entries
}

// open is a WebSocket that is open already and logs nothing.
async function open(path, protocols) {
  const socket = new WebSocket(url(path), protocols ?? [])
  await next(socket, "open")
  return socket
}

// echo sends data and returns what comes back.
async function echo(socket, data) {
  const message = next(socket, "message")
  socket.send(data)
  return (await message).data
}

// bytes makes numbers of whatever data a message has.
async function bytes(data) {
  return [...new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data)]
}
