// node client.mjs URL VERSION TRANSPORTS MESSAGES
//
// Numbered messages go to an echo server and come back, of which every seventh is bytes and
// every eleventh is no ASCII. Says "ok", and what the session was carried by, or what went wrong.
import { Socket } from "engine.io-client";
import old from "engine.io-client-3";

const [url, version, transports, messages] = process.argv.slice(2);
const count = Number(messages);
const list = transports.split(",");
const socket = new (version === "3" ? old.Socket : Socket)(url, { path: "/engine.io/", transports: list, upgrade: list.length > 1 });

let sent = 0;
let heard = 0;
let polled = 0; // of those heard

function message(i) {
  if (i % 7 === 3) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(i);
    return bytes;
  }
  return i % 11 === 5 ? `€😀${i}` : String(i);
}

function fail(why) {
  console.log(why);
  process.exit(1);
}

socket.on("message", (data) => {
  const want = message(heard);
  const isSame = typeof data === "string" ? data === want : typeof want !== "string" && Buffer.from(data).equals(want);
  if (!isSame) fail(`message ${heard} is ${data}, want ${want}`);
  if (socket.transport.name === "polling") polled++;
  if (++heard === count) {
    console.log(`ok ${socket.transport.name}, ${polled} over polling`);
    clearInterval(speaker);
    clearTimeout(patience);
    socket.close();
  }
});
socket.on("error", (e) => fail(`error: ${e}`));
socket.on("close", (reason) => heard < count && fail(`closed: ${reason}, ${heard} heard of ${sent}`));

let speaker;
socket.on("open", () => {
  speaker = setInterval(() => {
    for (let i = 0; i < count / 100 && sent < count; i++) socket.send(message(sent++));
  }, 1);
});
const patience = setTimeout(() => fail(`${heard} heard of ${sent}, ${socket.readyState}, ${socket.transport.name}`), 30_000);
