// What client.js does, in a page: talk(url, transport, messages) resolves with "ok", or with
// what was wrong.
globalThis.talk = (url, transport, messages) => new Promise((resolve) => {
  let everything = ''
  for (let c = 0; c <= 0xffff; c++) {
    if (c < 0xd800 || c > 0xdfff) everything += String.fromCharCode(c)
  }
  everything += '\u{1F426} 100% %41 </script>'
  const socket = new SockJS(url, null, { transports: [transport] })
  let next = 0
  socket.onopen = () => {
    if (socket.transport !== transport) resolve('the transport is ' + socket.transport)
    for (let i = 0; i < messages; i++) socket.send(String(i))
    socket.send(everything)
  }
  socket.onmessage = (e) => {
    if (next < messages) {
      if (e.data !== String(next)) resolve(`got ${e.data.slice(0, 50)}, want ${next}`)
      next++
      return
    }
    for (let i = 0; i < Math.max(everything.length, e.data.length); i++) {
      if (e.data[i] !== everything[i]) resolve('character ' + everything.charCodeAt(i).toString(16) + ' is ' + e.data.charCodeAt(i).toString(16))
    }
    next++
    socket.send('bye')
  }
  socket.onclose = (e) => {
    const want = next === messages + 1 && e.code === 4000 && e.reason === 'Good "bye"' && e.wasClean
    resolve(want ? 'ok' : `closed after ${next} messages: ${e.code} ${e.reason} ${e.wasClean}`)
  }
})
