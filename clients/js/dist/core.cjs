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
    this.y = /* @__PURE__ */ new Map();
  }
  /** on calls listener at each event of that type, and returns how to stop. */
  on(type, listener, options = {}) {
    const off = () => this.off(type, listener);
    if (options.signal?.aborted) return off;
    const listeners = this.y.get(type) ?? [];
    if (!listeners.some(({ call }) => call === listener)) {
      this.y.set(type, [...listeners, { call: listener, once: !!options.once }]);
      this.Oa(type);
    }
    options.signal?.addEventListener("abort", off, { once: true });
    return off;
  }
  /** off ends what on began. */
  off(type, listener) {
    const before = this.y.get(type);
    const left = before?.filter(({ call }) => call !== listener) ?? [];
    if (!before || left.length === before.length) return;
    if (left.length > 0) this.y.set(type, left);
    else this.y.delete(type);
    this.Pa();
  }
  /** @internal */
  get qb() {
    return this.y.size > 0;
  }
  /** @internal */
  Oa(_type) {
  }
  /** @internal */
  Pa() {
  }
  /** @internal */
  m(type, event) {
    const listeners = this.y.get(type);
    for (const { call, once } of listeners ?? []) {
      if (once) this.off(type, call);
      try {
        call(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return !!listeners;
  }
};

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
var wasClosed = trouble("closed", "this client was closed");
function isPattern(name) {
  return name.includes("*");
}
function matcher(name) {
  if (!isPattern(name)) return (channel) => channel === name;
  const parts = name.split("/").map((part) => part === "**" ? "(?!@).+" : part === "*" ? "(?!@)[^/]+" : part.replace(/\W/g, "\\$&"));
  const pattern = new RegExp(`^${parts.join("/")}$`, "s");
  return (channel) => pattern.test(channel);
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
    this.n = /* @__PURE__ */ new Map();
    this.name = name;
    this.g = link;
    this.f = options;
  }
  /** How far this Channel has come: a position, or the vector of a pattern. Give it as `since` to go on from here. */
  get position() {
    return this.N;
  }
  /**
   * publish resolves with the position when the server has accepted it. While there is no connection it waits. It is done once,
   * also if the connection breaks meanwhile. A string is published as text, bytes as bytes, anything else as JSON.
   */
  async publish(data, { event, key, idempotencyKey, ...options } = {}) {
    const body = { channel: this.name, event, key, idempotency_key: idempotencyKey === false ? void 0 : idempotencyKey ?? randomId(), ...payload(data) };
    return (await this.g.ask("publish", body, options)).position;
  }
  /** history reads a page of what was published. Default is the newest 100. */
  async history({ last, since, limit, ...options } = {}) {
    const ok = await this.g.ask("history", { channel: this.name, last: since ? void 0 : last ?? 100, since, limit }, { timeout: 3e4, ...options });
    return { messages: ok.publications.map(message), position: ok.position, gap: ok.gap && gapOf(ok.gap, this.name) };
  }
  /** A loop over messages and gaps, which ends with an error if the subscription is refused or ended. */
  [Symbol.asyncIterator]() {
    const most = this.f.buffer ?? 1e3;
    let items = [];
    let failure;
    let isDone = false;
    let wake;
    const put = (item) => {
      if (items.length >= most) {
        const gone = items.splice(0, Math.max(1, most >> 1));
        const count = gone.reduce((sum, { gap }) => sum + (gap ? gap.count ?? 0 : 1), 0);
        const to = gone[gone.length - 1]?.position ?? null;
        items.unshift({ gap: { channel: this.name, from: null, to: isPattern(this.name) ? null : to, reason: "dropped", count }, channel: this.name });
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
        return { value: void 0, done: true };
      },
      return: async () => {
        items = [];
        end();
        return { value: void 0, done: true };
      }
    };
    return iterator;
  }
  /** @internal */
  Oa() {
    this.o?.();
    this.o = void 0;
    if (this.t) return;
    const feed = this.t = this.rb();
    this.g.ta(feed);
  }
  /** @internal */
  Pa() {
    if (this.qb || this.o) return;
    this.o = this.g.sb(this.g.grace, () => {
      this.o = void 0;
      if (this.t) this.g.ua(this.t);
      this.Qa();
    });
  }
  Qa() {
    this.t = void 0;
    this.n.clear();
  }
  rb() {
    const { since, last, rate } = this.f;
    let held = [];
    if (since && !isPattern(this.name)) this.n.set(this.name, since);
    const feed = {
      name: this.name,
      since,
      last,
      fields: rate ? { rate } : {},
      ba: (ok) => {
        if (this.t !== feed) return;
        const lines = held ?? [];
        if (held) {
          this.N = ok.vector ?? ok.position;
          if (!ok.publications && !isPattern(this.name) && !since) this.n.set(this.name, ok.position);
        }
        held = void 0;
        this.m("subscribed", this.N ?? "");
        for (const line of [...ok.publications ?? [], ...lines]) this.ca(line);
      },
      Ra: (error) => {
        if (this.t !== feed) return;
        this.Qa();
        this.m("error", new GodwitError(error));
      },
      push: (line) => {
        if (this.t !== feed) return;
        if (held) held.push(line);
        else this.ca(line);
      }
    };
    return feed;
  }
  ca(line) {
    if (line.position) {
      if (this.Sa(line.channel, line.position)) this.m("message", message(line));
    } else if (line.vector) {
      if (line.vector.channel === this.name) this.N = line.vector.vector;
    } else if (line.gap) {
      const gap = gapOf(line.gap, this.name);
      if (!gap.to || this.Sa(gap.channel, gap.to)) this.m("gap", gap);
    }
  }
  // What this Channel has had already comes again for another, or after a vector (docs/protocol.md §5.5).
  Sa(channel, position) {
    if (!isBehind(position, this.n.get(channel))) return false;
    if (isPattern(this.name)) {
      this.n.delete(channel);
      if (this.n.size >= channelsMax) this.n.delete(this.n.keys().next().value);
    } else this.N = position;
    this.n.set(channel, position);
    return true;
  }
};
function gapOf(gap, name) {
  return { channel: name, reason: "lost", ...gap };
}
function message(line) {
  const { channel, position, time, event, user, key, data, data_base64 } = line;
  const out = { data: data_base64 === void 0 ? data : Uint8Array.from(atob(data_base64), (c) => c.charCodeAt(0)), channel, position, time: new Date(time) };
  if (event) out.event = event;
  if (user) out.user = user;
  if (key) out.key = key;
  return out;
}
function payload(data) {
  if (data instanceof ArrayBuffer) data = new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) return { data: data === void 0 ? null : data };
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return { data_base64: btoa(text) };
}
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte + 256).toString(16).slice(1)).join("");
}

// src/carriers.ts
var batchMax = 6e4;
var waitSeconds = 25;
function open(transport, around, told) {
  return transport === "websocket" ? webSocket(around, told) : requests(transport, around, told);
}
function webSocket({ url, WebSocket }, told) {
  const socket = new WebSocket(url.replace(/^http/, "ws"), "godwit.v1");
  socket.onopen = () => told.da();
  socket.onmessage = ({ data }) => told.O(parse(data));
  socket.onclose = ({ code }) => told.ea({ code });
  socket.onerror = () => {
  };
  return {
    send: (lines) => lines.forEach((line) => socket.send(line)),
    close(code) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(code);
    }
  };
}
function requests(transport, around, told) {
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
    told.ea(why);
  };
  const ask = async (init, query = "") => {
    const { fetch } = around;
    const response = await fetch(around.url + query, { ...init, signal, cache: "no-store" });
    if (response.ok) return response;
    const problem = await response.json().catch(() => void 0);
    const seconds = Number(response.headers.get("Retry-After"));
    const why = { status: response.status, problem: problem?.type ? problem : void 0, retryAfter: seconds > 0 ? seconds * 1e3 : void 0 };
    if (response.status === 429 && hasBegun && init.method === "POST") {
      await wait(why.retryAfter ?? 1e3, signal);
      return signal.aborted ? void 0 : ask(init, query);
    }
    lost(why);
    return void 0;
  };
  const field = () => ({ "Godwit-Session": around.session() });
  const read = async (hello) => {
    const accept = { stream: "application/x-ndjson", sse: "text/event-stream", poll: "application/json" }[transport];
    let response = await ask({ method: "POST", body: hello, headers: { Accept: accept } });
    hasBegun = true;
    while (transport === "poll" && response) {
      const { poll, messages } = await response.json();
      if (isOver) return;
      told.O(messages);
      response = isOver ? void 0 : await ask({ headers: { Accept: accept, Prefer: "wait=" + waitSeconds, ...field() } }, "?ack=" + poll);
    }
    if (!response) return;
    if (!response.body) return lost({});
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (; ; ) {
      const { done, value } = await reader.read();
      if (isOver) return;
      if (done) return lost({ retryAfter: Number(/^retry: *(\d+)$/m.exec(rest)?.[1]) || void 0 });
      rest += decoder.decode(value, { stream: true });
      const end = rest.lastIndexOf("\n") + 1;
      const text = rest.slice(0, end);
      rest = (/^retry:.*\n/m.exec(text)?.[0] ?? "") + rest.slice(end);
      told.O(parse(transport === "sse" ? text.replace(/^(data: ?|[^d\n].*)/gm, "") : text));
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
  queueMicrotask(() => isOver || told.da());
  return {
    send(lines) {
      if (!isAsked) {
        isAsked = true;
        void read(lines.join("\n")).catch(failed);
        return;
      }
      queue.push(...lines);
      if (!isPosting) void post().catch(failed);
    },
    close(code) {
      if (isOver) return;
      isOver = true;
      abort.abort();
      if (code !== 1e3 || !hasBegun || around.session() === "") return;
      const { fetch } = around;
      void fetch(around.url, { method: "DELETE", headers: field(), keepalive: true }).catch(() => {
      });
    }
  };
}
function wait(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
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
   * isKnown says that the first of kinds has worked before: if it fails at once, so would the others, probably, and they are not
   * tried.
   */
  constructor(kinds, _isKnown, _around, _told) {
    this.xb = _isKnown;
    this.ub = _around;
    this.H = _told;
    this.i = [];
    // what is written to
    this.P = false;
    this.va = {};
    this.wa = false;
    this.z = [...kinds];
    this.ga(headStartMs);
  }
  send(lines) {
    this.fa?.xa.send(lines);
  }
  close(code) {
    this.wa = true;
    clearTimeout(this.p);
    for (const candidate of this.i) candidate.xa.close(candidate === this.fa ? code : 4e3);
    this.i = [];
  }
  /** tryBetter opens a WebSocket beside what carries the session, which is replaced if that gets through. */
  tb() {
    if (this.P && this.i.length === 1 && !this.wa) this.Ta("websocket");
  }
  ga(head) {
    clearTimeout(this.p);
    const kind = this.z.shift();
    if (!kind) return;
    this.p = setTimeout(() => this.ga(stepMs), head);
    this.Ta(kind);
  }
  Ta(kind) {
    const candidate = { b: kind };
    this.i.push(candidate);
    const isOurs = () => !this.wa && this.i.includes(candidate);
    try {
      candidate.xa = open(kind, this.ub, {
        da: () => isOurs() && this.vb(candidate),
        O: (lines) => isOurs() && this.wb(candidate, lines),
        ea: (why) => isOurs() && this.G(candidate, why)
      });
    } catch {
      queueMicrotask(() => isOurs() && this.G(candidate, {}));
    }
  }
  vb(candidate) {
    if (this.P) this.Ua(candidate);
    else if (this.z.length > 0 && candidate.b === "websocket") {
      clearTimeout(this.p);
      this.p = setTimeout(() => this.ga(stepMs), grantMs);
    }
    this.fa = candidate;
    this.H.da(candidate.b);
  }
  wb(candidate, lines) {
    if (!this.P) {
      if (lines.length === 0) return;
      this.Ua(candidate);
      this.P = true;
      clearTimeout(this.p);
    }
    this.H.O(lines);
  }
  Ua(candidate) {
    const others = this.i.filter((other) => other !== candidate);
    this.i = [candidate];
    this.fa = candidate;
    for (const other of others) other.xa?.close(4e3);
  }
  G(candidate, why) {
    this.i = this.i.filter((other) => other !== candidate);
    if (why.status || !this.va.status) this.va = why;
    if (this.i.length > 0) return;
    if (!this.P && this.z.length > 0 && !(this.xb && !why.status)) return this.ga(stepMs);
    this.close(4e3);
    this.H.ea(this.va);
  }
};

// src/fan.ts
var Fan = class {
  constructor(_session, _run, _ask) {
    this.c = _session;
    this.a = _run;
    this.R = _ask;
    this.A = /* @__PURE__ */ new Map();
    this.ha = [];
  }
  get size() {
    return this.A.size;
  }
  ta(feed) {
    const { name, since, last, fields } = feed;
    let branch = this.A.get(name);
    if (!branch) {
      branch = { u: /* @__PURE__ */ new Set([feed]), Va: feed, fields, yb: matcher(name) };
      this.A.set(name, branch);
      if (isPattern(name)) this.ha.push(branch);
      if (this.c.Wa(name)) this.ya(branch, feed);
      else this.a({ is: "subscribe", name, since, last, fields });
      return;
    }
    branch.u.add(feed);
    if (this.c.Wa(name)) this.ya(branch, feed);
  }
  ua(feed) {
    const branch = this.A.get(feed.name);
    if (!branch?.u.delete(feed) || branch.u.size > 0) return;
    this.Q(feed.name, branch);
    this.a({ is: "unsubscribe", name: feed.name });
  }
  ba(name, ok, error) {
    const branch = this.A.get(name);
    if (!branch) return;
    if (error) {
      this.Q(name, branch);
      for (const feed of branch.u) feed.Ra(error);
      return;
    }
    branch.Va.za = true;
    for (const feed of branch.u) if (feed.za) feed.ba(ok);
    for (const feed of branch.u) if (!feed.za && !this.ya(branch, feed)) return;
  }
  /** push hands on what has come, and says whether another tab wants it. */
  push(line) {
    const about = line.position ? line : line.gap ?? line.join ?? line.leave ?? line.presence ?? line.vector;
    const name = about?.channel;
    if (name === void 0) return false;
    let isWanted = this.Xa(this.A.get(name), line);
    for (const branch of this.ha) if (branch.yb(name)) isWanted = this.Xa(branch, line) || isWanted;
    return isWanted;
  }
  Xa(branch, line) {
    let isWanted = false;
    for (const feed of branch?.u ?? []) {
      if (feed.push) feed.push(line);
      else isWanted = true;
    }
    return isWanted;
  }
  Q(name, branch) {
    this.A.delete(name);
    this.ha = this.ha.filter((other) => other !== branch);
  }
  // _fill gives a feed that came late its beginning. It returns false if the subscription is asked for again for that.
  ya(branch, feed) {
    const { name, since, last, fields } = feed;
    const position = this.c.position(name);
    const needsMore = !!fields.presence && !branch.fields.presence;
    const isEarlier = !!since && since !== position && (isPattern(name) || isBehind(position, since));
    if (needsMore || isEarlier || branch.fields.rate && branch.fields.rate !== fields.rate) {
      branch.Va = feed;
      branch.fields = { presence: fields.presence || branch.fields.presence };
      this.a({ is: "subscribe", name, since: isEarlier ? since : position, fields: branch.fields });
      return false;
    }
    const begin = (ok) => {
      if (!branch.u.has(feed)) return;
      feed.za = true;
      feed.ba(ok);
    };
    const now = { position, vector: position };
    if (!last || since || isPattern(name)) begin(now);
    else {
      this.R("history", { channel: name, last: Math.min(last, 256) }).then(begin, () => begin(now));
    }
    return true;
  }
};

// src/page.ts
function watchPage(life) {
  if (typeof addEventListener !== "function") return () => {
  };
  const end = new AbortController();
  const { signal } = end;
  const wake = () => life.zb();
  addEventListener("online", wake, { signal });
  if (typeof document === "undefined") return () => end.abort();
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal });
  document.addEventListener("freeze", () => life.Ya(false), { signal });
  document.addEventListener("resume", () => life.resume(), { signal });
  addEventListener("pagehide", ({ persisted }) => life.Ya(!persisted), { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && life.resume(), { signal });
  return () => end.abort();
}

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
    this.T = _exit;
    /** Whether what was sent went through a connection whose ids are not ours: that of another tab. */
    this.Aa = false;
    /** Until when the server wants no publications, 0 for now. */
    this.B = 0;
    this.v = /* @__PURE__ */ new Map();
    // by ref
    this.S = /* @__PURE__ */ new Map();
  }
  get size() {
    return this.v.size;
  }
  ask(ref, verb, body) {
    this.v.set(ref, { w: ref, q: verb, body, id: 0, Za: 0 });
  }
  /** flush sends what was not sent yet, as far as there is room. */
  flush(now) {
    if (now >= this.B) this.B = 0;
    let underWay = 0;
    for (const { id, q: verb } of this.v.values()) if (id && isCounted(verb)) underWay++;
    for (const asked of this.v.values()) {
      if (asked.id) continue;
      if (isCounted(asked.q) && (this.B || ++underWay > windowMax)) continue;
      this._a(asked, now, this.T.$a());
    }
  }
  /** goOn sends again what has no reply (docs/protocol.md §6.2, §6.3). isResumed says that the session is the one of before. */
  Ab(isResumed, now) {
    const isSame = isResumed && !this.Aa;
    this.Aa = false;
    this.S.clear();
    for (const asked of [...this.v.values()]) {
      if (!asked.id) continue;
      const isOnce = isCounted(asked.q) && !asked.body.idempotency_key;
      if (isSame && isCounted(asked.q)) this._a(asked, now, asked.id);
      else if (isOnce || isCounted(asked.q) && now - asked.Za > keyMs) {
        this.Ba(asked, { error: trouble("unknown", "the connection was lost, and what became of this is not known") });
      } else asked.id = 0;
    }
  }
  /** replied settles the command of that id. It returns false if there is none. */
  Bb(id, outcome, now) {
    const asked = this.S.get(id);
    if (!asked) return false;
    const after = outcome.error?.retry_after_ms;
    if (after && asked.body.idempotency_key) {
      asked.id = 0;
      this.S.delete(id);
      this.B = Math.max(this.B, now + after);
    } else this.Ba(asked, outcome);
    return true;
  }
  /** forget gives a command up. A call is canceled, if it can be. */
  forget(ref, isOpen) {
    const asked = this.v.get(ref);
    if (!asked) return;
    if (isOpen && asked.id && asked.q === "rpc") this.T.send(JSON.stringify({ id: this.T.$a(), cancel: { rpc: asked.id } }));
    this.Q(asked);
  }
  fail(error) {
    for (const asked of [...this.v.values()]) this.Ba(asked, { error });
  }
  _a(asked, now, id) {
    if (!asked.id) asked.Za = now;
    asked.id = id;
    this.S.set(id, asked);
    this.T.send(JSON.stringify({ id, [asked.q]: asked.body }));
  }
  Ba(asked, outcome) {
    this.Q(asked);
    this.T.Cb(asked.w, outcome);
  }
  Q(asked) {
    this.v.delete(asked.w);
    this.S.delete(asked.id);
  }
};
function isCounted(verb) {
  return verb === "publish" || verb === "rpc";
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
    this.b = "";
    this.Ca = Infinity;
    this.ia = Infinity;
    this.x = false;
    this.ab = 0;
    this.C = false;
    this.K = 0;
    this.ja = /* @__PURE__ */ new Map();
    // by the id of connect
    this.h = new Outbox({
      $a: () => ++this.K,
      send: (line) => this.r([line]),
      Cb: (ref, outcome) => this.j.push({ do: "reply", w: ref, ...outcome })
    });
    this.e = /* @__PURE__ */ new Map();
    this.U = /* @__PURE__ */ new Map();
    this.W = 0;
    this.ka = 1e3;
    this.la = 25e3;
    this.ma = 0;
    this.na = 0;
    this.k = 0;
    // of dialling, or of the reply to a ping
    this.bb = 0;
    // of connect
    this.pa = false;
    this.qa = false;
    this.j = [];
    this.I = settings;
    this.J = settings.token;
  }
  /** The newest position or vector of a subscription. */
  position(name) {
    return this.e.get(name)?.since;
  }
  /** Whether a subscription has begun on this connection. */
  Wa(name) {
    return !!this.e.get(name)?.D;
  }
  /** How many commands wait for their reply. */
  get waiting() {
    return this.h.size;
  }
  step(input, now) {
    const effects = this.j = [];
    const before = this.state + this.retryAt + this.b;
    switch (input.is) {
      case "use":
        if (this.state === "idle") this.L(now);
        break;
      case "again":
        if (this.state === "closed") this.L(now);
        else this.cb(now);
        break;
      case "leave":
        if (this.state !== "closed") this.o("idle");
        break;
      case "follow":
        this.Db(input.follow, now);
        break;
      case "token":
        this.Eb(input, now);
        break;
      case "ready":
        if (this.state === "connecting" || this.state === "open") this.Fb(input.b, now);
        break;
      case "received":
        this.ma = now;
        this.na = 0;
        for (const line of input.lines) this.Gb(line, now);
        break;
      case "lost":
        this.qa = false;
        this.G(input, now);
        break;
      case "subscribe":
        this.Hb(input);
        break;
      case "unsubscribe":
        if (this.e.delete(input.name) && this.state === "open") this.Da(input.name);
        break;
      case "ask":
        this.h.ask(input.w, input.q, input.body);
        if (this.state === "closed" && this.error) this.h.fail(this.error.problem);
        this.X(now);
        break;
      case "forget":
        this.h.forget(input.w, this.state === "open");
        this.X(now);
        break;
      case "wake":
        this.cb(now);
        break;
      case "sleep":
        if (this.state === "connecting" || this.state === "open") {
          this.pa = true;
          this.M(4e3);
          this.Ea(now, Infinity);
        }
        break;
      case "tick":
        this.Ib(now);
    }
    if (before !== this.state + this.retryAt + this.b) effects.push({ do: "state" });
    this.Jb(now);
    return effects;
  }
  // --- connecting ---
  L(now) {
    this.state = "connecting";
    this.b = "";
    this.bb = now;
    this.k = now + dialMs;
    this.ja.clear();
    if (!this.C && this.I.Fa && (!this.J || now >= this.ia)) this.Ga(this.J ? "expired" : "first");
    else this.ra();
  }
  ra() {
    this.qa = true;
    this.j.push({ do: "dial" });
  }
  Ga(reason) {
    this.x = true;
    this.j.push({ do: "token", reason });
  }
  Eb({ token, error }, now) {
    if (!this.x) return;
    this.x = false;
    if (token !== void 0) {
      this.J = token;
      this.ia = Infinity;
    }
    if (this.state === "open") {
      if (token !== void 0) this.r([this.Y({ refresh: { token } })]);
    } else if (this.state === "connecting") {
      this.k = now + dialMs;
      if (error) this.db(now, error);
      else this.ra();
    }
  }
  // What a new connection begins with (docs/protocol.md §6.2). Publications and calls that have no reply follow when it is
  // known whether the session goes on.
  Fb(kind, now) {
    if (this.state === "open") this.k = now + dialMs;
    this.state = "connecting";
    this.K = Math.max(this.K, now * 1e3);
    const connect = { client: this.I.client };
    if (this.J && !this.C) connect.token = this.J;
    if (this.resume) connect.resume = this.resume;
    if (this.V) connect.messages = this.V;
    const lines = [this.Y({ connect })];
    this.ja.set(this.K, { b: kind, Kb: this.U = /* @__PURE__ */ new Map() });
    for (const sub of this.e.values()) {
      sub.D = false;
      lines.push(this.Z(sub));
    }
    if (kind === "tab") this.k = now + tabMs;
    this.r(lines);
  }
  Lb(ok, { b: kind, Kb: subs }, now) {
    this.state = "open";
    this.b = kind;
    this.user = ok.user;
    this.error = void 0;
    this.retryAt = 0;
    this.resume = { session: ok.session, secret: ok.secret };
    this.ka = ok.reconnect?.after_ms ?? this.ka;
    this.la = ok.ping_ms || 25e3;
    this.W = this.ab = 0;
    this.ia = ok.expires_after_ms ? now + ok.expires_after_ms : Infinity;
    this.U = subs;
    for (const sub of subs.values()) if (this.e.get(sub.name) !== sub) this.Da(sub.name);
    const begins = new Set(subs.values());
    for (const sub of this.e.values()) if (!begins.has(sub)) this.r([this.Z(sub)]);
    this.h.Ab(!!ok.resumed && kind !== "tab", now);
    this.X(now);
  }
  X(now) {
    if (this.state === "open") this.h.flush(now);
  }
  Db(follow, now) {
    if (this.C === follow) return;
    this.C = follow;
    this.h.Aa = true;
    if (this.state !== "idle" && this.state !== "closed") {
      if (this.state !== "waiting") this.M(4e3);
      this.W = 0;
      this.L(now);
    }
  }
  // --- losing ---
  G(why, now) {
    if (this.state !== "connecting" && this.state !== "open") return;
    const wasOpen = this.state === "open";
    const { code, status, reconnect } = why;
    const problem = why.problem ?? this.oa ?? trouble("lost", status ? "the server answered " + status : "the connection was lost");
    const retryAfter = why.retryAfter ?? problem.retry_after_ms;
    this.oa = void 0;
    const has = (what) => codesAfter[what].includes(code);
    const isDelayed = !status || status === 408 || status === 429 || status > 499 || status === 404 && /session-unknown$/.test(problem.type);
    const isKnown = has("never") || has("new-token") || has("afresh");
    const needsToken = status === 401 || has("new-token");
    const isOver = code !== 4409 && (has("never") || !(isDelayed || needsToken) || !isKnown && reconnect === false);
    this.error = { problem, code: code ?? status };
    if (code === 4409) this.resume = void 0;
    if (isOver) return this.o("closed");
    if (needsToken) {
      this.ia = Infinity;
      if (!this.I.Fa || this.ab++ > 0) return this.o("closed");
      this.state = "connecting";
      this.b = "";
      return this.Ga("refused");
    }
    if (this.C) return this.Ea(now, wasOpen ? 0 : 500);
    this.db(now, problem, retryAfter);
  }
  // docs/protocol.md §6.6
  db(now, problem, retryAfter = 0) {
    this.error ??= { problem };
    const most = Math.min(delayMaxMs, this.ka * 2 ** this.W++);
    this.Ea(now, Math.max(retryAfter, most * (0.5 + this.I.random() / 2)));
  }
  Ea(now, ms) {
    this.state = "waiting";
    this.b = "";
    this.retryAt = now + ms;
  }
  o(state) {
    if (this.state === "open" || this.state === "connecting") this.M(1e3);
    this.state = state;
    this.b = "";
    this.x = false;
    this.resume = void 0;
    this.W = 0;
    for (const sub of this.e.values()) sub.D = false;
    if (state === "closed" && this.error) this.Mb(this.error.problem);
  }
  M(code) {
    if (this.qa) this.j.push({ do: "drop", code });
    this.qa = false;
    this.b = "";
  }
  Mb(error) {
    this.h.fail(error);
    for (const name of [...this.e.keys()]) this._(name, { error });
  }
  cb(now) {
    if (this.state === "waiting") {
      this.pa = false;
      this.W = 0;
      this.L(now);
    } else if (this.state === "connecting" && !this.x && now - this.bb > freshMs) {
      this.M(4e3);
      this.L(now);
    } else if (this.state === "open" && now - this.ma > freshMs) {
      this.Ha(now, probeMs);
    }
  }
  Ib(now) {
    if (now < this.Ca) return;
    if (this.state === "waiting") {
      if (now >= this.retryAt && !this.pa) this.L(now);
    } else if (this.state === "connecting") {
      if (now < this.k || this.x) return;
      this.eb(now);
    } else if (this.state === "open") {
      if (!this.na) {
        if (now - this.ma >= this.la) this.Ha(now, Math.min(this.la, patienceMs));
      } else if (now - this.k > freshMs) {
        this.Ha(now, probeMs);
      } else if (now >= this.k) {
        return this.eb(now);
      }
    }
    this.X(now);
    for (const sub of this.e.values()) {
      if (sub.retryAt && now >= sub.retryAt && this.state === "open") {
        sub.retryAt = 0;
        this.r([this.Z(sub)]);
      }
    }
  }
  eb(now) {
    this.M(4e3);
    if (this.C) this.j.push({ do: "steal" });
    this.G({ problem: trouble("silent", "there was no answer") }, now);
  }
  Ha(now, patience) {
    this.na = now;
    this.k = now + patience;
    this.r([this.Y({ ping: {} })]);
  }
  Jb(now) {
    let deadline = Infinity;
    if (this.state === "waiting" && !this.pa) deadline = this.retryAt;
    else if (this.state === "connecting" && !this.x) deadline = this.k;
    else if (this.state === "open") {
      deadline = this.na ? this.k : this.ma + this.la;
      if (this.h.B) deadline = Math.min(deadline, this.h.B);
      for (const sub of this.e.values()) if (sub.retryAt) deadline = Math.min(deadline, sub.retryAt);
    }
    this.Ca = Math.max(deadline, now);
  }
  // --- commands ---
  Y(command) {
    return JSON.stringify({ id: ++this.K, ...command });
  }
  r(lines) {
    this.j.push({ do: "send", lines });
  }
  Hb({ name, since, last, fields }) {
    const old = this.e.get(name);
    const sub = { name, since, last, fields, D: false, retryAt: 0 };
    this.e.set(name, sub);
    if (this.state === "closed" && this.error) return this._(name, { error: this.error.problem });
    if (this.state !== "open") return;
    if (old) this.Da(name);
    this.r([this.Z(sub)]);
  }
  Z(sub) {
    const { name, since, last, fields } = sub;
    const line = this.Y({ subscribe: { channel: name, since, last: since ? void 0 : last, ...fields } });
    this.U.set(this.K, sub);
    return line;
  }
  Da(channel) {
    this.r([this.Y({ unsubscribe: { channel } })]);
  }
  _(name, outcome) {
    if (outcome.error) this.e.delete(name);
    this.j.push({ do: "begun", name, ...outcome });
  }
  // --- what comes ---
  Gb(line, now) {
    if (line.position && line.channel) {
      this.fb(line.channel, line.position);
    } else if (line.id || line.error) {
      return this.Nb(line, now);
    } else if (line.gap) {
      if (line.gap.to) this.fb(line.gap.channel, line.gap.to);
    } else if (line.vector) {
      const sub = this.e.get(line.vector.channel);
      if (sub?.D) sub.since = line.vector.vector;
    } else if (line.message) {
      this.V = line.message.position;
    } else if (line.subscribed) {
      const { channel, position } = line.subscribed;
      if (channel[0] === "@") this.V = position ?? void 0;
      else this.e.set(channel, { since: position, name: channel, fields: {}, D: true, retryAt: 0 });
    } else if (line.unsubscribed) {
      return this._(line.unsubscribed.channel, { error: line.unsubscribed.error });
    } else if (line.reconnect) {
      this.ka = line.reconnect.after_ms;
    } else if (line.expiring) {
      if (!this.x && this.I.Fa && !this.C) this.Ga("expired");
    } else if (line.end) {
      const { code, reason, reconnect } = line.end;
      const problem = this.oa ?? trouble("ended", reason);
      if (this.state === "connecting" || this.state === "open") this.M(4e3);
      return this.G({ code, reconnect, problem }, now);
    }
    this.j.push({ do: "push", line });
  }
  fb(channel, position) {
    const sub = this.e.get(channel);
    if (sub?.D && isBehind(position, sub.since)) sub.since = position;
    else if (!sub && channel[0] === "@") this.V = position;
  }
  Nb({ id, ok, error }, now) {
    const hello = this.ja.get(id);
    if (hello) {
      this.ja.clear();
      if (ok) this.Lb(ok, hello, now);
      else this.oa = error;
      return;
    }
    const sub = this.U.get(id);
    if (sub) {
      this.U.delete(id);
      if (this.e.get(sub.name) === sub) this.Ob(sub, ok, error, now);
      return;
    }
    if (this.h.Bb(id, error ? { error } : { ok }, now)) this.X(now);
  }
  Ob(sub, ok, error, now) {
    const { name } = sub;
    if (error) {
      if (error.retry_after_ms) {
        sub.retryAt = now + error.retry_after_ms;
        return;
      }
      if (sub.since && /(bad-position|bad-command)$/.test(error.type)) {
        sub.since = void 0;
        this.j.push({ do: "push", line: { gap: { channel: name, from: null, to: null, reason: "lost" } } });
        this.r([this.Z(sub)]);
        return;
      }
      if (!/already-subscribed$/.test(error.type)) return this._(name, { error });
    }
    sub.D = true;
    sub.last = void 0;
    sub.since = ok?.position ?? ok?.vector ?? sub.since;
    this._(name, { ok: ok ?? { position: sub.since } });
  }
};

// src/version.ts
var version = "0.1.0";

// src/client.ts
var upgradeFirstMs = 1e4;
var upgradeMaxMs = 6e5;
var timerMaxMs = 2 ** 31 - 1;
var Godwit = class extends Emitter {
  /** url is that of the server, http: or https:, and may have a path. Default is where the page is from. */
  constructor(url, options = {}, share) {
    super();
    this.F = new globalThis.Map();
    this.Pb = 0;
    this.hb = [];
    this.Ia = false;
    this.Ja = upgradeFirstMs;
    this.H = "idle";
    this.ib = "";
    this.s = false;
    this.ob = 0;
    this.gb = share;
    const base = typeof document === "undefined" ? void 0 : document.baseURI;
    const at = new URL(url ?? ".", base);
    at.protocol = at.protocol.replace(/^ws/, "http");
    this.url = at.href.replace(/[?#].*$/, "").replace(/\/?$/, "/");
    this.f = options;
    const { token } = options;
    this.c = new Session({
      client: options.client ?? "godwit-js/" + version,
      Fa: typeof token === "function",
      token: typeof token === "string" ? token : void 0,
      random: Math.random
    });
    this.E = new Fan(
      this.c,
      (input) => this.a(input),
      (verb, body) => this.R(verb, body, { timeout: 3e4 })
    );
    this.g = {
      grace: options.grace ?? 5e3,
      ta: (feed) => {
        this.jb();
        if (this.s) queueMicrotask(() => feed.Ra(wasClosed));
        else this.E.ta(feed);
      },
      ua: (feed) => {
        this.E.ua(feed);
        this.sa();
      },
      ask: (verb, body, options2) => this.R(verb, body, options2),
      sb: later
    };
  }
  /** What the connection is doing; in a tab that shares another one's, what that is doing. */
  get state() {
    const { state } = this.c;
    if (this.s) return "closed";
    return state !== "closed" && state !== "idle" ? this.d?.shared?.state ?? state : state;
  }
  /** When the next attempt is made, in the state `waiting`. */
  get retryAt() {
    const at = this.d?.shared?.retryAt ?? this.c.retryAt;
    return this.state === "waiting" && isFinite(at) ? new Date(at) : void 0;
  }
  /** Why the connection is not there. */
  get error() {
    const { error } = this.c;
    return error && this.state !== "open" ? new GodwitError(error.problem, error.code) : void 0;
  }
  /** What carries the connection, "" while there is none. */
  get transport() {
    return this.d?.shared?.transport ?? this.c.b;
  }
  /** Whether another tab has the connection. */
  get isShared() {
    return !!this.d?.shared;
  }
  /** Who the server says this is. */
  get user() {
    return this.d?.shared?.user ?? this.c.user;
  }
  /** The id of the session, which others see as that of a member. */
  get session() {
    return (this.d?.shared?.resume ?? this.c.resume)?.session;
  }
  channel(name, options = {}) {
    return this.Qb(this.g, name, options);
  }
  /** @internal */
  Qb(link, name, options) {
    return new Channel(link, name, options);
  }
  /** rpc calls a method, and resolves with what answers it. Default timeout 30 s. */
  async rpc(method, data, { timeout = 3e4, signal } = {}) {
    const body = { method, timeout_ms: Math.max(1, Math.min(timeout, 6e4)), ...data === void 0 ? {} : payload(data) };
    const ok = await this.R("rpc", body, { timeout: timeout + 5e3, signal });
    return message(ok).data;
  }
  /** reconnect tries at once, also after the server has said that it would do no good. */
  reconnect() {
    if (!this.s) this.a({ is: "again" });
  }
  /** close ends the connection for good: what waits fails. */
  close() {
    if (this.s) return;
    this.s = true;
    this.kb();
    for (const { reply } of [...this.F.values()]) reply({ error: wasClosed });
  }
  // --- commands ---
  R(verb, body, { timeout, signal } = {}) {
    return new Promise((done, failed) => {
      const give = (reason) => {
        end();
        this.lb(ref);
        failed(reason);
      };
      const aborted = () => give(signal.reason);
      if (signal?.aborted) return failed(signal.reason);
      const ref = this.mb(verb, body, ({ ok, error }) => {
        end();
        if (ok) done(ok);
        else failed(new GodwitError(error));
      });
      const stop = timeout && ref ? later(timeout, () => give(new GodwitError(trouble("timeout", "there was no reply in time; whether it was done is not known")))) : void 0;
      const end = () => {
        stop?.();
        signal?.removeEventListener("abort", aborted);
      };
      signal?.addEventListener("abort", aborted);
    });
  }
  mb(verb, body, reply) {
    const isFull = this.F.size >= (this.f.queue ?? 1e3);
    if (this.s || isFull) {
      queueMicrotask(() => reply({ error: this.s ? wasClosed : trouble("queue", "too many commands wait for the connection") }));
      return 0;
    }
    const ref = ++this.Pb;
    this.F.set(ref, {
      reply: (outcome) => {
        this.F.delete(ref);
        reply(outcome);
        this.sa();
      }
    });
    this.jb();
    this.a({ is: "ask", w: ref, q: verb, body });
    return ref;
  }
  lb(ref) {
    if (!this.F.delete(ref)) return;
    this.a({ is: "forget", w: ref });
    this.sa();
  }
  // --- the life of the connection ---
  jb() {
    this.Ma();
    if (this.s || this.c.state !== "idle") return;
    this.Ka ??= watchPage({
      zb: () => this.a({ is: "wake" }),
      Ya: (isLeft) => this.Rb(isLeft),
      resume: () => {
        this.d?.join();
        this.a({ is: "wake" });
      }
    });
    const { tabs = true } = this.f;
    if (tabs)
      this.d ??= this.gb?.("godwit 1 " + this.url + (tabs === true ? "" : " " + tabs), randomId(), {
        session: this.c,
        fan: this.E,
        run: (input) => this.a(input),
        command: (verb, body, reply) => this.mb(verb, body, reply),
        forget: (ref) => this.lb(ref),
        busy: () => this.Ma(),
        rest: () => this.sa(),
        tell: () => this.Na()
      });
    if (this.d) this.d.join();
    else this.a({ is: "use" });
  }
  Ma() {
    this.$?.();
    this.$ = void 0;
  }
  // _rest lets go when nobody has used anything for a while.
  sa() {
    if (this.$ || this.s || this.E.size > 0 || this.F.size > 0) return;
    this.$ = later(this.g.grace, () => {
      this.$ = void 0;
      this.kb();
    });
  }
  kb() {
    this.Ma();
    this.aa?.();
    this.aa = void 0;
    this.a({ is: "leave" });
    this.d?.leave();
    this.Ka?.();
    this.Ka = void 0;
    this.Na();
  }
  Rb(isLeft) {
    if (!isLeft || this.d?.Vb) this.a({ is: "sleep" });
    this.d?.leave();
  }
  // --- one step after another ---
  a(input) {
    this.hb.push(input);
    if (this.Ia) return;
    this.Ia = true;
    try {
      for (let next; next = this.hb.shift(); ) {
        const effects = this.c.step(next, Date.now());
        this.Sb();
        for (const effect of effects) this.Tb(effect);
      }
    } finally {
      this.Ia = false;
    }
  }
  Sb() {
    clearTimeout(this.p);
    const { Ca: deadline } = this.c;
    if (deadline < Infinity) this.p = setTimeout(() => this.a({ is: "tick" }), Math.min(deadline - Date.now() + 1, timerMaxMs));
  }
  Tb(effect) {
    switch (effect.do) {
      case "send":
        return this.l?.send(effect.lines);
      case "dial":
        return this.ra();
      case "drop":
        this.l?.close(effect.code);
        this.l = void 0;
        return;
      case "token":
        return this.Ub(effect.reason);
      case "reply":
        return this.F.get(effect.w)?.reply(effect);
      case "begun":
        return this.E.ba(effect.name, effect.ok, effect.error);
      case "push":
        return this.ca(effect.line);
      case "steal":
        return this.d?.steal();
      case "state":
        return this.Na();
    }
  }
  Ub(reason) {
    const { token } = this.f;
    const get = async () => typeof token === "function" ? token(reason) : token;
    get().then(
      (token2) => this.a({ is: "token", token: token2 }),
      (error) => this.a({ is: "token", error: trouble("token", "no token was to be had: " + (error?.message ?? error)) })
    );
  }
  ca(line) {
    const isWanted = this.E.push(line);
    if (line.message) this.m("message", message(line.message));
    if (this.d?.nb && (isWanted || line.message)) this.d.push(line);
  }
  ra() {
    this.l?.close(4e3);
    const sharing = this.d;
    if (sharing && !sharing.nb) {
      this.l = { send: (lines) => sharing.ask(lines), close() {
      } };
      this.a({ is: "ready", b: "tab" });
      return;
    }
    const around = {
      url: this.url + "connect",
      fetch: this.f.fetch ?? globalThis.fetch,
      WebSocket: this.f.WebSocket ?? globalThis.WebSocket,
      session: () => {
        const { resume } = this.c;
        return resume ? resume.session + "." + resume.secret : "";
      }
    };
    const kinds = this.z();
    const known = this.La ?? remembered(this.url);
    const first = kinds.find((kind) => kind === known);
    const order = first ? [first, ...kinds.filter((kind) => kind !== first)] : kinds;
    const dialer = new Dialer(order, !!first && this.ob++ % 3 < 2, around, {
      da: (kind) => this.l === dialer && this.a({ is: "ready", b: kind }),
      O: (lines) => this.l === dialer && this.a({ is: "received", lines }),
      ea: (why) => this.l === dialer && this.a({ is: "lost", ...why })
    });
    this.l = dialer;
  }
  z() {
    const hasSocket = !!(this.f.WebSocket ?? globalThis.WebSocket);
    return (this.f.transports ?? ["websocket", "stream", "sse", "poll"]).filter((kind) => kind !== "websocket" || hasSocket);
  }
  Na() {
    const { b: kind, resume } = this.c;
    if (kind && kind !== "tab") {
      this.ob = 0;
      if (this.La !== kind) remember(this.url, this.La = kind);
    }
    this.pb(kind);
    if (this.d?.nb) this.d.share();
    const all = [this.state, this.transport, this.retryAt?.getTime(), resume?.session].join();
    if (all === this.ib) return;
    this.ib = all;
    const { state } = this;
    const before = this.H;
    this.H = state;
    this.m("state", state);
    if (state === "open" && before !== "open") this.m("open", this);
    if (state !== "open" && before === "open") this.m("close", this.error);
    if ((state === "waiting" || state === "closed") && before !== state && this.error) this.m("error", this.error);
  }
  // What carries the session is replaced by a WebSocket when that gets through.
  pb(kind) {
    if (this.aa || kind === "" || kind === "tab" || kind === "websocket" || !this.z().includes("websocket")) return;
    this.aa = later(this.Ja, () => {
      this.aa = void 0;
      this.Ja = Math.min(this.Ja * 2, upgradeMaxMs);
      this.l?.tb?.();
      this.pb(this.c.b);
    });
  }
};
function later(ms, then) {
  const timer = setTimeout(then, Math.min(ms, timerMaxMs));
  timer.unref?.();
  return () => clearTimeout(timer);
}
var storageKey = (url) => "godwit transport " + url;
function remembered(url) {
  try {
    return sessionStorage.getItem(storageKey(url)) ?? void 0;
  } catch {
    return void 0;
  }
}
function remember(url, kind) {
  try {
    sessionStorage.setItem(storageKey(url), kind);
  } catch {
  }
}
