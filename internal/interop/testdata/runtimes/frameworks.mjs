// Draws a channel with React, Vue or Svelte, as their own users do: frameworks.mjs WHERE FRAMEWORK FOLDER_OF_DIST URL. WHERE is
// server, where it is rendered to text, or page, which is one of jsdom. It says `done`.
import process from "node:process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"
import { JSDOM } from "jsdom"

const [where, framework, dist, url] = process.argv.slice(2)
const load = (name) => import(new URL(name + ".js", pathToFileURL(dist + "/")).href)
const { Godwit } = await load("index")
const check = (is, what) => {
  if (!is) throw new Error(what)
}

const name = "drawn/" + framework
const draw = { react, vue, svelte }[framework]
if (where === "server") {
  // There is no page: it renders, and nothing is begun.
  const godwit = new Godwit(url)
  const html = await (await draw()).toString(godwit)
  check(html.includes("idle 0") && html.includes("<ul"), "rendered on a server it is " + html)
  check(godwit.state === "idle", "rendering on a server connects")
  done()
}

const { window } = new JSDOM("<!doctype html><main></main>", { url, pretendToBeVisual: true })
for (const name of Object.getOwnPropertyNames(window)) {
  if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true })
}
for (const name of ["window", "navigator", "AbortController", "AbortSignal", "WebSocket"]) {
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true, writable: true })
}
globalThis.addEventListener = window.addEventListener.bind(window)
const main = window.document.querySelector("main")
// until waits for what the page shows.
const until = (text) =>
  new Promise((done, failed) => {
    const look = () => main.textContent.includes(text) && (observer.disconnect(), done())
    const observer = new window.MutationObserver(look)
    observer.observe(main, { childList: true, subtree: true, characterData: true })
    setTimeout(() => failed(new Error(`the page shows ${main.innerHTML} and not ${text}`)), 50_000).unref()
    look()
  })

const godwit = new Godwit(url, { grace: 50, transports: ["websocket"] })
const channel = godwit.channel(name)
await channel.publish("before")
const unmount = await (await draw()).mount(godwit, main)
await until("before;")
await channel.publish("after")
await until("before;after;")
await until("open 1")
check(main.querySelector("ul").textContent === "before;after;", "the page shows " + main.innerHTML)
// How many subscriptions that took is what the server says: one member, and no more.
check((await godwit.channel(name).presence.get()).length === 1, "it is a member more than once")
await unmount()
check(main.textContent === "", "it is still there: " + main.innerHTML)
await new Promise((done) => godwit.on("state", (state) => state === "idle" && done()))
done()

function done() {
  process.stdout.write("done\n")
  process.exit(0)
}

// A list of messages, the state and how many are there, in each of them.

async function react() {
  const { createElement: h, StrictMode } = await import("react")
  const { useChannel, useConnection, usePresence } = await entry("react")
  const View = ({ godwit }) => {
    const { messages } = useChannel(godwit, name, { last: 10 })
    const { count } = usePresence(godwit, name)
    const state = useConnection(godwit)
    return h("section", null, h("ul", null, ...messages.map((m) => h("li", { key: m.position }, m.data + ";"))), state + " " + count)
  }
  return {
    async toString(godwit) {
      const { renderToString } = await import("react-dom/server")
      return renderToString(h(View, { godwit }))
    },
    async mount(godwit, main) {
      // Under StrictMode every effect is begun, ended and begun again.
      const { createRoot } = await import("react-dom/client")
      const root = createRoot(main)
      root.render(h(StrictMode, null, h(View, { godwit })))
      return () => new Promise((done) => (root.unmount(), setTimeout(done)))
    },
  }
}

async function vue() {
  const { createSSRApp, createApp, h } = await import("vue")
  const { useMessages, useMembers, useConnection } = await entry("vue")
  const View = {
    props: ["godwit"],
    setup({ godwit }) {
      const messages = useMessages(godwit, name, { last: 10 })
      const members = useMembers(godwit, name)
      const state = useConnection(godwit)
      return () => h("section", [h("ul", messages.value.map((m) => h("li", { key: m.position }, m.data + ";"))), state.value + " " + members.value.length])
    },
  }
  return {
    async toString(godwit) {
      const { renderToString } = await import("vue/server-renderer")
      return renderToString(createSSRApp(View, { godwit }))
    },
    async mount(godwit, main) {
      const app = createApp(View, { godwit })
      app.mount(main)
      return () => app.unmount()
    },
  }
}

async function svelte() {
  const { compile } = await import("svelte/compiler")
  const source = `<script>
    import { messages as messagesOf, members as membersOf, connection } from "${new URL("svelte.js", pathToFileURL(dist + "/")).href}"
    let { godwit } = $props()
    const messages = messagesOf(godwit, "${name}", { last: 10 })
    const members = membersOf(godwit, "${name}")
    const state = connection(godwit)
  </script>
  <section><ul>{#each $messages as m (m.position)}<li>{m.data};</li>{/each}</ul>{$state} {$members.length}</section>`
  const component = async (generate) => {
    const file = fileURLToPath(new URL(`view-${generate}.mjs`, import.meta.url))
    writeFileSync(file, compile(source, { generate, filename: "View.svelte" }).js.code)
    return (await import(pathToFileURL(file).href)).default
  }
  return {
    async toString(godwit) {
      const { render } = await import("svelte/server")
      const { body } = await render(await component("server"), { props: { godwit } })
      return body
    },
    async mount(godwit, target) {
      const { mount, unmount } = await import("svelte")
      const view = mount(await component("client"), { target, props: { godwit } })
      return () => unmount(view)
    },
  }
}

// entry is one that imports its framework: it is found where that is.
function entry(name) {
  const file = new URL(`entry-${name}.mjs`, import.meta.url)
  writeFileSync(file, readFileSync(dist + "/" + name + ".js"))
  return import(file.href)
}
