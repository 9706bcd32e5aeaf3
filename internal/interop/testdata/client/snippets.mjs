// Runs the code blocks of docs/client-js.md, one after another, against a server: node snippets.mjs CLIENT URL PAGE. A block is
// done when it has called show, whatever it is made of.
import { readFileSync, writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { WebSocket } from "ws"

const [client, url, page] = process.argv.slice(2)
globalThis.WebSocket = WebSocket // as in a browser
const own = globalThis.fetch
globalThis.fetch = (target, options) => (String(target).startsWith("/token") ? Promise.resolve(new Response("")) : own(target, options))

const blocks = readFileSync(page, "utf8").matchAll(/^```js\n(.*?)^```$/gms)
let number = 0
for (const [, code] of blocks) {
  const file = new URL(`snippet-${++number}.mjs`, import.meta.url)
  const imported = (_, entry = "index") => JSON.stringify(new URL(entry + ".js", pathToFileURL(client)).href)
  writeFileSync(file, code.replace(/"@godwit\/client(?:\/(\w+))?"/g, imported).replaceAll('"https://example.com"', JSON.stringify(url)))
  const shown = new Promise((done) => (globalThis.show = (...what) => done(what)))
  const running = import(file)
  // Something to read, for those that have no history.
  const feed = setInterval(() => own(url + "/channels/news", { method: "POST", body: "news", headers: { "Content-Type": "text/plain" } }), 200)
  const late = new Promise((_, failed) => setTimeout(() => failed(new Error(`block ${number} shows nothing:\n${code}`)), 40_000).unref())
  await Promise.race([Promise.all([running, shown]), late])
  clearInterval(feed)
  process.stdout.write(`shown ${JSON.stringify(await shown)}\n`)
}
process.stdout.write(`done ${number}\n`)
process.exit(0)
