// Goes on the tour in a page, or in a worker of one kind or another, and tells /report what came of it. The query of its own
// address says where it runs, and what the server and the address are that breaks connections.
import { tour } from "/tour.mjs"
import { Godwit, GodwitError } from "/dist/index.js"
import { cbor } from "/dist/cbor.js"
import { fossil } from "/dist/delta.js"

const query = new URL(import.meta.url).searchParams
const [runtime, url, cutter] = ["runtime", "url", "cutter"].map((name) => query.get(name))
const report = (text) => fetch("/report", { method: "POST", body: text })
const told = (what) => what().then((said) => report("done " + JSON.stringify(said)), (error) => report("failed " + error + " " + error.stack))
const go = () => told(() => tour({ url, cutter, runtime, options: { transports: ["websocket"] }, Godwit, GodwitError, cbor, fossil }))

if (runtime === "frames") told(frames)
else if (globalThis.ServiceWorkerGlobalScope) addEventListener("install", (event) => event.waitUntil(go())) // it lives as long as this
else go()

// Pages in frames share a connection as tabs do, and it is handed on when the page goes that has it.
async function frames() {
  const all = []
  for (let i = 0; i < 3; i++) {
    const frame = document.createElement("iframe")
    frame.src = "/frame?url=" + encodeURIComponent(url)
    document.body.append(frame)
    await new Promise((loaded) => (frame.onload = loaded))
    await frame.contentWindow.ready
    all.push(frame)
  }
  const has = (frame, want) =>
    new Promise((done, failed) => {
      const { seen, news } = frame.contentWindow
      const look = () => seen.join() === want && done()
      news.on("message", look)
      look()
      setTimeout(() => failed(new Error(`a frame has seen ${seen}, and not ${want}`)), 30_000)
    })
  const leaders = all.filter((frame) => !frame.contentWindow.godwit.isShared)
  await all[0].contentWindow.news.publish("a")
  await Promise.all(all.map((frame) => has(frame, "a")))
  const left = all.filter((frame) => frame !== leaders[0])
  leaders[0].remove()
  await left[1].contentWindow.news.publish("b")
  await Promise.all(left.map((frame) => has(frame, "a,b")))
  return { runtime, leaders: leaders.length, after: left.filter((frame) => !frame.contentWindow.godwit.isShared).length }
}
