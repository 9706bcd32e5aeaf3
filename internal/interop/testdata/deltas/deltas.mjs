// Follows the channel of its second argument with deltas, over JSON lines, and prints what
// was published: whether it came as a delta, the kind, and the payload in Base64.
import { applyDelta } from 'fossil-delta'

const [url, channel] = process.argv.slice(2)
const commands = [{ id: 1, connect: {} }, { id: 2, subscribe: { channel, delta: 'fossil' } }]
const response = await fetch(url + '/connect', {
  method: 'POST',
  headers: { Accept: 'application/x-ndjson' },
  body: commands.map((c) => JSON.stringify(c)).join('\n'),
})
let base = null

function rebuild(o) {
  if (o.delta !== undefined || o.delta_base64 !== undefined) {
    const delta = o.delta !== undefined ? Buffer.from(o.delta) : Buffer.from(o.delta_base64, 'base64')
    return ['delta', o.kind, Buffer.from(applyDelta(base, delta))]
  }
  if (o.data_base64 !== undefined) return ['whole', 'binary', Buffer.from(o.data_base64, 'base64')]
  return ['whole', o.kind ?? 'text', Buffer.from(o.data)]
}

const decoder = new TextDecoder()
let rest = ''
for await (const chunk of response.body) {
  const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
  rest = lines.pop()
  for (const line of lines) {
    const o = JSON.parse(line)
    if (o.id === 2) console.log('subscribed', o.ok?.delta)
    if (o.channel !== channel) continue
    const [how, kind, payload] = rebuild(o)
    base = payload
    console.log(how, kind, payload.toString('base64'))
  }
}
