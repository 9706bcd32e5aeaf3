// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.
// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit
"use strict";
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

// src/index.ts
var index_exports = {};
__export(index_exports, {
  Channel: () => Channel2,
  Godwit: () => Godwit2,
  GodwitError: () => GodwitError,
  Roster: () => Roster,
  version: () => version
});
module.exports = __toCommonJS(index_exports);

// src/emitter.ts
var Emitter = class {
  constructor() {
    this.R = /* @__PURE__ */ new Map();
  }
  // and whether only once
  /** on calls listener at each event of that type, and returns how to stop. */
  on(type, listener, options = {}) {
    const off = () => this.off(type, listener);
    if (options.signal?.aborted) return off;
    const listeners = this.R.get(type) ?? /* @__PURE__ */ new Map();
    if (!listeners.has(listener)) {
      this.R.set(type, listeners.set(listener, options.once));
      this.Va();
    }
    options.signal?.addEventListener("abort", off, { once: true });
    return off;
  }
  /** off ends what on began. */
  off(type, listener) {
    const listeners = this.R.get(type);
    if (!listeners?.delete(listener)) return;
    if (!listeners.size) this.R.delete(type);
    if (!this.R.size) this.Wa();
  }
  /** _listens is called when somebody begins to listen. @internal */
  Va() {
  }
  /** _leaves is called when nobody listens any more. @internal */
  Wa() {
  }
  /** @internal */
  a(type, event) {
    const listeners = this.R.get(type);
    for (const [listener, once] of [...listeners ?? []]) {
      if (once) this.off(type, listener);
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return !!listeners;
  }
};

// src/page.ts
var timerMaxMs = 2 ** 31 - 1;
function later(ms, then) {
  const timer = setTimeout(then, Math.min(ms, timerMaxMs));
  timer.unref?.();
  return () => clearTimeout(timer);
}
function watchPage(life) {
  const end = new AbortController();
  const on = (at, type, then) => at.addEventListener?.(type, then, end);
  on(globalThis, "online", () => life.sb());
  const { document: document2 } = globalThis;
  if (document2) {
    on(document2, "visibilitychange", () => document2.visibilityState === "visible" && life.sb());
    on(document2, "freeze", () => life.tb(false));
    on(document2, "resume", () => life.resume());
    on(window, "pagehide", ({ persisted }) => life.tb(!persisted));
    on(window, "pageshow", ({ persisted }) => persisted && life.resume());
  }
  return () => end.abort();
}

// src/protocol.ts
var GodwitError = class extends Error {
  constructor(problem, code) {
    super(problem.detail || problem.title);
    this.name = "GodwitError";
    this.type = problem.type;
    this.problem = problem.type.replace(/^.*[/:]/, "");
    this.data = problem.data;
    this.retryAfter = problem.retry_after_ms;
    this.code = code;
  }
};
function trouble(name, title) {
  return { type: "urn:godwit:client:" + name, title };
}
var notKnown = ", and whether this was done is not known";
var wasClosed = trouble("closed", "this client was closed");
function isPattern(name) {
  return name.includes("*");
}
function matcher(name) {
  const pattern = name.replace(/\*\*?|\W/g, (part) => part === "*" ? "(?!@)[^/]+" : part === "**" ? "(?!@).+" : "\\" + part);
  const is = new RegExp(`^${pattern}$`, "s");
  return (channel) => is.test(channel);
}
function isBehind(a, b) {
  if (!b) return true;
  const i = a.lastIndexOf(":");
  const j = b.lastIndexOf(":");
  if (i !== j || a.slice(0, i) !== b.slice(0, j)) return true;
  return a.length !== b.length ? a.length > b.length : a > b;
}

// src/channel.ts
var channelsMax = 1e3;
var Channel = class extends Emitter {
  /** @internal */
  constructor(link, name, options) {
    super();
    this.d = /* @__PURE__ */ new Map();
    this.name = name;
    this.i = link;
    this.j = options;
  }
  /** How far this Channel has come: a position, or the vector of a pattern. Give it as `since` to go on from here. */
  get position() {
    return this.ea;
  }
  /**
   * publish resolves with the position when the server has accepted it. While there is no connection it waits. It is done once,
   * also if the connection breaks meanwhile. A string is published as text, bytes as bytes, anything else as JSON.
   */
  async publish(data, { event, key, idempotencyKey, ...options } = {}) {
    const body = { channel: this.name, event, key, idempotency_key: (idempotencyKey ?? randomId()) || void 0, ...payload(data) };
    return (await this.i.m("publish", body, options)).position;
  }
  /** history reads a page of what was published. Default is the newest 100. */
  async history({ last, since, limit, ...options } = {}) {
    const ok = await this.i.m("history", { channel: this.name, last: since ? void 0 : last ?? 100, since, limit }, options);
    return { messages: ok.publications.map(message), position: ok.position, gap: ok.gap && gapOf(ok.gap, this.name) };
  }
  /** A loop over messages and gaps, which ends with an error if the subscription is refused or ended. */
  [Symbol.asyncIterator]() {
    const most = this.j.buffer ?? 1e3;
    let items = [];
    let failure;
    let isDone = false;
    let wake;
    const over = { value: void 0, done: true };
    const put = (item) => {
      if (items.length >= most) {
        const gone = items.splice(0, Math.max(1, most >> 1));
        const count = gone.reduce((sum, { gap }) => sum + (gap ? gap.count ?? 0 : 1), 0);
        const to = isPattern(this.name) ? null : gone.at(-1)?.position ?? null;
        items.unshift({ gap: { channel: this.name, from: null, to, reason: "dropped", count }, channel: this.name });
      }
      items.push(item);
      wake?.();
    };
    const end = () => {
      isDone = true;
      for (const off of offs) off();
      wake?.();
    };
    const offs = [
      this.on("error", (error) => (failure = error, end())),
      this.on("gap", (gap) => put({ gap, channel: gap.channel })),
      this.on("message", put)
    ];
    const iterator = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => {
        while (items.length === 0 && !isDone) await new Promise((done) => wake = done);
        const value = items.shift();
        if (value) return { value, done: false };
        const error = failure;
        failure = void 0;
        if (error) throw error;
        return over;
      },
      return: async () => {
        items = [];
        end();
        return over;
      }
    };
    return iterator;
  }
  /** @internal */
  Va() {
    this.k?.();
    this.k = void 0;
    if (this.c) return;
    this.i.ub(this.c = this.dc());
  }
  /** @internal */
  Wa() {
    this.k = later(this.i.Aa, () => {
      this.k = void 0;
      if (this.c) this.i.vb(this.c);
      this.wb();
    });
  }
  wb() {
    this.c = void 0;
    this.d.clear();
  }
  dc() {
    const { since, last, rate } = this.j;
    let held = [];
    if (since && !isPattern(this.name)) this.d.set(this.name, since);
    const feed = {
      name: this.name,
      since,
      last,
      e: rate ? { rate } : {},
      S: (ok) => {
        if (this.c !== feed) return;
        const lines = held ?? [];
        if (held) {
          this.ea = ok.vector ?? ok.position;
          if (!ok.publications && !isPattern(this.name) && !since) this.d.set(this.name, ok.position);
        }
        held = void 0;
        this.a("subscribed", this.ea ?? "");
        for (const line of [...ok.publications ?? [], ...lines]) this.w(line);
      },
      Ba: (error) => {
        if (this.c !== feed) return;
        this.wb();
        this.a("error", new GodwitError(error));
      },
      push: (line) => {
        if (this.c !== feed) return;
        if (held) held.push(line);
        else this.w(line);
      }
    };
    return feed;
  }
  w(line) {
    if (line.position) {
      if (this.xb(line.channel, line.position)) this.a("message", message(line));
    } else if (line.vector) {
      if (line.vector.channel === this.name) this.ea = line.vector.vector;
    } else if (line.gap) {
      const gap = gapOf(line.gap, this.name);
      if (!gap.to || this.xb(gap.channel, gap.to)) this.a("gap", gap);
    }
  }
  // What this Channel has had already comes again for another, or after a vector (docs/protocol.md §5.5).
  xb(channel, position) {
    if (!isBehind(position, this.d.get(channel))) return false;
    if (isPattern(this.name)) {
      this.d.delete(channel);
      if (this.d.size >= channelsMax) this.d.delete(this.d.keys().next().value);
    } else this.ea = position;
    this.d.set(channel, position);
    return true;
  }
};
function gapOf(gap, name) {
  return { channel: name, reason: "lost", ...gap };
}
function message({ channel, position, time, event, user, key, data, data_base64: text }) {
  return { data: text === void 0 ? data : Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), channel, position, time: new Date(time), event, user, key };
}
function payload(data) {
  if (data instanceof ArrayBuffer) data = new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) return { data: data === void 0 ? null : data };
  return { data_base64: base64(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) };
}
function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
function randomId() {
  const bytes = new Uint8Array(12);
  return base64(globalThis.crypto?.getRandomValues(bytes) ?? bytes.map(() => Math.random() * 256));
}

// src/answers.ts
var Answers = class {
  // session
  constructor(_connection) {
    this.K = _connection;
    this.s = /* @__PURE__ */ new Map();
    this.J = /* @__PURE__ */ new Map();
  }
  get size() {
    return this.s.size;
  }
  async handle(name, answer, { concurrency, signal }) {
    signal?.throwIfAborted();
    if (this.s.has(name)) throw new GodwitError(trouble("registered", name + " is answered by this client already: end that before"));
    const method = { answer, concurrency, Xa: matcher(name), session: void 0 };
    this.s.set(name, method);
    const stop = () => {
      if (this.s.get(name) !== method) return;
      this.s.delete(name);
      void this.K.m("unregister", { method: name }).catch(() => {
      });
    };
    await this.m(name, method);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    return stop;
  }
  /** renew registers with a session that knows nothing of this yet. */
  renew() {
    const { state, session } = this.K;
    if (state !== "open") return;
    if (session !== this.yb) this.ec();
    this.yb = session;
    for (const [name, method] of this.s) {
      if (!method.session || method.session === session) continue;
      method.session = void 0;
      this.m(name, method).catch((error) => this.K.a("error", error));
    }
  }
  /** push takes what has come, if it concerns calls. */
  push({ call, call_over, unregistered }) {
    if (call) void this.fc(call);
    else if (call_over) {
      this.J.get(call_over.id)?.abort(new GodwitError(trouble("call-over", call_over.reason)));
      this.J.delete(call_over.id);
    } else if (unregistered) {
      this.s.delete(unregistered.method);
      this.K.a("error", new GodwitError(unregistered.error));
    }
  }
  async m(name, method) {
    try {
      await this.K.m("register", { method: name, concurrency: method.concurrency });
    } catch (error) {
      if (error.problem !== "already-registered") {
        this.s.delete(name);
        throw error;
      }
    }
    method.session = this.K.session;
  }
  async fc(call) {
    const end = new AbortController();
    this.J.set(call.id, end);
    let body;
    try {
      const method = this.s.get(call.method) ?? [...this.s.values()].find(({ Xa: matches }) => matches(call.method));
      if (!method) throw new GodwitError(trouble("not-answered", call.method + " is not answered any more"));
      const { data } = message(call);
      body = payload(await method.answer({ method: call.method, data, user: call.user, session: call.session, signal: end.signal }));
    } catch (error) {
      body = { error: problemOf(error) };
    }
    if (this.J.get(call.id) !== end) return;
    this.J.delete(call.id);
    await this.K.m("answer", { call: call.id, ...body }).catch(() => {
    });
  }
  ec() {
    for (const end of this.J.values()) end.abort(new GodwitError(trouble("call-over", "the session has ended")));
    this.J.clear();
  }
};
function problemOf(error) {
  if (error instanceof GodwitError) return { type: error.type, title: error.message, data: error.data };
  console.error(error);
  return { type: "urn:godwit:client:failed", title: "the call could not be answered" };
}

// src/carriers.ts
var json = { protocol: "godwit.v1", encode: (line) => JSON.stringify(line), decode: parse };
var batchMax = 6e4;
var waitSeconds = 25;
function open(transport, around, told) {
  return transport === "websocket" ? webSocket(around, told) : requests(transport, around, told);
}
function webSocket({ url, WebSocket = globalThis.WebSocket, codec = json }, told) {
  const socket = new WebSocket(url.replace(/^http/, "ws"), codec.protocol);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => told.zb();
  socket.onmessage = ({ data }) => told.fa(codec.decode(data));
  socket.onclose = ({ code }) => told.Ab({ code });
  socket.onerror = () => {
  };
  return {
    send: (lines) => lines.forEach((line) => socket.send(codec.encode(line))),
    close: (code) => socket.close(code)
  };
}
function requests(transport, { url, fetch = globalThis.fetch, session }, told) {
  const abort = new AbortController();
  const { signal } = abort;
  let isAsked = false;
  let hasBegun = false;
  let isPosting = false;
  let queue = [];
  let isOver = false;
  const lost = (why) => {
    if (isOver) return;
    isOver = true;
    abort.abort();
    told.Ab(why);
  };
  const ask = async (init, query = "") => {
    const response = await fetch(url + query, { ...init, signal, cache: "no-store" });
    if (response.ok) return response;
    const problem = await response.json().catch(() => void 0);
    const seconds = Number(response.headers.get("Retry-After"));
    const why = { status: response.status, problem: problem?.type ? problem : void 0, retryAfter: seconds > 0 ? seconds * 1e3 : void 0 };
    if (response.status === 429 && hasBegun && init.method === "POST") {
      await new Promise((done) => later(why.retryAfter ?? 1e3, done));
      return isOver ? void 0 : ask(init, query);
    }
    lost(why);
    return void 0;
  };
  const field = () => ({ "Godwit-Session": session.resume.session + "." + session.resume.secret });
  const read = async (hello) => {
    const accept = { stream: "application/x-ndjson", sse: "text/event-stream", poll: "application/json" }[transport];
    let response = await ask({ method: "POST", body: hello, headers: { Accept: accept } });
    hasBegun = true;
    while (transport === "poll" && response) {
      const { poll, messages } = await response.json();
      if (isOver) return;
      told.fa(messages);
      response = isOver ? void 0 : await ask({ headers: { Accept: accept, Prefer: "wait=" + waitSeconds, ...field() } }, "?ack=" + poll);
    }
    if (!response) return;
    if (!response.body) return lost({});
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    let retryAfter;
    for (; ; ) {
      const { done, value } = await reader.read();
      if (isOver) return;
      if (done) return lost({ retryAfter });
      rest += decoder.decode(value, { stream: true });
      const end = rest.lastIndexOf("\n") + 1;
      const text = rest.slice(0, end);
      rest = rest.slice(end);
      retryAfter = Number(/^retry: *(\d+)$/m.exec(text)?.[1]) || retryAfter;
      told.fa(parse(transport === "sse" ? text.replace(/^(data: ?|[^d\n].*)/gm, "") : text));
    }
  };
  const post = async () => {
    isPosting = true;
    while (queue.length > 0 && !isOver) {
      let size = 0;
      const count = queue.findIndex((line) => (size += line.length) > batchMax);
      const batch = count < 0 ? queue.length : Math.max(1, count);
      if (await ask({ method: "POST", body: queue.slice(0, batch).join("\n"), headers: field() })) queue = queue.slice(batch);
    }
    isPosting = false;
  };
  const failed = () => lost({});
  queueMicrotask(() => isOver || told.zb());
  return {
    send(lines) {
      const texts = lines.map(json.encode);
      if (!isAsked) {
        isAsked = true;
        void read(texts.join("\n")).catch(failed);
        return;
      }
      queue.push(...texts);
      if (!isPosting) void post().catch(failed);
    },
    close(code) {
      if (isOver) return;
      isOver = true;
      abort.abort();
      if (code !== 1e3 || !hasBegun || !session.resume) return;
      void fetch(url, { method: "DELETE", headers: field(), keepalive: true }).catch(() => {
      });
    }
  };
}
function parse(text) {
  const lines = [];
  for (const line of text.split("\n")) if (line.length > 2) lines.push(JSON.parse(line));
  return lines;
}

// src/dial.ts
var headStartMs = 1e3;
var stepMs = 400;
var grantMs = 1500;
var Dialer = class {
  /**
   * isKnown says that the first of ways has worked before: if it fails at once, so would the others, probably, and they are not
   * tried. host is told of the carrier that counts, and of nothing after close.
   */
  constructor(ways, _isKnown, _around, _host) {
    this.kc = _isKnown;
    this.hc = _around;
    this.A = _host;
    this.t = [];
    // what is written to
    this.ga = false;
    this.Ya = {};
    this.Ca = [...ways];
    this.Ea(headStartMs);
  }
  send(lines) {
    this.Da?.Za.send(lines);
  }
  close(code) {
    clearTimeout(this.x);
    for (const candidate of this.t) candidate.Za.close(candidate === this.Da ? code : 4e3);
    this.t = [];
  }
  /** tryBetter opens a WebSocket beside what carries the session, which is replaced if that gets through. */
  gc() {
    if (this.ga && this.t.length === 1) this.Bb("websocket");
  }
  Ea(head) {
    clearTimeout(this.x);
    const way = this.Ca.shift();
    if (!way) return;
    this.x = setTimeout(() => this.Ea(stepMs), head);
    this.Bb(way);
  }
  Bb(way) {
    const candidate = { Cb: way };
    this.t.push(candidate);
    const isOurs = () => this.t.includes(candidate);
    try {
      candidate.Za = open(way, this.hc, {
        zb: () => isOurs() && this.ic(candidate),
        fa: (lines) => isOurs() && this.jc(candidate, lines),
        Ab: (why) => isOurs() && this.T(candidate, why)
      });
    } catch {
      queueMicrotask(() => isOurs() && this.T(candidate, {}));
    }
  }
  ic(candidate) {
    if (this.ga) this.Db(candidate);
    else if (this.Ca.length > 0 && candidate.Cb === "websocket") {
      clearTimeout(this.x);
      this.x = setTimeout(() => this.Ea(stepMs), grantMs);
    }
    this.Da = candidate;
    this.A.b({ is: "ready", transport: candidate.Cb });
  }
  jc(candidate, lines) {
    if (!this.ga) {
      if (lines.length === 0) return;
      this.Db(candidate);
      this.ga = true;
      clearTimeout(this.x);
    }
    this.A.b({ is: "received", lines });
  }
  Db(candidate) {
    const others = this.t.filter((other) => other !== candidate);
    this.t = [candidate];
    this.Da = candidate;
    for (const other of others) other.Za?.close(4e3);
  }
  T(candidate, why) {
    this.t = this.t.filter((other) => other !== candidate);
    if (why.status || !this.Ya.status) this.Ya = why;
    if (this.t.length > 0) return;
    if (!this.ga && this.Ca.length > 0 && !(this.kc && !why.status)) return this.Ea(stepMs);
    this.close(4e3);
    this.A.b({ is: "lost", ...this.Ya });
  }
};

// src/fan.ts
var Fan = class {
  constructor(_session, _host) {
    this.f = _session;
    this.A = _host;
    this.L = /* @__PURE__ */ new Map();
    this.Fa = [];
  }
  get size() {
    return this.L.size;
  }
  Eb(feed) {
    const { name, since, last, e: fields } = feed;
    let branch = this.L.get(name);
    const isNew = !branch;
    if (!branch) {
      branch = { B: /* @__PURE__ */ new Set(), Fb: feed, e: fields, Xa: matcher(name) };
      this.L.set(name, branch);
      if (isPattern(name)) this.Fa.push(branch);
    }
    branch.B.add(feed);
    if (this.f.lc(name)) this.Gb(branch, feed);
    else if (isNew) this.A.b({ is: "subscribe", name, since, last, e: fields });
  }
  _a(feed) {
    const branch = this.L.get(feed.name);
    if (!branch?.B.delete(feed) || branch.B.size > 0) return;
    this.ha(feed.name, branch);
    this.A.b({ is: "unsubscribe", name: feed.name });
  }
  S(name, ok, error) {
    const branch = this.L.get(name);
    if (!branch) return;
    if (error) {
      this.ha(name, branch);
      for (const feed of branch.B) feed.Ba(error);
      return;
    }
    branch.Fb.$a = true;
    for (const feed of branch.B) if (feed.$a) feed.S(ok);
    for (const feed of branch.B) if (!feed.$a && !this.Gb(branch, feed)) return;
  }
  /** push hands on what has come, and says whether another tab wants it. */
  push(line) {
    const about = line.position ? line : line.gap ?? line.join ?? line.leave ?? line.presence ?? line.vector;
    const name = about?.channel;
    if (name === void 0) return false;
    let isWanted = this.Hb(this.L.get(name), line);
    for (const branch of this.Fa) if (branch.Xa(name)) isWanted = this.Hb(branch, line) || isWanted;
    return isWanted;
  }
  Hb(branch, line) {
    let isWanted = false;
    for (const feed of branch?.B ?? []) {
      if (feed.push) feed.push(line);
      else isWanted = true;
    }
    return isWanted;
  }
  ha(name, branch) {
    this.L.delete(name);
    this.Fa = this.Fa.filter((other) => other !== branch);
  }
  // _fill gives a feed that came late its beginning. It returns false if the subscription is asked for again for that.
  Gb(branch, feed) {
    const { name, since, last, e: fields } = feed;
    const position = this.f.position(name);
    const needsMore = !!fields.presence && !branch.e.presence;
    const isEarlier = !!since && since !== position && (isPattern(name) || isBehind(position, since));
    if (needsMore || isEarlier || branch.e.rate && branch.e.rate !== fields.rate) {
      branch.Fb = feed;
      branch.e = { presence: fields.presence || branch.e.presence };
      this.A.b({ is: "subscribe", name, since: isEarlier ? since : position, e: branch.e });
      return false;
    }
    const begin = (ok) => {
      if (!branch.B.has(feed)) return;
      feed.$a = true;
      feed.S(ok);
    };
    const now = { position, vector: position };
    if (!last || since || isPattern(name)) begin(now);
    else {
      this.A.m("history", { channel: name, last: Math.min(last, 256) }).then(begin, () => begin(now));
    }
    return true;
  }
};

// src/codes.ts
var codesAfter = {
  "new-token": [4401],
  "afresh": [4404, 4410],
  "never": [1e3, 1002, 1003, 1007, 1008, 1009, 4400, 4403, 4409]
};

// src/outbox.ts
var windowMax = 32;
var keyMs = 24e4;
var Outbox = class {
  constructor(_exit) {
    this.ja = _exit;
    /** Whether what was sent went through a connection whose ids are not ours: that of another tab. */
    this.ab = false;
    /** Until when the server wants no publications, Infinity if it does. */
    this.ia = Infinity;
    this.U = /* @__PURE__ */ new Map();
    // by ref
    this.V = /* @__PURE__ */ new Map();
  }
  ask(ref, verb, body) {
    this.U.set(ref, { C: ref, D: verb, body, id: 0, Ib: 0 });
  }
  /** flush sends what was not sent yet, as far as there is room. */
  flush(now) {
    if (now >= this.ia) this.ia = Infinity;
    for (const asked of this.U.values()) {
      if (asked.id || isCounted(asked.D) && this.ia < Infinity) continue;
      if (this.V.size >= windowMax) return;
      this.Jb(asked, now, this.ja.Kb());
    }
  }
  /** goOn sends again what has no reply (docs/protocol.md §6.2, §6.3). isResumed says that the session is the one of before. */
  mc(isResumed, now) {
    const isSame = isResumed && !this.ab;
    this.ab = false;
    this.V.clear();
    for (const asked of [...this.U.values()]) {
      if (!asked.id) continue;
      const isOnce = isCounted(asked.D) && !asked.body.idempotency_key;
      if (isSame && isCounted(asked.D)) this.Jb(asked, now, asked.id);
      else if (isOnce || isCounted(asked.D) && now - asked.Ib > keyMs) {
        this.bb(asked, { error: trouble("unknown", "the connection was lost" + notKnown) });
      } else asked.id = 0;
    }
  }
  /** replied settles the command of that id. It returns false if there is none. */
  nc(id, outcome, now) {
    const asked = this.V.get(id);
    if (!asked) return false;
    const after = outcome.error?.retry_after_ms;
    if (after && asked.body.idempotency_key) {
      asked.id = 0;
      this.V.delete(id);
      this.ia = now + after;
    } else this.bb(asked, outcome);
    return true;
  }
  /** forget gives a command up. A call is canceled, if it can be. */
  forget(ref, isOpen) {
    const asked = this.U.get(ref);
    if (!asked) return;
    if (isOpen && asked.id && asked.D === "rpc") this.ja.send({ id: this.ja.Kb(), cancel: { rpc: asked.id } });
    this.ha(asked);
  }
  fail(error) {
    for (const asked of [...this.U.values()]) this.bb(asked, { error });
  }
  Jb(asked, now, id) {
    if (!asked.id) asked.Ib = now;
    asked.id = id;
    this.V.set(id, asked);
    this.ja.send({ id, [asked.D]: asked.body });
  }
  bb(asked, outcome) {
    this.ha(asked);
    this.ja.oc(asked.C, outcome);
  }
  ha(asked) {
    this.U.delete(asked.C);
    this.V.delete(asked.id);
  }
};
function isCounted(verb) {
  return verb === "publish" || verb === "rpc" || verb === "answer";
}

// src/session.ts
var dialMs = 15e3;
var patienceMs = 1e4;
var tabMs = 3e3;
var probeMs = 3e3;
var freshMs = 5e3;
var delayMaxMs = 6e4;
var Session = class {
  constructor(settings) {
    this.state = "idle";
    /** When it is tried again, while waiting. */
    this.retryAt = 0;
    /** The carrier: "" while there is none. */
    this.transport = "";
    this.cb = Infinity;
    this.Ga = Infinity;
    this.F = false;
    this.Lb = 0;
    this.M = false;
    this.W = 0;
    this.Ha = /* @__PURE__ */ new Map();
    // by the id of connect
    this.y = new Outbox({
      Kb: () => ++this.W,
      send: (line) => this.z([line]),
      oc: (ref, outcome) => this.p.push({ do: "reply", C: ref, ...outcome })
    });
    this.g = /* @__PURE__ */ new Map();
    this.X = /* @__PURE__ */ new Map();
    this.Ia = Infinity;
    this.la = 0;
    this.Ka = 1e3;
    this.La = 25e3;
    this.Ma = 0;
    this.Na = 0;
    this.q = 0;
    // of connect
    this.Pa = false;
    this.Qa = false;
    this.p = [];
    this.E = settings;
    this.ka = settings.token;
  }
  /** The newest position or vector of a subscription. */
  position(name) {
    return this.g.get(name)?.since;
  }
  /** Whether a subscription has begun on this connection. */
  lc(name) {
    return !!this.g.get(name)?.r;
  }
  // Whether a carrier is there, or on its way.
  get Y() {
    return this.state === "open" || this.state === "connecting";
  }
  step(input, now) {
    const effects = this.p = [];
    const before = this.state + this.retryAt + this.transport;
    switch (input.is) {
      case "use":
        if (this.state === "idle") this.Z(now);
        break;
      case "again":
        if (this.state === "closed") this.Z(now);
        else this.Mb(now);
        break;
      case "leave":
        if (this.state !== "closed") this.k("idle");
        break;
      case "follow":
        this.Ra(input.follow, now);
        break;
      case "token":
        this.pc(input, now);
        break;
      case "ready":
        if (this.Y) this.qc(input.transport, now);
        break;
      case "received":
        this.Ma = now;
        this.Na = 0;
        for (const line of input.lines) this.rc(line, now);
        break;
      case "lost":
        this.Qa = false;
        this.T(input, now);
        break;
      case "subscribe":
        this.db(input);
        break;
      case "unsubscribe":
        if (this.g.delete(input.name) && this.state === "open") this.N(input.name);
        break;
      case "ask":
        this.y.ask(input.C, input.D, input.body);
        if (this.state === "closed" && this.error) this.y.fail(this.error.problem);
        this.ma(now);
        break;
      case "forget":
        this.y.forget(input.C, this.state === "open");
        this.ma(now);
        break;
      case "wake":
        this.Mb(now);
        break;
      case "sleep":
        if (this.Y) {
          this.Pa = true;
          this._(4e3);
          this.eb(now, Infinity);
        }
        break;
      case "tick":
        this.sc(now);
    }
    if (before !== this.state + this.retryAt + this.transport) effects.push({ do: "state" });
    this.tc(now);
    return effects;
  }
  // --- connecting ---
  Z(now) {
    this.state = "connecting";
    this.transport = "";
    this.q = now + dialMs;
    this.Ha.clear();
    if (!this.M && this.E.fb && (!this.ka || now >= this.Ga)) this.gb(this.ka ? "expired" : "first");
    else this.$();
  }
  $() {
    this.Qa = true;
    this.p.push({ do: "dial" });
  }
  gb(reason) {
    this.F = true;
    this.p.push({ do: "token", reason });
  }
  pc({ token, error }, now) {
    if (!this.F) return;
    this.F = false;
    if (token !== void 0) {
      this.ka = token;
      this.Ga = Infinity;
    }
    if (this.state === "open") {
      if (token !== void 0) this.z([this.na({ refresh: { token } })]);
    } else if (this.state === "connecting") {
      this.q = now + dialMs;
      if (error) this.Nb(now, error);
      else this.$();
    }
  }
  // What a new connection begins with (docs/protocol.md §6.2). Publications and calls that have no reply follow when it is
  // known whether the session goes on.
  qc(transport, now) {
    if (this.state === "open") this.q = now + dialMs;
    this.state = "connecting";
    this.W = Math.max(this.W, now * 1e3);
    const token = this.M ? void 0 : this.ka;
    const lines = [this.na({ connect: { client: this.E.client, token, resume: this.resume, messages: this.Ja } })];
    this.Ha.set(this.W, { transport, uc: this.X = /* @__PURE__ */ new Map() });
    for (const sub of this.g.values()) {
      sub.r = false;
      lines.push(this.oa(sub));
    }
    if (transport === "tab") this.q = now + tabMs;
    this.z(lines);
  }
  vc(ok, { transport, uc: subs }, now) {
    this.state = "open";
    this.transport = transport;
    this.user = ok.user;
    this.error = void 0;
    this.retryAt = 0;
    this.resume = { session: ok.session, secret: ok.secret };
    this.Ka = ok.reconnect?.after_ms ?? this.Ka;
    this.La = ok.ping_ms || 25e3;
    this.la = this.Lb = 0;
    this.Ga = ok.expires_after_ms ? now + ok.expires_after_ms : Infinity;
    this.X = subs;
    for (const sub of subs.values()) if (this.g.get(sub.name) !== sub) this.N(sub.name);
    this.Ob();
    if (transport !== "tab") this.p.push({ do: "push", line: { behind: { is: false } } });
    this.y.mc(!!ok.resumed && transport !== "tab", now);
    this.ma(now);
  }
  ma(now) {
    if (this.state === "open") this.y.flush(now);
  }
  Ra(follow, now) {
    if (this.M === follow) return;
    this.M = follow;
    this.y.ab = true;
    if (this.Y || this.state === "waiting") {
      this._(4e3);
      this.la = 0;
      this.Z(now);
    }
  }
  // --- losing ---
  T(why, now) {
    if (!this.Y) return;
    const wasOpen = this.state === "open";
    const { code, status, reconnect } = why;
    const problem = why.problem ?? this.Oa ?? trouble("lost", status ? "the server answered " + status : "the connection was lost");
    const retryAfter = why.retryAfter ?? problem.retry_after_ms;
    this.Oa = void 0;
    const has = (what) => codesAfter[what].includes(code);
    const isDelayed = !status || status === 408 || status === 429 || status > 499 || status === 404 && /session-unknown$/.test(problem.type);
    const needsToken = status === 401 || has("new-token");
    const isOver = code !== 4409 && (has("never") || !(isDelayed || needsToken) || reconnect === false && !needsToken && !has("afresh"));
    this.error = { problem, code: code ?? status };
    if (code === 4409) this.resume = void 0;
    if (isOver) return this.k("closed");
    if (needsToken) {
      this.Ga = Infinity;
      if (!this.E.fb || this.Lb++ > 0) return this.k("closed");
      this.state = "connecting";
      this.transport = "";
      return this.gb("refused");
    }
    if (this.M) return this.eb(now, wasOpen ? 0 : 500);
    this.Nb(now, problem, retryAfter);
  }
  // docs/protocol.md §6.6
  Nb(now, problem, retryAfter = 0) {
    this.error ??= { problem };
    const most = Math.min(delayMaxMs, this.Ka * 2 ** this.la++);
    this.eb(now, Math.max(retryAfter, most * (0.5 + this.E.random() / 2)));
  }
  eb(now, ms) {
    this.state = "waiting";
    this.transport = "";
    this.retryAt = now + ms;
  }
  k(state) {
    if (this.Y) this._(1e3);
    this.state = state;
    this.transport = "";
    this.F = false;
    this.resume = void 0;
    this.la = 0;
    for (const sub of this.g.values()) sub.r = false;
    if (state === "closed" && this.error) this.wc(this.error.problem);
  }
  _(code) {
    if (this.Qa) this.p.push({ do: "drop", code });
    this.Qa = false;
    this.transport = "";
  }
  wc(error) {
    this.y.fail(error);
    for (const name of [...this.g.keys()]) this.pa(name, { error });
  }
  Mb(now) {
    if (this.state === "waiting") {
      this.Pa = false;
      this.la = 0;
      this.Z(now);
    } else if (this.state === "connecting" && !this.F && now > this.q - dialMs + freshMs) {
      this._(4e3);
      this.Z(now);
    } else if (this.state === "open" && now - this.Ma > freshMs) {
      this.hb(now, probeMs);
    }
  }
  sc(now) {
    if (now < this.cb) return;
    if (this.state === "waiting") {
      if (now >= this.retryAt && !this.Pa) this.Z(now);
    } else if (this.state === "connecting") {
      if (now < this.q || this.F) return;
      this.Pb(now);
    } else if (this.state === "open") {
      if (!this.Na) {
        if (now - this.Ma >= this.La) this.hb(now, Math.min(this.La, patienceMs));
      } else if (now - this.q > freshMs) {
        this.hb(now, probeMs);
      } else if (now >= this.q) {
        return this.Pb(now);
      }
    }
    this.ma(now);
    if (this.state === "open" && now >= this.Ia) this.Ob();
  }
  Pb(now) {
    this._(4e3);
    if (this.M) this.p.push({ do: "steal" });
    this.T({ problem: trouble("silent", "there was no answer") }, now);
  }
  hb(now, patience) {
    this.Na = now;
    this.q = now + patience;
    this.z([this.na({ ping: {} })]);
  }
  tc(now) {
    let deadline = Infinity;
    if (this.state === "waiting" && !this.Pa) deadline = this.retryAt;
    else if (this.state === "connecting" && !this.F) deadline = this.q;
    else if (this.state === "open") {
      deadline = this.Na ? this.q : this.Ma + this.La;
      deadline = Math.min(deadline, this.y.ia, this.Ia);
    }
    this.cb = Math.max(deadline, now);
  }
  // --- commands ---
  na(command) {
    return { id: ++this.W, ...command };
  }
  z(lines) {
    this.p.push({ do: "send", lines });
  }
  db({ name, since, last, e: fields }) {
    const old = this.g.get(name);
    const sub = { name, since, last, e: fields, r: false };
    this.g.set(name, sub);
    if (this.state === "closed" && this.error) return this.pa(name, { error: this.error.problem });
    if (this.state !== "open") return;
    if (old) this.N(name);
    this.z([this.oa(sub)]);
  }
  oa(sub) {
    const { name, since, last, e: fields } = sub;
    const delta = this.E.deltas && "fossil";
    const line = this.na({ subscribe: { channel: name, since, last: since ? void 0 : last, delta, ...fields } });
    this.X.set(this.W, sub);
    return line;
  }
  // Subscribes to what has not begun and was not asked for.
  Ob() {
    this.Ia = Infinity;
    const asked = new Set(this.X.values());
    for (const sub of this.g.values()) if (!sub.r && !asked.has(sub)) this.z([this.oa(sub)]);
  }
  // A delta did not fit (docs/protocol.md §8.5): what comes until this has begun again is left out, and comes again.
  xc(sub) {
    sub.r = false;
    this.N(sub.name);
    this.z([this.oa(sub)]);
  }
  N(channel) {
    this.z([this.na({ unsubscribe: { channel } })]);
  }
  pa(name, outcome) {
    if (outcome.error) this.g.delete(name);
    this.p.push({ do: "begun", name, ...outcome });
  }
  // --- what comes ---
  rc(line, now) {
    if (line.position && line.channel) {
      const sub = this.g.get(line.channel);
      const whole = sub?.read ? sub.r && sub.read(line) : line;
      if (!whole) return sub.r ? this.xc(sub) : void 0;
      line = whole;
      this.Qb(line.channel, line.position);
    } else if (line.id || line.error) {
      return this.yc(line, now);
    } else if (line.gap) {
      if (line.gap.to) this.Qb(line.gap.channel, line.gap.to);
    } else if (line.vector) {
      const sub = this.g.get(line.vector.channel);
      if (sub?.r) sub.since = line.vector.vector;
    } else if (line.message) {
      this.Ja = line.message.position;
    } else if (line.subscribed) {
      const { channel, position } = line.subscribed;
      if (channel[0] === "@") this.Ja = position ?? void 0;
      else this.g.set(channel, { since: position, name: channel, e: {}, r: true });
    } else if (line.unsubscribed) {
      return this.pa(line.unsubscribed.channel, { error: line.unsubscribed.error });
    } else if (line.reconnect) {
      this.Ka = line.reconnect.after_ms;
    } else if (line.expiring) {
      if (!this.F && this.E.fb && !this.M) this.gb("expired");
    } else if (line.end) {
      const { code, reason, reconnect } = line.end;
      const problem = this.Oa ?? trouble("ended", reason);
      if (this.Y) this._(4e3);
      return this.T({ code, reconnect, problem }, now);
    }
    this.p.push({ do: "push", line });
  }
  Qb(channel, position) {
    const sub = this.g.get(channel);
    if (sub?.r && isBehind(position, sub.since)) sub.since = position;
    else if (!sub && channel[0] === "@") this.Ja = position;
  }
  yc({ id, ok, error }, now) {
    const hello = this.Ha.get(id);
    if (hello) {
      this.Ha.clear();
      if (ok) this.vc(ok, hello, now);
      else this.Oa = error;
      return;
    }
    const sub = this.X.get(id);
    if (sub) {
      this.X.delete(id);
      if (this.g.get(sub.name) === sub) this.zc(sub, ok, error, now);
      return;
    }
    if (this.y.nc(id, error ? { error } : { ok }, now)) this.ma(now);
  }
  zc(sub, ok, error, now) {
    const { name } = sub;
    if (error) {
      if (error.retry_after_ms) {
        this.Ia = now + error.retry_after_ms;
        return;
      }
      if (sub.since && /(bad-position|bad-command)$/.test(error.type)) {
        sub.since = void 0;
        this.p.push({ do: "push", line: { gap: { channel: name, from: null, to: null, reason: "lost" } } });
        this.z([this.oa(sub)]);
        return;
      }
      if (!/already-subscribed$/.test(error.type)) return this.pa(name, { error });
    }
    sub.r = true;
    sub.read = ok?.delta && this.E.deltas?.();
    sub.last = void 0;
    sub.since = ok?.position ?? ok?.vector ?? sub.since;
    this.pa(name, { ok: ok ?? { position: sub.since } });
  }
};

// src/version.ts
var version = "0.1.0";

// src/client.ts
var upgradeFirstMs = 1e4;
var upgradeMaxMs = 6e5;
var Godwit = class extends Emitter {
  /** url is that of the server, http: or https:, and may have a path. Default is where the page is from. */
  constructor(url, options = {}) {
    super();
    this.P = new globalThis.Map();
    this.Ac = 0;
    this.Rb = [];
    this.ib = false;
    this.jb = upgradeFirstMs;
    this.Sb = "idle";
    this.Tb = "";
    /** @internal */
    this.v = false;
    this.Zb = 0;
    const { href } = new URL(url ?? ".", globalThis.document?.baseURI);
    this.url = href.replace(/^ws/, "http").replace(/\/?([?#].*)?$/, "/");
    this.j = options;
    const { token } = options;
    this.f = new Session({
      client: options.client ?? "godwit-js/" + version,
      fb: typeof token === "function",
      token: typeof token === "string" ? token : void 0,
      deltas: options.deltas,
      random: Math.random
    });
    this.O = new Fan(this.f, this);
    this.Aa = options.grace ?? 5e3;
  }
  /** What the connection is doing; in a tab that shares another one's, what that is doing. */
  get state() {
    const { state } = this.f;
    if (this.v) return "closed";
    return state === "closed" || state === "idle" ? state : this.d.state;
  }
  /** When the next attempt is made, in the state `waiting`. */
  get retryAt() {
    const { retryAt } = this.d;
    return this.state === "waiting" && isFinite(retryAt) ? new Date(retryAt) : void 0;
  }
  /** Why the connection is not there. */
  get error() {
    const { error } = this.f;
    return error && this.state !== "open" ? new GodwitError(error.problem, error.code) : void 0;
  }
  /** What carries the connection, "" while there is none. */
  get transport() {
    return this.d.transport;
  }
  /** Whether another tab has the connection. */
  get isShared() {
    return this.d !== this.f;
  }
  /** Who the server says this is. */
  get user() {
    return this.d.user;
  }
  /** The id of the session, which others see as that of a member. */
  get session() {
    return this.d.resume?.session;
  }
  /** What the connection is like, wherever it is. @internal */
  get d() {
    return this.f;
  }
  channel(name, options = {}) {
    return this.Ub(name, options);
  }
  /** @internal */
  Ub(name, options) {
    return new Channel(this, name, options);
  }
  /** rpc calls a method, and resolves with what answers it. Default timeout 30 s. */
  async rpc(method, data, { timeout = 3e4, signal } = {}) {
    const body = { method, timeout_ms: Math.max(1, Math.min(timeout, 6e4)), ...data === void 0 ? {} : payload(data) };
    const ok = await this.m("rpc", body, { timeout: timeout + 5e3, signal });
    return message(ok).data;
  }
  /** reconnect tries at once, also after the server has said that it would do no good. */
  reconnect() {
    if (!this.v) this.b({ is: "again" });
  }
  /** close ends the connection for good: what waits fails. */
  close() {
    if (this.v) return;
    this.v = true;
    this.Q();
    for (const reply of [...this.P.values()]) reply({ error: wasClosed });
  }
  // --- commands ---
  /** @internal */
  ub(feed) {
    this.Vb();
    if (this.v) queueMicrotask(() => feed.Ba(wasClosed));
    else this.O.Eb(feed);
  }
  /** @internal */
  vb(feed) {
    this.O._a(feed);
    this.aa();
  }
  /** @internal */
  m(verb, body, { timeout = verb === "publish" ? 0 : 3e4, signal } = {}) {
    return new Promise((done, failed) => {
      const give = (reason) => {
        end();
        this.Wb(ref);
        failed(reason);
      };
      const aborted = () => give(signal.reason);
      if (signal?.aborted) return failed(signal.reason);
      const ref = this.Xb(verb, body, ({ ok, error }) => {
        end();
        if (ok) done(ok);
        else failed(new GodwitError(error));
      });
      const stop = timeout && ref ? later(timeout, () => give(new GodwitError(trouble("timeout", "there was no reply in time" + notKnown)))) : void 0;
      const end = () => {
        stop?.();
        signal?.removeEventListener("abort", aborted);
      };
      signal?.addEventListener("abort", aborted);
    });
  }
  /** @internal */
  Xb(verb, body, reply) {
    const isFull = this.P.size >= (this.j.queue ?? 1e3);
    if (this.v || isFull) {
      queueMicrotask(() => reply({ error: this.v ? wasClosed : trouble("queue", "too many commands wait") }));
      return 0;
    }
    const ref = ++this.Ac;
    this.P.set(ref, (outcome) => {
      this.P.delete(ref);
      reply(outcome);
      this.aa();
    });
    this.Vb();
    this.b({ is: "ask", C: ref, D: verb, body });
    return ref;
  }
  /** @internal */
  Wb(ref) {
    if (!this.P.delete(ref)) return;
    this.b({ is: "forget", C: ref });
    this.aa();
  }
  // --- the life of the connection ---
  Vb() {
    this.lb();
    if (this.v || this.f.state !== "idle") return;
    this.kb ??= watchPage({
      sb: () => this.b({ is: "wake" }),
      tb: (isLeft) => this.mb(isLeft),
      resume: () => {
        this.nb();
        this.b({ is: "wake" });
      }
    });
    if (!this.nb()) this.b({ is: "use" });
  }
  /** _join says whether other tabs have a say in who connects. @internal */
  nb() {
    return false;
  }
  /** _part is the opposite of _join. @internal */
  ob() {
  }
  /** @internal */
  lb() {
    this.qa?.();
    this.qa = void 0;
  }
  /** _rest lets go when nobody has used anything for a while. @internal */
  aa() {
    if (this.qa || this.v || this.O.size > 0 || this.P.size > 0) return;
    this.qa = later(this.Aa, () => {
      this.qa = void 0;
      this.Q();
    });
  }
  Q() {
    this.lb();
    this.ra?.();
    this.ra = void 0;
    this.b({ is: "leave" });
    this.ob();
    this.kb?.();
    this.kb = void 0;
    this.sa();
  }
  /** isLeft says that the page ends, and its session with it. @internal */
  mb(isLeft) {
    if (!isLeft) this.b({ is: "sleep" });
    this.ob();
  }
  // --- one step after another ---
  /** @internal */
  b(input) {
    this.Rb.push(input);
    if (this.ib) return;
    this.ib = true;
    try {
      for (let next; next = this.Rb.shift(); ) {
        const effects = this.f.step(next, Date.now());
        this.Bc();
        for (const effect of effects) this.ta(effect);
      }
    } finally {
      this.ib = false;
    }
  }
  Bc() {
    clearTimeout(this.x);
    const { cb: deadline } = this.f;
    if (deadline < Infinity) this.x = setTimeout(() => this.b({ is: "tick" }), Math.min(deadline - Date.now() + 1, timerMaxMs));
  }
  /** @internal */
  ta(effect) {
    switch (effect.do) {
      case "send":
        return this.G?.send(effect.lines);
      case "dial":
        return this.$();
      case "drop":
        this.G?.close(effect.code);
        this.G = void 0;
        return;
      case "token":
        return this.Cc(effect.reason);
      case "reply":
        return this.P.get(effect.C)?.(effect);
      case "begun":
        return this.O.S(effect.name, effect.ok, effect.error);
      case "push":
        return void this.w(effect.line);
      case "state":
        return this.sa();
    }
  }
  Cc(reason) {
    const { token } = this.j;
    const get = async () => typeof token === "function" ? token(reason) : token;
    get().then(
      (token2) => this.b({ is: "token", token: token2 }),
      (error) => this.b({ is: "token", error: trouble("token", "no token was to be had: " + (error?.message ?? error)) })
    );
  }
  /** _push hands on what has come, and says whether another tab wants it. @internal */
  w(line) {
    if (line.message) this.a("message", message(line.message));
    return this.O.push(line);
  }
  /** @internal */
  $() {
    this.G?.close(4e3);
    const around = { ...this.j, url: this.url + "connect", session: this.f };
    const known = this.u ?? memory(this.url);
    const kinds = this.Yb().sort((a, b) => Number(b === known) - Number(a === known));
    this.G = new Dialer(kinds, kinds[0] === known && this.Zb++ % 3 < 2, around, this);
  }
  Yb() {
    const hasSocket = !!(this.j.WebSocket ?? globalThis.WebSocket);
    return (this.j.transports ?? ["websocket", "stream", "sse", "poll"]).filter((kind) => kind !== "websocket" || hasSocket);
  }
  /** @internal */
  sa() {
    const { transport, resume } = this.f;
    if (transport && transport !== "tab") {
      this.Zb = 0;
      if (this.u !== transport) memory(this.url, this.u = transport);
    }
    this._b(transport);
    const all = [this.state, this.transport, this.retryAt?.getTime(), resume?.session].join();
    if (all === this.Tb) return;
    this.Tb = all;
    const { state } = this;
    const before = this.Sb;
    this.Sb = state;
    this.a("state", state);
    if (state === "open" && before !== "open") this.a("open", this);
    if (state !== "open" && before === "open") this.a("close", this.error);
    if ((state === "waiting" || state === "closed") && before !== state && this.error) this.a("error", this.error);
  }
  // What carries the session is replaced by a WebSocket when that gets through.
  _b(kind) {
    if (this.ra || kind === "" || kind === "tab" || kind === "websocket" || !this.Yb().includes("websocket")) return;
    this.ra = later(this.jb, () => {
      this.ra = void 0;
      this.jb = Math.min(this.jb * 2, upgradeMaxMs);
      this.G?.gc?.();
      this._b(this.f.transport);
    });
  }
};
function memory(url, transport) {
  const key = "godwit transport " + url;
  try {
    if (!transport) return sessionStorage.getItem(key);
    sessionStorage.setItem(key, transport);
  } catch {
  }
  return void 0;
}

// src/presence.ts
var Roster = class extends Emitter {
  /** @internal */
  constructor(_link, _name) {
    super();
    this.i = _link;
    this.n = _name;
    this.H = /* @__PURE__ */ new Map();
    this.ua = -1;
    this.Sa = 0;
    // what came while pages are read
    this.Ta = 0;
  }
  /** Who is there, as far as it is known; those who came first are first. */
  get members() {
    return [...this.H.values()];
  }
  /** How many are there. */
  get count() {
    return this.Sa;
  }
  /** get asks once, and does not subscribe. By user, members are users with the number of their sessions. */
  async get({ by, ...options } = {}) {
    return (await this.$b(by, options)).members;
  }
  /** @internal */
  Va() {
    this.k?.();
    this.k = void 0;
    if (this.c) return;
    const feed = this.c = {
      name: this.n,
      e: { presence: true },
      S: () => this.c === feed && void this.ac(),
      Ba: (error) => {
        if (this.c !== feed) return;
        this.c = void 0;
        this.a("error", new GodwitError(error));
      },
      push: (line) => this.c === feed && this.w(line)
    };
    this.i.ub(feed);
  }
  /** @internal */
  Wa() {
    this.k = later(this.i.Aa, () => {
      this.k = void 0;
      if (this.c) this.i.vb(this.c);
      this.c = void 0;
      this.Ta++;
      this.H.clear();
      this.Sa = 0;
    });
  }
  async $b(by, options = {}) {
    const members = [];
    let cursor;
    for (; ; ) {
      const ok = await this.i.m("presence", { channel: this.n, limit: 1e3, cursor, by }, options);
      members.push(...ok.members);
      cursor = ok.cursor;
      if (!cursor) return { members, version: ok.version ?? -1, count: ok.count };
    }
  }
  // docs/protocol.md §5.3: all pages, and then each change of a greater version.
  async ac() {
    const reading = ++this.Ta;
    this.va = [];
    try {
      const { members, version: version2, count } = await this.$b(void 0);
      if (reading !== this.Ta) return;
      const before = this.H;
      this.H = new Map(members.map((member) => [member.id, member]));
      this.ua = version2;
      this.Sa = count;
      const early = this.va;
      this.va = void 0;
      for (const [id, member] of this.H) if (!before.has(id)) this.a("join", member);
      for (const [id, member] of before) if (!this.H.has(id)) this.a("leave", member);
      this.a("change", this);
      for (const line of early) this.w(line);
    } catch (error) {
      if (reading === this.Ta) this.a("error", error);
    }
  }
  w(line) {
    const change = line.join ?? line.leave ?? line.presence;
    if (!change || change.channel !== this.n) return;
    if (this.va) return void this.va.push(line);
    if (change.version < this.ua) return;
    if (line.presence || change.version > this.ua && change.previous > this.ua) return void this.ac();
    this.ua = change.version;
    this.Sa = change.count;
    for (const member of change.members) {
      if (line.join) this.H.set(member.id, member);
      else this.H.delete(member.id);
      this.a(line.join ? "join" : "leave", member);
    }
    this.a("change", this);
  }
};

// src/follower.ts
var followerPingMs = 3e3;
var Follower = class {
  constructor(_leader) {
    this.l = _leader;
    this.ba = /* @__PURE__ */ new Map();
    this.ca = /* @__PURE__ */ new Map();
  }
  /** take does the commands of the tab. */
  take(lines) {
    for (const { id, ...command } of lines) {
      const [verb] = Object.keys(command);
      if (verb) this.ta(id, verb, command[verb]);
    }
  }
  /** end takes back what the tab has wanted. */
  end() {
    for (const feed of this.ba.values()) this.l.fan._a(feed);
    for (const ref of this.ca.values()) this.l.forget(ref);
    this.ba.clear();
    this.ca.clear();
  }
  ta(id, verb, body) {
    const ok = (ok2 = {}) => this.l.answer([{ id, ok: ok2 }]);
    switch (verb) {
      case "connect":
        this.end();
        ok({ ...this.l.welcome(), resumed: false, ping_ms: followerPingMs });
        return this.l.answer([{ behind: this.l.behind() }]);
      case "ping":
        return ok();
      case "end":
        this.end();
        return ok();
      case "unsubscribe":
        this.N(body.channel);
        return ok();
      case "subscribe":
        return this.db(id, body);
      case "cancel": {
        const ref = this.ca.get(body.rpc);
        if (ref !== void 0) this.l.forget(ref);
        this.ca.delete(body.rpc);
        return ok();
      }
      default: {
        const ref = this.l.ask(verb, body, (outcome) => {
          this.ca.delete(id);
          this.l.answer([{ id, ...outcome }]);
        });
        if (ref > 0) this.ca.set(id, ref);
      }
    }
  }
  N(name) {
    const feed = this.ba.get(name);
    this.ba.delete(name);
    if (feed) this.l.fan._a(feed);
  }
  // What another tab is given is whole, whatever it asks for.
  db(id, { channel, since, last, delta: _, ...fields }) {
    this.N(channel);
    let isAnswered = false;
    const feed = {
      name: channel,
      since,
      last,
      e: fields,
      S: (ok) => {
        if (!isAnswered) this.l.answer([{ id, ok }]);
        isAnswered = true;
      },
      Ba: (error) => {
        this.ba.delete(channel);
        this.l.answer([isAnswered ? { unsubscribed: { channel, error } } : { id, error }]);
        isAnswered = true;
      }
    };
    this.ba.set(channel, feed);
    this.l.fan.Eb(feed);
  }
};

// src/tabs.ts
var Tabs = class {
  constructor(name, id, events) {
    this.h = false;
    this.Q = new AbortController();
    this.u = /* @__PURE__ */ new Set();
    this.da = false;
    this.n = name;
    this.id = id;
    this.I = events;
  }
  join() {
    if (this.da) return;
    this.da = true;
    this.Q = new AbortController();
    this.Ua = new BroadcastChannel(this.n);
    this.Ua.onmessage = ({ data }) => this.Dc(data);
    this.wa(this.n + this.id, {}, () => new Promise((done) => this.Q.signal.addEventListener("abort", done)));
    this.wa(this.n, { ifAvailable: true }, (lock) => lock ? this.pb() : this.Ra());
  }
  /** leave gives the connection to another tab, if this one has it. */
  leave() {
    if (!this.da) return;
    this.da = this.h = false;
    this.xa({ from: this.id, bye: true });
    this.Ua?.close();
    this.Q.abort();
    this.bc?.();
    this.u.clear();
  }
  /** steal takes the connection from a tab that does not answer. */
  steal() {
    if (this.da && !this.h) this.wa(this.n, { steal: true }, () => this.pb());
  }
  get qb() {
    return this.u.size > 0;
  }
  ask(lines) {
    this.xa({ from: this.id, lines: JSON.parse(JSON.stringify(lines)) });
  }
  answer(to, lines) {
    this.xa(to === void 0 ? { lines } : { to, lines });
  }
  share(shared) {
    this.xa({ shared });
  }
  wa(name, options, held) {
    const { signal } = this.Q;
    const asked = navigator.locks.request(
      name,
      options.ifAvailable || options.steal ? options : { ...options, signal },
      (lock) => signal.aborted ? void 0 : held(lock)
    );
    asked.catch(() => {
      if (name !== this.n || signal.aborted || !this.h) return;
      this.h = false;
      this.u.clear();
      this.Ra();
    });
  }
  pb() {
    if (this.h) return void 0;
    this.h = true;
    this.xa({ leads: this.id });
    this.I.follow(false);
    return new Promise((release) => this.bc = release);
  }
  Ra() {
    this.wa(this.n, {}, () => this.pb());
    this.I.follow(true);
  }
  xa(said) {
    this.Ua?.postMessage(said);
  }
  Dc(said) {
    if (!this.da) return;
    if ("leads" in said) {
      if (!this.h) this.I.leader();
    } else if ("shared" in said) {
      if (!this.h) this.I.shared(said.shared);
    } else if ("bye" in said) {
      this.cc(said.from);
    } else if ("from" in said) {
      if (!this.h) return;
      if (!this.u.has(said.from)) {
        this.u.add(said.from);
        this.wa(this.n + said.from, {}, () => this.cc(said.from));
      }
      this.I.commands(said.from, said.lines);
    } else if (!this.h && (said.to === void 0 || said.to === this.id)) {
      this.I.fa(said.lines);
    }
  }
  cc(from) {
    if (this.u.delete(from)) this.I.left(from);
  }
};

// src/sharing.ts
function canShare() {
  return typeof document !== "undefined" && typeof BroadcastChannel === "function" && !!globalThis.navigator?.locks;
}
function shareTabs(name, id, { session, fan, run, command, forget, busy, rest, tell, behind }) {
  if (!canShare()) return void 0;
  const followers = /* @__PURE__ */ new Map();
  const follower = (from) => {
    const known = followers.get(from);
    if (known) return known;
    const made = new Follower({
      fan,
      answer: (lines) => tabs.answer(from, lines),
      ask: command,
      forget,
      welcome: () => {
        sharing.share();
        return { ...session.resume, user: session.user };
      },
      behind
    });
    followers.set(from, made);
    return made;
  };
  const tabs = new Tabs(name, id, {
    follow(follow) {
      sharing.shared = follow ? sharing.shared ?? { state: "connecting", retryAt: 0, transport: "" } : void 0;
      for (const follower2 of followers.values()) follower2.end();
      followers.clear();
      run({ is: "follow", follow });
      run({ is: "use" });
    },
    leader: () => run({ is: "lost" }),
    fa: (lines) => run({ is: "received", lines }),
    shared(shared) {
      sharing.shared = shared;
      session.resume = shared.resume;
      tell();
    },
    commands(from, lines) {
      busy();
      follower(from).take(lines);
    },
    left(from) {
      followers.get(from)?.end();
      followers.delete(from);
      rest();
    }
  });
  const sharing = {
    shared: void 0,
    get h() {
      return tabs.h;
    },
    get qb() {
      return tabs.qb;
    },
    join: () => tabs.join(),
    leave() {
      tabs.leave();
      sharing.shared = void 0;
    },
    steal: () => tabs.steal(),
    ask: (lines) => tabs.ask(lines),
    push: (line) => tabs.answer(void 0, [line]),
    share() {
      const { state, retryAt, transport, user, resume } = session;
      tabs.share({ state, retryAt, transport, user, resume });
    }
  };
  return sharing;
}

// src/index.ts
var Channel2 = class extends Channel {
  /** digest is what the server holds of the newest `last` publications, at most 256: who has the same computes the same (docs/protocol.md §9). */
  async digest({ last = 100, ...options } = {}) {
    return await this.i.m("digest", { channel: this.name, last }, options);
  }
  /** Who is there, live as long as somebody listens to it. A pattern has no members. */
  get presence() {
    return this.Ec ??= new Roster(this.i, this.name);
  }
};
var Godwit2 = class _Godwit extends Godwit {
  constructor() {
    super(...arguments);
    this.rb = { is: false };
  }
  channel(name, options) {
    return super.channel(name, options);
  }
  /** @internal */
  Ub(name, options) {
    return new Channel2(this, name, options);
  }
  /**
   * handle answers the calls of a method, or of all that a pattern stands for, until the function that it resolves with is
   * called. It resolves when the server has agreed. It needs the grant `answer`. What shares a connection with other tabs
   * gets one more for this, as each tab answers for itself.
   */
  async handle(method, handler, options = {}) {
    if (this.j.tabs !== false && canShare() && !this.v) {
      if (!this.za) {
        this.za = new _Godwit(this.url, { ...this.j, tabs: false });
        this.za.on("error", (error) => this.a("error", error));
      }
      return this.za.handle(method, handler, options);
    }
    this.ya ??= new Answers(this);
    return this.ya.handle(method, handler, options);
  }
  /** close ends the connection for good: what waits fails. */
  close() {
    super.close();
    this.za?.close();
  }
  /** @internal */
  aa() {
    if (!this.ya?.size) super.aa();
  }
  // --- what other tabs have to do with it ---
  /** @internal */
  get d() {
    return this.o?.shared ?? super.d;
  }
  /** @internal */
  nb() {
    const { tabs = true } = this.j;
    if (tabs)
      this.o ??= shareTabs("godwit 2 " + this.url + (tabs === true ? "" : " " + tabs), randomId(), {
        session: this.f,
        fan: this.O,
        run: (input) => this.b(input),
        command: (verb, body, reply) => this.Xb(verb, body, reply),
        forget: (ref) => this.Wb(ref),
        busy: () => this.lb(),
        rest: () => this.aa(),
        tell: () => this.sa(),
        behind: () => this.rb
      });
    this.o?.join();
    return !!this.o;
  }
  /** @internal */
  ob() {
    this.o?.leave();
  }
  /** @internal */
  mb(isLeft) {
    super.mb(isLeft && !this.o?.qb);
  }
  /** @internal */
  $() {
    const sharing = this.o;
    if (!sharing || sharing.h) return super.$();
    this.G?.close(4e3);
    this.G = { send: (lines) => sharing.ask(lines), close() {
    } };
    this.b({ is: "ready", transport: "tab" });
  }
  /** @internal */
  w(line) {
    this.ya?.push(line);
    if (line.behind && (line.behind.is || this.rb.is)) this.a("behind", this.rb = line.behind);
    const isWanted = super.w(line) || !!line.message || !!line.behind;
    if (isWanted && this.o?.h) this.o.push(line);
    return isWanted;
  }
  /** @internal */
  sa() {
    if (this.o?.h) this.o.share();
    this.ya?.renew();
    super.sa();
  }
  /** @internal */
  ta(effect) {
    if (effect.do === "steal") this.o?.steal();
    else super.ta(effect);
  }
};
