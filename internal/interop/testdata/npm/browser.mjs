// The actors in a page, with the builds that are made for pages.
import { drivers, stage } from "./actors.mjs"
import * as native from "./native.mjs"

Object.assign(drivers, native)

const base = new URL("node_modules/", import.meta.url)

// script runs a script as a page does, and returns the global that it sets.
const script = (path, name) =>
  new Promise((resolve, reject) => {
    const element = document.createElement("script")
    element.src = new URL(path, base)
    element.onload = () => resolve(globalThis[name])
    element.onerror = () => reject(new Error("cannot load " + path))
    document.documentElement.append(element)
  })

const libraries = {
  "socket.io-client": () => script("socket.io-client/dist/socket.io.js", "io"),
  "socket.io-client-3": () => script("socket.io-client-3/dist/socket.io.js", "io"),
  "socket.io-client-2": () => script("socket.io-client-2/dist/socket.io.js", "io"),
  "engine.io-client": async () => {
    const eio = await script("engine.io-client/dist/engine.io.js", "eio")
    return function (url, options) { return eio(url, options) } // new makes what it returns
  },
  "sockjs-client": () => script("sockjs-client/dist/sockjs.js", "SockJS"),
  "pusher-js": () => script("pusher-js/dist/web/pusher-with-encryption.js", "Pusher"),
  "pusher-js-7": () => script("pusher-js-7/dist/web/pusher-with-encryption.js", "Pusher"),
  "pusher-js-4": () => script("pusher-js-4/dist/web/pusher.js", "Pusher"),
  "piesocket-js": async () => (await script("piesocket-js/dist/piesocket.js", "PieSocket")).default,
  "laravel-echo": async () => ({
    Pusher: await libraries["pusher-js"](),
    io: await libraries["socket.io-client"](),
    Echo: (await script("laravel-echo/dist/echo.iife.js", "Echo")).default,
  }),
}

const loaded = {}
const events = []
let more = () => {}
const run = stage(
  (name) => name && (loaded[name] ??= libraries[name]()),
  (event) => {
    events.push(event)
    more()
  },
)
let last = Promise.resolve()

// act runs commands, one after another.
globalThis.act = (commands) => {
  for (const command of commands) last = last.then(() => (command.do === "open" ? run(command) : void run(command)))
}

// take waits until there is something that was seen, and returns all of it as JSON.
globalThis.take = async () => {
  if (events.length === 0) await new Promise((resolve) => { more = resolve })
  return JSON.stringify(events.splice(0))
}
