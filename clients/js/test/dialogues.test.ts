import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import type { Line } from "../src/protocol.js"
import { Machine } from "./machine.js"

// The golden dialogues of the server, from the other side: what the server says there, this client understands, and it says what
// the clients there say, in the same place.
const folder = join(process.env.GODWIT_SOURCE!, "transport/testdata/dialogues")

interface Turn {
  who: string
  says: boolean
  lines: Line[]
}

// read takes the WebSocket sessions out of a dialogue, a turn for what is said at a time.
function read(text: string): Turn[] {
  const turns: Turn[] = []
  const carriers = new Set<string>()
  for (const line of text.split("\n")) {
    const opens = /^(\w+) opens websocket \/connect\b/.exec(line)
    if (opens) carriers.add(opens[1]!)
    else if (/^(\w+) opens /.test(line)) carriers.delete(/^(\w+)/.exec(line)![1]!)
    const said = /^(\w+) ([<>]) (\{.*)$/.exec(line)
    const more = /^ {2}(\{.*)$/.exec(line)
    const json = (text: string): Line | undefined => {
      // Numbers and positions have names in the dialogues where they differ from run to run.
      const shown = text.replace(/:(N|V\d|CALL\d)(?=[,}])/g, ":1").replace(/V\([^)]*\)/g, "VECTOR")
      try {
        return JSON.parse(shown)
      } catch {
        return undefined
      }
    }
    if (said && carriers.has(said[1]!)) {
      const parsed = json(said[3]!)
      if (parsed) turns.push({ who: said[1]!, says: said[2] === ">", lines: [parsed] })
    } else if (more && turns.length > 0 && turns[turns.length - 1]!.says) {
      const parsed = json(more[1]!)
      if (parsed) turns[turns.length - 1]!.lines.push(parsed)
    }
    if (opens) turns.push({ who: opens[1]!, says: true, lines: [] })
  }
  return turns
}

// play has a Machine for each client say what is said, and hear what is heard. Ids are translated.
function play(turns: Turn[]): number {
  const machines = new Map<string, { machine: Machine; ids: Map<number, number>; isStrange: boolean }>()
  let compared = 0
  let ref = 0
  for (const { who, says, lines } of turns) {
    let client = machines.get(who)
    if (says && lines.length === 0) {
      // It opens a connection: the first, or another for the same session.
      if (!client) machines.set(who, { machine: new Machine(), ids: new Map(), isStrange: false })
      else if (!client.isStrange) {
        client.machine.do({ is: "lost", code: 1006 })
        client.machine.pass(120_000)
      }
      continue
    }
    if (!client || client.isStrange) continue
    const { machine, ids } = client
    if (!says) {
      for (const line of lines) {
        if (line.id && !ids.has(line.id)) continue // of something that this client would not ask
        const effects = machine.hear(line.id ? { ...line, id: ids.get(line.id) } : line)
        if (line.channel && line.position) assert.ok(effects.some((e) => e.do === "push"), "a publication is handed on")
        compared++
      }
      continue
    }
    const first = lines[0]!
    if (first.connect) {
      if (machine.session.state === "open") return compared // a second connect is a mistake that this client does not make
      const { resume, token } = first.connect
      if (resume) machine.session.resume = resume
      if (token) (machine.session as unknown as { _token: string })._token = token
      for (const { subscribe } of lines.slice(1)) {
        if (!subscribe?.channel || (machine.session.position(subscribe.channel) && subscribe.since)) continue
        const { channel, since, last, ...fields } = subscribe
        machine.do({ is: "subscribe", name: channel, since, last, fields })
      }
      machine.do({ is: "use" })
      machine.do({ is: "ready", transport: "websocket" })
      const said = machine.take()
      assert.deepEqual(said[0]!.connect.resume, resume)
      ids.set(first.id, said[0]!.id)
      for (const line of lines.slice(1)) {
        if (!line.subscribe?.channel) continue
        const own = said.find(({ subscribe }) => subscribe?.channel === line.subscribe.channel)
        assert.deepEqual(own?.subscribe, line.subscribe, "it goes on where the client of the dialogue does")
        ids.set(line.id, own!.id)
        compared++
      }
      continue
    }
    for (const { id, ...command } of lines) {
      const [verb] = Object.keys(command)
      const body = command[verb!]
      machine.take() // what it said by itself, such as another try of what was refused
      if (id === undefined || machine.session.state !== "open") {
        client.isStrange = true // a mistake that the dialogue is about
        break
      }
      if (verb === "subscribe" && body.channel && !machine.session.hasBegun(body.channel)) {
        const { channel, since, last, ...fields } = body
        if (since && last) continue
        machine.do({ is: "subscribe", name: channel, since, last, fields })
      } else if (verb === "unsubscribe") machine.do({ is: "unsubscribe", name: body.channel })
      else if (verb !== "subscribe") machine.do({ is: "ask", ref: ++ref, verb: verb!, body })
      const said = machine.take()
      const own = said.find((line) => line[verb!])
      if (!own) continue
      assert.deepEqual(own[verb!], body)
      ids.set(id, own.id)
      compared++
    }
  }
  return compared
}

let total = 0
for (const name of readdirSync(folder).filter((name) => name.startsWith("session-"))) {
  test(name, () => {
    total += play(read(readFileSync(join(folder, name), "utf8")))
  })
}

test("the dialogues were played", () => {
  assert.ok(total > 200, `only ${total} lines were compared`)
})
