// An unmodified SockJS client that talks to an echo server: node client.js PACKAGE URL TRANSPORT.
// It sends numbered messages as fast as it can, and a string with every character of the first
// plane, and prints "ok" when all came back once, in order, or what was wrong.
'use strict'

const [name, url, transport] = process.argv.slice(2)
const SockJS = require(name)
const messages = 10000

let everything = ''
for (let c = 0; c <= 0xffff; c++) {
  if (c < 0xd800 || c > 0xdfff) everything += String.fromCharCode(c)
}
everything += '\u{1F426} 100% %41 </script>'

function finish(text) {
  console.log(text)
  process.exit(text === 'ok' ? 0 : 1)
}

const socket = new SockJS(url, null, { transports: [transport] })
let next = 0
socket.onopen = () => {
  if (socket.transport !== transport) finish('the transport is ' + socket.transport)
  for (let i = 0; i < messages; i++) socket.send(String(i))
  socket.send(everything)
}
socket.onmessage = (e) => {
  if (next < messages) {
    if (e.data !== String(next)) finish(`got ${e.data.slice(0, 50)}, want ${next}`)
    next++
    return
  }
  if (e.data !== everything) {
    for (let i = 0; i < everything.length; i++) {
      if (e.data[i] !== everything[i]) finish('character ' + everything.charCodeAt(i).toString(16) + ' is ' + String(e.data).charCodeAt(i).toString(16))
    }
    finish('there is more than everything')
  }
  next++
  socket.send('bye')
}
socket.onclose = (e) => {
  const want = next === messages + 1 && e.code === 4000 && e.reason === 'Good "bye"' && e.wasClean
  finish(want ? 'ok' : `closed after ${next} messages: ${e.code} ${e.reason} ${e.wasClean}`)
}
