// Plays one scenario with one version of the client, and says what is wrong.
//
//	node client.mjs URL VERSION SCENARIO
import assert from "node:assert/strict";

const [url, version, scenario] = process.argv.slice(2);
const { default: lib } = await import(`socket.io-client${version}`);
const io = lib.io ?? lib;
const isLegacy = version === "2";

const sockets = [];
function connect(path = "", options = {}) {
  const socket = io(url + path, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 100, ...options });
  sockets.push(socket);
  return socket;
}

const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const ask = (socket, event, ...args) => new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer)));
const engineOf = (socket) => socket.io.engine;
const refusal = isLegacy ? "error" : "connect_error";

// numbered has 10,000 events each way, with the transports given, and checks order.
async function numbered(options) {
  const socket = connect("", options);
  const total = 10_000;
  let next = 0;
  const all = new Promise((resolve, reject) => {
    socket.on("down", (n, text) => {
      if (n !== next || text !== "é" + n) reject(new Error(`got ${n} ${text}, want ${next}`));
      if (++next === total) resolve();
    });
  });
  await once(socket, "connect");
  socket.emit("begin", total);
  const began = engineOf(socket).transport.name;
  for (let n = 0; n < total; n++) {
    socket.emit("up", n, "é" + n);
    if (n % 100 === 0) await new Promise((r) => setImmediate(r));
  }
  const [up] = await ask(socket, "how many");
  assert.equal(up, total);
  await all;
  return [began, engineOf(socket).transport.name];
}

const scenarios = {
  async "numbered, default transports"() {
    const [began, ended] = await numbered({});
    assert.equal(ended, "websocket", "it has never upgraded");
    assert.ok(began === "polling" || began === "websocket");
  },
  async "numbered, polling"() {
    assert.deepEqual(await numbered({ transports: ["polling"] }), ["polling", "polling"]);
  },
  async "numbered, websocket"() {
    assert.deepEqual(await numbered({ transports: ["websocket"] }), ["websocket", "websocket"]);
  },

  async acks() {
    const socket = connect();
    assert.deepEqual(await ask(socket, "echo", 1, "two", { three: [null] }), [1, "two", { three: [null] }]);
    socket.on("question", (a, b, answer) => answer(a + b, "done"));
    assert.deepEqual(await ask(socket, "ask me"), ["5 done"]);
    if (socket.timeout) {
      await assert.rejects(() => socket.timeout(100).emitWithAck("unanswered"));
      assert.deepEqual(await socket.timeout(5000).emitWithAck("echo", { ok: true }), { ok: true });
    }
    const many = await Promise.all(Array.from({ length: 500 }, (_, i) => ask(socket, "echo", i)));
    assert.deepEqual(many, Array.from({ length: 500 }, (_, i) => [i]));
  },

  async binary() {
    for (const transports of [["polling"], ["websocket"]]) {
      const socket = connect("", { transports });
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const [a, b] = await ask(socket, "echo", { name: "x", deep: [{ bytes }, [Buffer.alloc(0)]] }, bytes);
      assert.equal(a.name, "x");
      assert.deepEqual(Buffer.from(a.deep[0].bytes), bytes);
      assert.equal(Buffer.from(a.deep[1][0]).length, 0);
      assert.deepEqual(Buffer.from(b), bytes);
      const [sum] = await ask(socket, "sum", { bytes });
      assert.equal(sum, 32640);
      const got = once(socket, "made");
      socket.emit("make", 1000);
      const [made] = await got;
      assert.deepEqual(Buffer.from(made.bytes), Buffer.alloc(1000, 7));
    }
  },

  async large() {
    const socket = connect("", { transports: ["polling"] });
    await once(socket, "connect");
    // Many messages, which the client splits over POST requests, and one that is as large.
    const text = "x".repeat(500_000);
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(socket, "length", text + i)));
    assert.deepEqual(answers, Array.from({ length: 10 }, () => [500_001]));
    assert.deepEqual(await ask(socket, "length", "é".repeat(2_500_000)), [5_000_000]);
    const [back] = await ask(socket, "echo", Buffer.alloc(5_000_000, 9));
    assert.deepEqual(Buffer.from(back), Buffer.alloc(5_000_000, 9));
  },

  async rooms() {
    const [a, b, c] = [connect("/rooms"), connect("/rooms"), connect("/rooms")];
    const heard = { a: [], b: [], c: [] };
    for (const [name, socket] of Object.entries({ a, b, c })) {
      socket.on("said", (text) => heard[name].push(text));
      await ask(socket, "echo", 1);
    }
    await ask(a, "join", "r");
    await ask(b, "join", "r");
    await ask(a, "say", "r", "all of the room");
    await ask(a, "say to others", "r", "others of the room");
    await ask(a, "leave", "r");
    await ask(b, "say", "r", "without a");
    await ask(c, "say", a.id, "to a alone");
    for (const socket of [a, b, c]) await ask(socket, "echo", 1);
    assert.deepEqual(heard, { a: ["all of the room", "to a alone"], b: ["all of the room", "others of the room", "without a"], c: [] });
  },

  async refused() {
    const unknown = connect("/nowhere");
    const [err] = await once(unknown, refusal);
    assert.equal(isLegacy ? err : err.message, "Invalid namespace");
    const [bad] = await once(connect(isLegacy ? "/guarded?token=bad" : "/guarded", { auth: { token: "bad" } }), refusal);
    if (isLegacy) {
      assert.deepEqual(bad, { code: 7 });
    } else {
      assert.equal(bad.message, "not authorized");
      assert.deepEqual(bad.data, { code: 7 });
    }
    const good = connect(isLegacy ? "/guarded?token=good" : "/guarded", { auth: { token: "good" } });
    assert.deepEqual(await ask(good, "echo", 1), [1]);
    const id = await ask(good, "id");
    assert.deepEqual(id, [good.id]);
    // Several namespaces on one connection.
    const manager = good.io;
    const team = manager.socket("/team-7");
    assert.deepEqual(await ask(team, "which"), ["/team-7"]);
    assert.equal(team.io, good.io);
    team.disconnect();
    assert.deepEqual(await ask(good, "echo", 2), [2]);
  },

  async disconnects() {
    const socket = connect();
    await once(socket, "connect");
    let gone = once(socket, "disconnect");
    socket.emit("disconnect me");
    assert.equal((await gone)[0], "io server disconnect");

    const second = connect();
    await once(second, "connect");
    second.disconnect();
    const third = connect();
    await once(third, "connect");
    assert.ok((await ask(third, "reasons"))[0].includes("client namespace disconnect"));

    gone = once(third, "disconnect");
    third.emit("close me");
    assert.equal((await gone)[0], "transport close");
    await once(third, "connect"); // it comes back by itself
    assert.deepEqual(await ask(third, "echo", 3), [3]);
  },

  async recovery() {
    for (const got of [0, 3]) {
      const socket = connect("/recovered", { transports: ["websocket"] });
      const events = [];
      socket.on("n", (n) => events.push(n));
      await once(socket, "connect");
      assert.equal(socket.recovered, false);
      await ask(socket, "join", "r" + got);
      await ask(socket, "count", "r" + got, got);
      const id = socket.id;
      // The connection breaks, and the events of meanwhile are missed.
      engineOf(socket).transport.ws.terminate();
      await once(socket, "disconnect");
      const other = connect("/recovered");
      await ask(other, "count", "r" + got, 5);
      if (!socket.connected) await once(socket, "connect");
      assert.equal(socket.recovered, true);
      assert.equal(socket.id, id);
      await ask(socket, "count", "r" + got, 1);
      await ask(socket, "echo", 1);
      const want = [...Array(got).keys(), ...Array(5).keys(), 0];
      assert.deepEqual(events, want);
    }
  },
};

const timer = setTimeout(() => {
  console.error("it takes too long");
  process.exit(1);
}, 50_000);
try {
  await scenarios[scenario]();
} catch (err) {
  console.error(err);
  process.exitCode = 1;
}
clearTimeout(timer);
for (const s of sockets) s.close();
