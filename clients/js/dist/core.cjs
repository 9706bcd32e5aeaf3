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

// src/core.ts
var core_exports = {};
__export(core_exports, {
  Channel: () => Channel,
  Godwit: () => Godwit,
  GodwitError: () => GodwitError,
  version: () => version
});
module.exports = __toCommonJS(core_exports);

// src/emitter.ts
var Emitter = class {
  constructor() {
    this.A = /* @__PURE__ */ new Map();
  }
  // and whether only once
  /** on calls listener at each event of that type, and returns how to stop. */
  on(type, listener, options = {}) {
    const off = () => this.off(type, listener);
    if (options.signal?.aborted) return off;
    const listeners = this.A.get(type) ?? /* @__PURE__ */ new Map();
    if (!listeners.has(listener)) {
      this.A.set(type, listeners.set(listener, options.once));
      this.Ia();
    }
    options.signal?.addEventListener("abort", off, { once: true });
    return off;
  }
  /** off ends what on began. */
  off(type, listener) {
    const listeners = this.A.get(type);
    if (!listeners?.delete(listener)) return;
    if (!listeners.size) this.A.delete(type);
    if (!this.A.size) this.Ja();
  }
  /** _listens is called when somebody begins to listen. @internal */
  Ia() {
  }
  /** _leaves is called when nobody listens any more. @internal */
  Ja() {
  }
  /** @internal */
  k(type, event) {
    const listeners = this.A.get(type);
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
  on(globalThis, "online", () => life.Ka());
  const { document } = globalThis;
  if (document) {
    on(document, "visibilitychange", () => document.visibilityState === "visible" && life.Ka());
    on(document, "freeze", () => life.La(false));
    on(document, "resume", () => life.resume());
    on(window, "pagehide", ({ persisted }) => life.La(!persisted));
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
    this.b = /* @__PURE__ */ new Map();
    this.name = name;
    this.B = link;
    this.i = options;
  }
  /** How far this Channel has come: a position, or the vector of a pattern. Give it as `since` to go on from here. */
  get position() {
    return this.M;
  }
  /**
   * publish resolves with the position when the server has accepted it. While there is no connection it waits. It is done once,
   * also if the connection breaks meanwhile. A string is published as text, bytes as bytes, anything else as JSON.
   */
  async publish(data, { event, key, idempotencyKey, ...options } = {}) {
    const body = { channel: this.name, event, key, idempotency_key: (idempotencyKey ?? randomId()) || void 0, ...payload(data) };
    return (await this.B.Z("publish", body, options)).position;
  }
  /** history reads a page of what was published. Default is the newest 100. */
  async history({ last, since, limit, ...options } = {}) {
    const ok = await this.B.Z("history", { channel: this.name, last: since ? void 0 : last ?? 100, since, limit }, options);
    return { messages: ok.publications.map(message), position: ok.position, gap: ok.gap && gapOf(ok.gap, this.name) };
  }
  /** A loop over messages and gaps, which ends with an error if the subscription is refused or ended. */
  [Symbol.asyncIterator]() {
    const most = this.i.buffer ?? 1e3;
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
  Ia() {
    this.q?.();
    this.q = void 0;
    if (this.p) return;
    this.B.qb(this.p = this.rb());
  }
  /** @internal */
  Ja() {
    this.q = later(this.B.ra, () => {
      this.q = void 0;
      if (this.p) this.B.sb(this.p);
      this.Ma();
    });
  }
  Ma() {
    this.p = void 0;
    this.b.clear();
  }
  rb() {
    const { since, last, rate } = this.i;
    let held = [];
    if (since && !isPattern(this.name)) this.b.set(this.name, since);
    const feed = {
      name: this.name,
      since,
      last,
      d: rate ? { rate } : {},
      _: (ok) => {
        if (this.p !== feed) return;
        const lines = held ?? [];
        if (held) {
          this.M = ok.vector ?? ok.position;
          if (!ok.publications && !isPattern(this.name) && !since) this.b.set(this.name, ok.position);
        }
        held = void 0;
        this.k("subscribed", this.M ?? "");
        for (const line of [...ok.publications ?? [], ...lines]) this.$(line);
      },
      Na: (error) => {
        if (this.p !== feed) return;
        this.Ma();
        this.k("error", new GodwitError(error));
      },
      push: (line) => {
        if (this.p !== feed) return;
        if (held) held.push(line);
        else this.$(line);
      }
    };
    return feed;
  }
  $(line) {
    if (line.position) {
      if (this.Oa(line.channel, line.position)) this.k("message", message(line));
    } else if (line.vector) {
      if (line.vector.channel === this.name) this.M = line.vector.vector;
    } else if (line.gap) {
      const gap = gapOf(line.gap, this.name);
      if (!gap.to || this.Oa(gap.channel, gap.to)) this.k("gap", gap);
    }
  }
  // What this Channel has had already comes again for another, or after a vector (docs/protocol.md §5.5).
  Oa(channel, position) {
    if (!isBehind(position, this.b.get(channel))) return false;
    if (isPattern(this.name)) {
      this.b.delete(channel);
      if (this.b.size >= channelsMax) this.b.delete(this.b.keys().next().value);
    } else this.M = position;
    this.b.set(channel, position);
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
  socket.onopen = () => told.Pa();
  socket.onmessage = ({ data }) => told.sa(codec.decode(data));
  socket.onclose = ({ code }) => told.Qa({ code });
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
    told.Qa(why);
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
      told.sa(messages);
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
      told.sa(parse(transport === "sse" ? text.replace(/^(data: ?|[^d\n].*)/gm, "") : text));
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
  queueMicrotask(() => isOver || told.Pa());
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
    this.xb = _isKnown;
    this.ub = _around;
    this.r = _host;
    this.j = [];
    // what is written to
    this.N = false;
    this.ta = {};
    this.aa = [...ways];
    this.ca(headStartMs);
  }
  send(lines) {
    this.ba?.ua.send(lines);
  }
  close(code) {
    clearTimeout(this.l);
    for (const candidate of this.j) candidate.ua.close(candidate === this.ba ? code : 4e3);
    this.j = [];
  }
  /** tryBetter opens a WebSocket beside what carries the session, which is replaced if that gets through. */
  tb() {
    if (this.N && this.j.length === 1) this.Ra("websocket");
  }
  ca(head) {
    clearTimeout(this.l);
    const way = this.aa.shift();
    if (!way) return;
    this.l = setTimeout(() => this.ca(stepMs), head);
    this.Ra(way);
  }
  Ra(way) {
    const candidate = { Sa: way };
    this.j.push(candidate);
    const isOurs = () => this.j.includes(candidate);
    try {
      candidate.ua = open(way, this.ub, {
        Pa: () => isOurs() && this.vb(candidate),
        sa: (lines) => isOurs() && this.wb(candidate, lines),
        Qa: (why) => isOurs() && this.C(candidate, why)
      });
    } catch {
      queueMicrotask(() => isOurs() && this.C(candidate, {}));
    }
  }
  vb(candidate) {
    if (this.N) this.Ta(candidate);
    else if (this.aa.length > 0 && candidate.Sa === "websocket") {
      clearTimeout(this.l);
      this.l = setTimeout(() => this.ca(stepMs), grantMs);
    }
    this.ba = candidate;
    this.r.a({ is: "ready", transport: candidate.Sa });
  }
  wb(candidate, lines) {
    if (!this.N) {
      if (lines.length === 0) return;
      this.Ta(candidate);
      this.N = true;
      clearTimeout(this.l);
    }
    this.r.a({ is: "received", lines });
  }
  Ta(candidate) {
    const others = this.j.filter((other) => other !== candidate);
    this.j = [candidate];
    this.ba = candidate;
    for (const other of others) other.ua?.close(4e3);
  }
  C(candidate, why) {
    this.j = this.j.filter((other) => other !== candidate);
    if (why.status || !this.ta.status) this.ta = why;
    if (this.j.length > 0) return;
    if (!this.N && this.aa.length > 0 && !(this.xb && !why.status)) return this.ca(stepMs);
    this.close(4e3);
    this.r.a({ is: "lost", ...this.ta });
  }
};

// src/fan.ts
var Fan = class {
  constructor(_session, _host) {
    this.e = _session;
    this.r = _host;
    this.x = /* @__PURE__ */ new Map();
    this.da = [];
  }
  get size() {
    return this.x.size;
  }
  yb(feed) {
    const { name, since, last, d: fields } = feed;
    let branch = this.x.get(name);
    const isNew = !branch;
    if (!branch) {
      branch = { s: /* @__PURE__ */ new Set(), Ua: feed, d: fields, zb: matcher(name) };
      this.x.set(name, branch);
      if (isPattern(name)) this.da.push(branch);
    }
    branch.s.add(feed);
    if (this.e.Ab(name)) this.Va(branch, feed);
    else if (isNew) this.r.a({ is: "subscribe", name, since, last, d: fields });
  }
  Bb(feed) {
    const branch = this.x.get(feed.name);
    if (!branch?.s.delete(feed) || branch.s.size > 0) return;
    this.O(feed.name, branch);
    this.r.a({ is: "unsubscribe", name: feed.name });
  }
  _(name, ok, error) {
    const branch = this.x.get(name);
    if (!branch) return;
    if (error) {
      this.O(name, branch);
      for (const feed of branch.s) feed.Na(error);
      return;
    }
    branch.Ua.va = true;
    for (const feed of branch.s) if (feed.va) feed._(ok);
    for (const feed of branch.s) if (!feed.va && !this.Va(branch, feed)) return;
  }
  /** push hands on what has come, and says whether another tab wants it. */
  push(line) {
    const about = line.position ? line : line.gap ?? line.join ?? line.leave ?? line.presence ?? line.vector;
    const name = about?.channel;
    if (name === void 0) return false;
    let isWanted = this.Wa(this.x.get(name), line);
    for (const branch of this.da) if (branch.zb(name)) isWanted = this.Wa(branch, line) || isWanted;
    return isWanted;
  }
  Wa(branch, line) {
    let isWanted = false;
    for (const feed of branch?.s ?? []) {
      if (feed.push) feed.push(line);
      else isWanted = true;
    }
    return isWanted;
  }
  O(name, branch) {
    this.x.delete(name);
    this.da = this.da.filter((other) => other !== branch);
  }
  // _fill gives a feed that came late its beginning. It returns false if the subscription is asked for again for that.
  Va(branch, feed) {
    const { name, since, last, d: fields } = feed;
    const position = this.e.position(name);
    const needsMore = !!fields.presence && !branch.d.presence;
    const isEarlier = !!since && since !== position && (isPattern(name) || isBehind(position, since));
    if (needsMore || isEarlier || branch.d.rate && branch.d.rate !== fields.rate) {
      branch.Ua = feed;
      branch.d = { presence: fields.presence || branch.d.presence };
      this.r.a({ is: "subscribe", name, since: isEarlier ? since : position, d: branch.d });
      return false;
    }
    const begin = (ok) => {
      if (!branch.s.has(feed)) return;
      feed.va = true;
      feed._(ok);
    };
    const now = { position, vector: position };
    if (!last || since || isPattern(name)) begin(now);
    else {
      this.r.Z("history", { channel: name, last: Math.min(last, 256) }).then(begin, () => begin(now));
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
    this.Q = _exit;
    /** Whether what was sent went through a connection whose ids are not ours: that of another tab. */
    this.wa = false;
    /** Until when the server wants no publications, Infinity if it does. */
    this.P = Infinity;
    this.D = /* @__PURE__ */ new Map();
    // by ref
    this.E = /* @__PURE__ */ new Map();
  }
  ask(ref, verb, body) {
    this.D.set(ref, { t: ref, u: verb, body, id: 0, Xa: 0 });
  }
  /** flush sends what was not sent yet, as far as there is room. */
  flush(now) {
    if (now >= this.P) this.P = Infinity;
    for (const asked of this.D.values()) {
      if (asked.id || isCounted(asked.u) && this.P < Infinity) continue;
      if (this.E.size >= windowMax) return;
      this.Ya(asked, now, this.Q.Za());
    }
  }
  /** goOn sends again what has no reply (docs/protocol.md §6.2, §6.3). isResumed says that the session is the one of before. */
  Cb(isResumed, now) {
    const isSame = isResumed && !this.wa;
    this.wa = false;
    this.E.clear();
    for (const asked of [...this.D.values()]) {
      if (!asked.id) continue;
      const isOnce = isCounted(asked.u) && !asked.body.idempotency_key;
      if (isSame && isCounted(asked.u)) this.Ya(asked, now, asked.id);
      else if (isOnce || isCounted(asked.u) && now - asked.Xa > keyMs) {
        this.xa(asked, { error: trouble("unknown", "the connection was lost" + notKnown) });
      } else asked.id = 0;
    }
  }
  /** replied settles the command of that id. It returns false if there is none. */
  Db(id, outcome, now) {
    const asked = this.E.get(id);
    if (!asked) return false;
    const after = outcome.error?.retry_after_ms;
    if (after && asked.body.idempotency_key) {
      asked.id = 0;
      this.E.delete(id);
      this.P = now + after;
    } else this.xa(asked, outcome);
    return true;
  }
  /** forget gives a command up. A call is canceled, if it can be. */
  forget(ref, isOpen) {
    const asked = this.D.get(ref);
    if (!asked) return;
    if (isOpen && asked.id && asked.u === "rpc") this.Q.send({ id: this.Q.Za(), cancel: { rpc: asked.id } });
    this.O(asked);
  }
  fail(error) {
    for (const asked of [...this.D.values()]) this.xa(asked, { error });
  }
  Ya(asked, now, id) {
    if (!asked.id) asked.Xa = now;
    asked.id = id;
    this.E.set(id, asked);
    this.Q.send({ id, [asked.u]: asked.body });
  }
  xa(asked, outcome) {
    this.O(asked);
    this.Q.Eb(asked.t, outcome);
  }
  O(asked) {
    this.D.delete(asked.t);
    this.E.delete(asked.id);
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
    this.ya = Infinity;
    this.ea = Infinity;
    this.w = false;
    this._a = 0;
    this.y = false;
    this.F = 0;
    this.fa = /* @__PURE__ */ new Map();
    // by the id of connect
    this.m = new Outbox({
      Za: () => ++this.F,
      send: (line) => this.n([line]),
      Eb: (ref, outcome) => this.f.push({ do: "reply", t: ref, ...outcome })
    });
    this.c = /* @__PURE__ */ new Map();
    this.G = /* @__PURE__ */ new Map();
    this.ga = Infinity;
    this.S = 0;
    this.ia = 1e3;
    this.ja = 25e3;
    this.ka = 0;
    this.la = 0;
    this.g = 0;
    // of connect
    this.na = false;
    this.oa = false;
    this.f = [];
    this.v = settings;
    this.R = settings.token;
  }
  /** The newest position or vector of a subscription. */
  position(name) {
    return this.c.get(name)?.since;
  }
  /** Whether a subscription has begun on this connection. */
  Ab(name) {
    return !!this.c.get(name)?.h;
  }
  // Whether a carrier is there, or on its way.
  get H() {
    return this.state === "open" || this.state === "connecting";
  }
  step(input, now) {
    const effects = this.f = [];
    const before = this.state + this.retryAt + this.transport;
    switch (input.is) {
      case "use":
        if (this.state === "idle") this.I(now);
        break;
      case "again":
        if (this.state === "closed") this.I(now);
        else this.$a(now);
        break;
      case "leave":
        if (this.state !== "closed") this.q("idle");
        break;
      case "follow":
        this.Fb(input.follow, now);
        break;
      case "token":
        this.Gb(input, now);
        break;
      case "ready":
        if (this.H) this.Hb(input.transport, now);
        break;
      case "received":
        this.ka = now;
        this.la = 0;
        for (const line of input.lines) this.Ib(line, now);
        break;
      case "lost":
        this.oa = false;
        this.C(input, now);
        break;
      case "subscribe":
        this.Jb(input);
        break;
      case "unsubscribe":
        if (this.c.delete(input.name) && this.state === "open") this.pa(input.name);
        break;
      case "ask":
        this.m.ask(input.t, input.u, input.body);
        if (this.state === "closed" && this.error) this.m.fail(this.error.problem);
        this.T(now);
        break;
      case "forget":
        this.m.forget(input.t, this.state === "open");
        this.T(now);
        break;
      case "wake":
        this.$a(now);
        break;
      case "sleep":
        if (this.H) {
          this.na = true;
          this.J(4e3);
          this.za(now, Infinity);
        }
        break;
      case "tick":
        this.Kb(now);
    }
    if (before !== this.state + this.retryAt + this.transport) effects.push({ do: "state" });
    this.Lb(now);
    return effects;
  }
  // --- connecting ---
  I(now) {
    this.state = "connecting";
    this.transport = "";
    this.g = now + dialMs;
    this.fa.clear();
    if (!this.y && this.v.Aa && (!this.R || now >= this.ea)) this.Ba(this.R ? "expired" : "first");
    else this.qa();
  }
  qa() {
    this.oa = true;
    this.f.push({ do: "dial" });
  }
  Ba(reason) {
    this.w = true;
    this.f.push({ do: "token", reason });
  }
  Gb({ token, error }, now) {
    if (!this.w) return;
    this.w = false;
    if (token !== void 0) {
      this.R = token;
      this.ea = Infinity;
    }
    if (this.state === "open") {
      if (token !== void 0) this.n([this.U({ refresh: { token } })]);
    } else if (this.state === "connecting") {
      this.g = now + dialMs;
      if (error) this.ab(now, error);
      else this.qa();
    }
  }
  // What a new connection begins with (docs/protocol.md §6.2). Publications and calls that have no reply follow when it is
  // known whether the session goes on.
  Hb(transport, now) {
    if (this.state === "open") this.g = now + dialMs;
    this.state = "connecting";
    this.F = Math.max(this.F, now * 1e3);
    const token = this.y ? void 0 : this.R;
    const lines = [this.U({ connect: { client: this.v.client, token, resume: this.resume, messages: this.ha } })];
    this.fa.set(this.F, { transport, Mb: this.G = /* @__PURE__ */ new Map() });
    for (const sub of this.c.values()) {
      sub.h = false;
      lines.push(this.V(sub));
    }
    if (transport === "tab") this.g = now + tabMs;
    this.n(lines);
  }
  Nb(ok, { transport, Mb: subs }, now) {
    this.state = "open";
    this.transport = transport;
    this.user = ok.user;
    this.error = void 0;
    this.retryAt = 0;
    this.resume = { session: ok.session, secret: ok.secret };
    this.ia = ok.reconnect?.after_ms ?? this.ia;
    this.ja = ok.ping_ms || 25e3;
    this.S = this._a = 0;
    this.ea = ok.expires_after_ms ? now + ok.expires_after_ms : Infinity;
    this.G = subs;
    for (const sub of subs.values()) if (this.c.get(sub.name) !== sub) this.pa(sub.name);
    this.bb();
    if (transport !== "tab") this.f.push({ do: "push", line: { behind: { is: false } } });
    this.m.Cb(!!ok.resumed && transport !== "tab", now);
    this.T(now);
  }
  T(now) {
    if (this.state === "open") this.m.flush(now);
  }
  Fb(follow, now) {
    if (this.y === follow) return;
    this.y = follow;
    this.m.wa = true;
    if (this.H || this.state === "waiting") {
      this.J(4e3);
      this.S = 0;
      this.I(now);
    }
  }
  // --- losing ---
  C(why, now) {
    if (!this.H) return;
    const wasOpen = this.state === "open";
    const { code, status, reconnect } = why;
    const problem = why.problem ?? this.ma ?? trouble("lost", status ? "the server answered " + status : "the connection was lost");
    const retryAfter = why.retryAfter ?? problem.retry_after_ms;
    this.ma = void 0;
    const has = (what) => codesAfter[what].includes(code);
    const isDelayed = !status || status === 408 || status === 429 || status > 499 || status === 404 && /session-unknown$/.test(problem.type);
    const needsToken = status === 401 || has("new-token");
    const isOver = code !== 4409 && (has("never") || !(isDelayed || needsToken) || reconnect === false && !needsToken && !has("afresh"));
    this.error = { problem, code: code ?? status };
    if (code === 4409) this.resume = void 0;
    if (isOver) return this.q("closed");
    if (needsToken) {
      this.ea = Infinity;
      if (!this.v.Aa || this._a++ > 0) return this.q("closed");
      this.state = "connecting";
      this.transport = "";
      return this.Ba("refused");
    }
    if (this.y) return this.za(now, wasOpen ? 0 : 500);
    this.ab(now, problem, retryAfter);
  }
  // docs/protocol.md §6.6
  ab(now, problem, retryAfter = 0) {
    this.error ??= { problem };
    const most = Math.min(delayMaxMs, this.ia * 2 ** this.S++);
    this.za(now, Math.max(retryAfter, most * (0.5 + this.v.random() / 2)));
  }
  za(now, ms) {
    this.state = "waiting";
    this.transport = "";
    this.retryAt = now + ms;
  }
  q(state) {
    if (this.H) this.J(1e3);
    this.state = state;
    this.transport = "";
    this.w = false;
    this.resume = void 0;
    this.S = 0;
    for (const sub of this.c.values()) sub.h = false;
    if (state === "closed" && this.error) this.Ob(this.error.problem);
  }
  J(code) {
    if (this.oa) this.f.push({ do: "drop", code });
    this.oa = false;
    this.transport = "";
  }
  Ob(error) {
    this.m.fail(error);
    for (const name of [...this.c.keys()]) this.W(name, { error });
  }
  $a(now) {
    if (this.state === "waiting") {
      this.na = false;
      this.S = 0;
      this.I(now);
    } else if (this.state === "connecting" && !this.w && now > this.g - dialMs + freshMs) {
      this.J(4e3);
      this.I(now);
    } else if (this.state === "open" && now - this.ka > freshMs) {
      this.Ca(now, probeMs);
    }
  }
  Kb(now) {
    if (now < this.ya) return;
    if (this.state === "waiting") {
      if (now >= this.retryAt && !this.na) this.I(now);
    } else if (this.state === "connecting") {
      if (now < this.g || this.w) return;
      this.cb(now);
    } else if (this.state === "open") {
      if (!this.la) {
        if (now - this.ka >= this.ja) this.Ca(now, Math.min(this.ja, patienceMs));
      } else if (now - this.g > freshMs) {
        this.Ca(now, probeMs);
      } else if (now >= this.g) {
        return this.cb(now);
      }
    }
    this.T(now);
    if (this.state === "open" && now >= this.ga) this.bb();
  }
  cb(now) {
    this.J(4e3);
    if (this.y) this.f.push({ do: "steal" });
    this.C({ problem: trouble("silent", "there was no answer") }, now);
  }
  Ca(now, patience) {
    this.la = now;
    this.g = now + patience;
    this.n([this.U({ ping: {} })]);
  }
  Lb(now) {
    let deadline = Infinity;
    if (this.state === "waiting" && !this.na) deadline = this.retryAt;
    else if (this.state === "connecting" && !this.w) deadline = this.g;
    else if (this.state === "open") {
      deadline = this.la ? this.g : this.ka + this.ja;
      deadline = Math.min(deadline, this.m.P, this.ga);
    }
    this.ya = Math.max(deadline, now);
  }
  // --- commands ---
  U(command) {
    return { id: ++this.F, ...command };
  }
  n(lines) {
    this.f.push({ do: "send", lines });
  }
  Jb({ name, since, last, d: fields }) {
    const old = this.c.get(name);
    const sub = { name, since, last, d: fields, h: false };
    this.c.set(name, sub);
    if (this.state === "closed" && this.error) return this.W(name, { error: this.error.problem });
    if (this.state !== "open") return;
    if (old) this.pa(name);
    this.n([this.V(sub)]);
  }
  V(sub) {
    const { name, since, last, d: fields } = sub;
    const delta = this.v.deltas && "fossil";
    const line = this.U({ subscribe: { channel: name, since, last: since ? void 0 : last, delta, ...fields } });
    this.G.set(this.F, sub);
    return line;
  }
  // Subscribes to what has not begun and was not asked for.
  bb() {
    this.ga = Infinity;
    const asked = new Set(this.G.values());
    for (const sub of this.c.values()) if (!sub.h && !asked.has(sub)) this.n([this.V(sub)]);
  }
  // A delta did not fit (docs/protocol.md §8.5): what comes until this has begun again is left out, and comes again.
  Pb(sub) {
    sub.h = false;
    this.pa(sub.name);
    this.n([this.V(sub)]);
  }
  pa(channel) {
    this.n([this.U({ unsubscribe: { channel } })]);
  }
  W(name, outcome) {
    if (outcome.error) this.c.delete(name);
    this.f.push({ do: "begun", name, ...outcome });
  }
  // --- what comes ---
  Ib(line, now) {
    if (line.position && line.channel) {
      const sub = this.c.get(line.channel);
      const whole = sub?.read ? sub.h && sub.read(line) : line;
      if (!whole) return sub.h ? this.Pb(sub) : void 0;
      line = whole;
      this.db(line.channel, line.position);
    } else if (line.id || line.error) {
      return this.Qb(line, now);
    } else if (line.gap) {
      if (line.gap.to) this.db(line.gap.channel, line.gap.to);
    } else if (line.vector) {
      const sub = this.c.get(line.vector.channel);
      if (sub?.h) sub.since = line.vector.vector;
    } else if (line.message) {
      this.ha = line.message.position;
    } else if (line.subscribed) {
      const { channel, position } = line.subscribed;
      if (channel[0] === "@") this.ha = position ?? void 0;
      else this.c.set(channel, { since: position, name: channel, d: {}, h: true });
    } else if (line.unsubscribed) {
      return this.W(line.unsubscribed.channel, { error: line.unsubscribed.error });
    } else if (line.reconnect) {
      this.ia = line.reconnect.after_ms;
    } else if (line.expiring) {
      if (!this.w && this.v.Aa && !this.y) this.Ba("expired");
    } else if (line.end) {
      const { code, reason, reconnect } = line.end;
      const problem = this.ma ?? trouble("ended", reason);
      if (this.H) this.J(4e3);
      return this.C({ code, reconnect, problem }, now);
    }
    this.f.push({ do: "push", line });
  }
  db(channel, position) {
    const sub = this.c.get(channel);
    if (sub?.h && isBehind(position, sub.since)) sub.since = position;
    else if (!sub && channel[0] === "@") this.ha = position;
  }
  Qb({ id, ok, error }, now) {
    const hello = this.fa.get(id);
    if (hello) {
      this.fa.clear();
      if (ok) this.Nb(ok, hello, now);
      else this.ma = error;
      return;
    }
    const sub = this.G.get(id);
    if (sub) {
      this.G.delete(id);
      if (this.c.get(sub.name) === sub) this.Rb(sub, ok, error, now);
      return;
    }
    if (this.m.Db(id, error ? { error } : { ok }, now)) this.T(now);
  }
  Rb(sub, ok, error, now) {
    const { name } = sub;
    if (error) {
      if (error.retry_after_ms) {
        this.ga = now + error.retry_after_ms;
        return;
      }
      if (sub.since && /(bad-position|bad-command)$/.test(error.type)) {
        sub.since = void 0;
        this.f.push({ do: "push", line: { gap: { channel: name, from: null, to: null, reason: "lost" } } });
        this.n([this.V(sub)]);
        return;
      }
      if (!/already-subscribed$/.test(error.type)) return this.W(name, { error });
    }
    sub.h = true;
    sub.read = ok?.delta && this.v.deltas?.();
    sub.last = void 0;
    sub.since = ok?.position ?? ok?.vector ?? sub.since;
    this.W(name, { ok: ok ?? { position: sub.since } });
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
    this.z = new globalThis.Map();
    this.Sb = 0;
    this.eb = [];
    this.Da = false;
    this.Ea = upgradeFirstMs;
    this.fb = "idle";
    this.gb = "";
    /** @internal */
    this.o = false;
    this.ob = 0;
    const { href } = new URL(url ?? ".", globalThis.document?.baseURI);
    this.url = href.replace(/^ws/, "http").replace(/\/?([?#].*)?$/, "/");
    this.i = options;
    const { token } = options;
    this.e = new Session({
      client: options.client ?? "godwit-js/" + version,
      Aa: typeof token === "function",
      token: typeof token === "string" ? token : void 0,
      deltas: options.deltas,
      random: Math.random
    });
    this.K = new Fan(this.e, this);
    this.ra = options.grace ?? 5e3;
  }
  /** What the connection is doing; in a tab that shares another one's, what that is doing. */
  get state() {
    const { state } = this.e;
    if (this.o) return "closed";
    return state === "closed" || state === "idle" ? state : this.b.state;
  }
  /** When the next attempt is made, in the state `waiting`. */
  get retryAt() {
    const { retryAt } = this.b;
    return this.state === "waiting" && isFinite(retryAt) ? new Date(retryAt) : void 0;
  }
  /** Why the connection is not there. */
  get error() {
    const { error } = this.e;
    return error && this.state !== "open" ? new GodwitError(error.problem, error.code) : void 0;
  }
  /** What carries the connection, "" while there is none. */
  get transport() {
    return this.b.transport;
  }
  /** Whether another tab has the connection. */
  get isShared() {
    return this.b !== this.e;
  }
  /** Who the server says this is. */
  get user() {
    return this.b.user;
  }
  /** The id of the session, which others see as that of a member. */
  get session() {
    return this.b.resume?.session;
  }
  /** What the connection is like, wherever it is. @internal */
  get b() {
    return this.e;
  }
  channel(name, options = {}) {
    return this.Tb(name, options);
  }
  /** @internal */
  Tb(name, options) {
    return new Channel(this, name, options);
  }
  /** rpc calls a method, and resolves with what answers it. Default timeout 30 s. */
  async rpc(method, data, { timeout = 3e4, signal } = {}) {
    const body = { method, timeout_ms: Math.max(1, Math.min(timeout, 6e4)), ...data === void 0 ? {} : payload(data) };
    const ok = await this.Z("rpc", body, { timeout: timeout + 5e3, signal });
    return message(ok).data;
  }
  /** reconnect tries at once, also after the server has said that it would do no good. */
  reconnect() {
    if (!this.o) this.a({ is: "again" });
  }
  /** close ends the connection for good: what waits fails. */
  close() {
    if (this.o) return;
    this.o = true;
    this.hb();
    for (const reply of [...this.z.values()]) reply({ error: wasClosed });
  }
  // --- commands ---
  /** @internal */
  qb(feed) {
    this.ib();
    if (this.o) queueMicrotask(() => feed.Na(wasClosed));
    else this.K.yb(feed);
  }
  /** @internal */
  sb(feed) {
    this.K.Bb(feed);
    this.Ha();
  }
  /** @internal */
  Z(verb, body, { timeout = verb === "publish" ? 0 : 3e4, signal } = {}) {
    return new Promise((done, failed) => {
      const give = (reason) => {
        end();
        this.Ub(ref);
        failed(reason);
      };
      const aborted = () => give(signal.reason);
      if (signal?.aborted) return failed(signal.reason);
      const ref = this.Vb(verb, body, ({ ok, error }) => {
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
  Vb(verb, body, reply) {
    const isFull = this.z.size >= (this.i.queue ?? 1e3);
    if (this.o || isFull) {
      queueMicrotask(() => reply({ error: this.o ? wasClosed : trouble("queue", "too many commands wait") }));
      return 0;
    }
    const ref = ++this.Sb;
    this.z.set(ref, (outcome) => {
      this.z.delete(ref);
      reply(outcome);
      this.Ha();
    });
    this.ib();
    this.a({ is: "ask", t: ref, u: verb, body });
    return ref;
  }
  /** @internal */
  Ub(ref) {
    if (!this.z.delete(ref)) return;
    this.a({ is: "forget", t: ref });
    this.Ha();
  }
  // --- the life of the connection ---
  ib() {
    this.jb();
    if (this.o || this.e.state !== "idle") return;
    this.Fa ??= watchPage({
      Ka: () => this.a({ is: "wake" }),
      La: (isLeft) => this.Wb(isLeft),
      resume: () => {
        this.kb();
        this.a({ is: "wake" });
      }
    });
    if (!this.kb()) this.a({ is: "use" });
  }
  /** _join says whether other tabs have a say in who connects. @internal */
  kb() {
    return false;
  }
  /** _part is the opposite of _join. @internal */
  lb() {
  }
  /** @internal */
  jb() {
    this.X?.();
    this.X = void 0;
  }
  /** _rest lets go when nobody has used anything for a while. @internal */
  Ha() {
    if (this.X || this.o || this.K.size > 0 || this.z.size > 0) return;
    this.X = later(this.ra, () => {
      this.X = void 0;
      this.hb();
    });
  }
  hb() {
    this.jb();
    this.Y?.();
    this.Y = void 0;
    this.a({ is: "leave" });
    this.lb();
    this.Fa?.();
    this.Fa = void 0;
    this.mb();
  }
  /** isLeft says that the page ends, and its session with it. @internal */
  Wb(isLeft) {
    if (!isLeft) this.a({ is: "sleep" });
    this.lb();
  }
  // --- one step after another ---
  /** @internal */
  a(input) {
    this.eb.push(input);
    if (this.Da) return;
    this.Da = true;
    try {
      for (let next; next = this.eb.shift(); ) {
        const effects = this.e.step(next, Date.now());
        this.Xb();
        for (const effect of effects) this.Yb(effect);
      }
    } finally {
      this.Da = false;
    }
  }
  Xb() {
    clearTimeout(this.l);
    const { ya: deadline } = this.e;
    if (deadline < Infinity) this.l = setTimeout(() => this.a({ is: "tick" }), Math.min(deadline - Date.now() + 1, timerMaxMs));
  }
  /** @internal */
  Yb(effect) {
    switch (effect.do) {
      case "send":
        return this.L?.send(effect.lines);
      case "dial":
        return this.qa();
      case "drop":
        this.L?.close(effect.code);
        this.L = void 0;
        return;
      case "token":
        return this.Zb(effect.reason);
      case "reply":
        return this.z.get(effect.t)?.(effect);
      case "begun":
        return this.K._(effect.name, effect.ok, effect.error);
      case "push":
        return void this.$(effect.line);
      case "state":
        return this.mb();
    }
  }
  Zb(reason) {
    const { token } = this.i;
    const get = async () => typeof token === "function" ? token(reason) : token;
    get().then(
      (token2) => this.a({ is: "token", token: token2 }),
      (error) => this.a({ is: "token", error: trouble("token", "no token was to be had: " + (error?.message ?? error)) })
    );
  }
  /** _push hands on what has come, and says whether another tab wants it. @internal */
  $(line) {
    if (line.message) this.k("message", message(line.message));
    return this.K.push(line);
  }
  /** @internal */
  qa() {
    this.L?.close(4e3);
    const around = { ...this.i, url: this.url + "connect", session: this.e };
    const known = this.Ga ?? memory(this.url);
    const kinds = this.nb().sort((a, b) => Number(b === known) - Number(a === known));
    this.L = new Dialer(kinds, kinds[0] === known && this.ob++ % 3 < 2, around, this);
  }
  nb() {
    const hasSocket = !!(this.i.WebSocket ?? globalThis.WebSocket);
    return (this.i.transports ?? ["websocket", "stream", "sse", "poll"]).filter((kind) => kind !== "websocket" || hasSocket);
  }
  /** @internal */
  mb() {
    const { transport, resume } = this.e;
    if (transport && transport !== "tab") {
      this.ob = 0;
      if (this.Ga !== transport) memory(this.url, this.Ga = transport);
    }
    this.pb(transport);
    const all = [this.state, this.transport, this.retryAt?.getTime(), resume?.session].join();
    if (all === this.gb) return;
    this.gb = all;
    const { state } = this;
    const before = this.fb;
    this.fb = state;
    this.k("state", state);
    if (state === "open" && before !== "open") this.k("open", this);
    if (state !== "open" && before === "open") this.k("close", this.error);
    if ((state === "waiting" || state === "closed") && before !== state && this.error) this.k("error", this.error);
  }
  // What carries the session is replaced by a WebSocket when that gets through.
  pb(kind) {
    if (this.Y || kind === "" || kind === "tab" || kind === "websocket" || !this.nb().includes("websocket")) return;
    this.Y = later(this.Ea, () => {
      this.Y = void 0;
      this.Ea = Math.min(this.Ea * 2, upgradeMaxMs);
      this.L?.tb?.();
      this.pb(this.e.transport);
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
