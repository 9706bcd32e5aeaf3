// What a client does in a day, wherever it runs: it returns what there is to say, or throws.
//
// around has { url, cutter, runtime, options } and the package: { Godwit, GodwitError, cbor, fossil }. A request to cutter breaks
// every connection through url.
export async function tour({ url, cutter, runtime, options = {}, Godwit, GodwitError, cbor, fossil }) {
  const check = (is, what) => {
    if (!is) throw new Error(`${runtime}: ${what}`)
  }
  const same = (got, want, what) => {
    const [is, be] = [JSON.stringify(got), JSON.stringify(want)]
    let at = 0
    while (is[at] === be[at] && at < is.length) at++
    check(is === be, `${what} is …${is.slice(Math.max(0, at - 50), at + 100)}, not …${be.slice(Math.max(0, at - 50), at + 100)}`)
  }
  const plain = (data) => (data instanceof Uint8Array ? { bytes: Array.from(data) } : data)
  const before = await look(new Godwit(url, options))
  for (const more of [{}, { codec: cbor, deltas: fossil }]) {
    const godwit = new Godwit(url, { ...options, ...more })
    const name = `tour/${runtime}/${Object.keys(more).length}`
    const seen = []
    const gaps = []
    const waiting = []
    const channel = godwit.channel(name)
    channel.on("gap", (gap) => gaps.push(gap))
    channel.on("message", (m) => {
      seen.push(m)
      for (const { count, done } of waiting) if (seen.length >= count) done()
    })
    const until = (count) => new Promise((done) => (seen.length >= count ? done() : waiting.push({ count, done })))
    await new Promise((begun, failed) => {
      channel.on("subscribed", begun, { once: true })
      channel.on("error", failed, { once: true })
    })

    // Text, JSON and bytes, there and back; the later ones may be deltas.
    const table = (n) => ({ rows: Array.from({ length: 40 }, (_, i) => ["斑尾塍鷸 🐦", i, i === n]) })
    const all = ["text", "", { a: [1.5, null, "é"] }, new Uint8Array([0, 127, 128, 255]), table(1), table(2), new Uint8Array(3000).fill(7)]
    for (const data of all) await channel.publish(data, { event: "said", key: "k" })
    await until(all.length)
    same(seen.map(({ data }) => plain(data)), all.map(plain), "what was published")
    check(seen.every(({ time, event, key }) => time.getTime() > 1.7e12 && event === "said" && key === "k"), "a message has not all that it should have")
    const { messages } = await channel.history({ last: 3 })
    same(messages.map(({ data }) => plain(data)), all.slice(-3).map(plain), "the history")

    // Who is there, and calls.
    const roster = await new Promise((done) => channel.presence.on("change", ({ members }) => members.length > 0 && done(members), { once: false }))
    check(roster.some(({ id }) => id === godwit.session), "it is no member of its channel")
    const stop = await godwit.handle(name + "/*", ({ method, data, user }) => {
      if (method.endsWith("/fails")) throw new GodwitError({ type: "https://example.com/no", title: "No" })
      return { sum: data[0] + data[1], user }
    })
    same(await godwit.rpc(name + "/sum", [1, 2]), { sum: 3 }, "a call")
    same(await godwit.rpc(name + "/fails", []).catch((error) => error.type), "https://example.com/no", "a call that fails")
    stop()
    same(await godwit.rpc("nobody/answers").catch((error) => error.problem), "unknown-method", "a call that nobody answers")

    // Its connections are broken while it publishes.
    const states = []
    godwit.on("state", (state) => states.push(state))
    const published = []
    for (let i = 0; i < 20; i++) {
      if (i % 10 === 5) await fetch(cutter)
      published.push(channel.publish("n" + i))
    }
    const positions = await Promise.all(published)
    check(new Set(positions).size === 20, "a publication was made twice, or not at all")
    await until(all.length + 20)
    same(seen.slice(all.length).map(({ data }) => data), Array.from({ length: 20 }, (_, i) => "n" + i), "what was published while connections broke")
    same(gaps, [], "gaps")
    check(states.includes("waiting") || states.includes("connecting"), "nothing was broken")

    // Both sides have the same.
    const newest = await channel.digest({ last: 20 })
    same([newest.count, newest.sha256], [20, await digest(seen.slice(-20))], "the digest")
    godwit.close()
    check(godwit.state === "closed", "it is not closed")
  }
  return { runtime, transport: before }
}

// look connects, and says by what.
async function look(godwit) {
  await godwit.channel("tour/look").publish("x")
  const { transport } = godwit
  godwit.close()
  return transport
}

// docs/protocol.md §9, for publications that are text.
async function digest(messages) {
  const parts = messages.map(({ position, data }) => `${position}\0${new TextEncoder().encode(data).length}\0${data}`)
  const bytes = new TextEncoder().encode(parts.join(""))
  const { subtle } = globalThis.crypto ?? (await import("node:crypto")).webcrypto
  return Array.from(new Uint8Array(await subtle.digest("SHA-256", bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("")
}
