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
    this.E = /* @__PURE__ */ new Map();
  }
  /** on calls listener at each event of that type, and returns how to stop. */
  on(type, listener, options = {}) {
    const off = () => this.off(type, listener);
    if (options.signal?.aborted) return off;
    const listeners = this.E.get(type) ?? [];
    if (!listeners.some(({ call }) => call === listener)) {
      this.E.set(type, [...listeners, { call: listener, once: !!options.once }]);
      this.Pa(type);
    }
    options.signal?.addEventListener("abort", off, { once: true });
    return off;
  }
  /** off ends what on began. */
  off(type, listener) {
    const before = this.E.get(type);
    const left = before?.filter(({ call }) => call !== listener) ?? [];
    if (!before || left.length === before.length) return;
    if (left.length > 0) this.E.set(type, left);
    else this.E.delete(type);
    this.Qa();
  }
  /** @internal */
  get kb() {
    return this.E.size > 0;
  }
  /** @internal */
  Pa(_type) {
  }
  /** @internal */
  Qa() {
  }
  /** @internal */
  h(type, event) {
    const listeners = this.E.get(type);
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
    this.t = /* @__PURE__ */ new Map();
    this.name = name;
    this.e = link;
    this.k = options;
  }
  /** How far this Channel has come: a position, or the vector of a pattern. Give it as `since` to go on from here. */
  get position() {
    return this.aa;
  }
  /**
   * publish resolves with the position when the server has accepted it. While there is no connection it waits. It is done once,
   * also if the connection breaks meanwhile. A string is published as text, bytes as bytes, anything else as JSON.
   */
  async publish(data, { event, key, idempotencyKey, ...options } = {}) {
    const body = { channel: this.name, event, key, idempotency_key: idempotencyKey === false ? void 0 : idempotencyKey ?? randomId(), ...payload(data) };
    return (await this.e.ask("publish", body, options)).position;
  }
  /** history reads a page of what was published. Default is the newest 100. */
  async history({ last, since, limit, ...options } = {}) {
    const ok = await this.e.ask("history", { channel: this.name, last: since ? void 0 : last ?? 100, since, limit }, { timeout: 3e4, ...options });
    return { messages: ok.publications.map(message), position: ok.position, gap: ok.gap && gapOf(ok.gap, this.name) };
  }
  /** A loop over messages and gaps, which ends with an error if the subscription is refused or ended. */
  [Symbol.asyncIterator]() {
    const most = this.k.buffer ?? 1e3;
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
  Pa() {
    this.i?.();
    this.i = void 0;
    if (this.f) return;
    const feed = this.f = this.Qb();
    this.e.ba(feed);
  }
  /** @internal */
  Qa() {
    if (this.kb || this.i) return;
    this.i = this.e.lb(this.e.grace, () => {
      this.i = void 0;
      if (this.f) this.e.P(this.f);
      this.mb();
    });
  }
  mb() {
    this.f = void 0;
    this.t.clear();
  }
  Qb() {
    const { since, last, rate } = this.k;
    let held = [];
    if (since && !isPattern(this.name)) this.t.set(this.name, since);
    const feed = {
      name: this.name,
      since,
      last,
      fields: rate ? { rate } : {},
      Q: (ok) => {
        if (this.f !== feed) return;
        const lines = held ?? [];
        if (held) {
          this.aa = ok.vector ?? ok.position;
          if (!ok.publications && !isPattern(this.name) && !since) this.t.set(this.name, ok.position);
        }
        held = void 0;
        this.h("subscribed", this.aa ?? "");
        for (const line of [...ok.publications ?? [], ...lines]) this.F(line);
      },
      ua: (error) => {
        if (this.f !== feed) return;
        this.mb();
        this.h("error", new GodwitError(error));
      },
      push: (line) => {
        if (this.f !== feed) return;
        if (held) held.push(line);
        else this.F(line);
      }
    };
    return feed;
  }
  F(line) {
    if (line.position) {
      if (this.nb(line.channel, line.position)) this.h("message", message(line));
    } else if (line.vector) {
      if (line.vector.channel === this.name) this.aa = line.vector.vector;
    } else if (line.gap) {
      const gap = gapOf(line.gap, this.name);
      if (!gap.to || this.nb(gap.channel, gap.to)) this.h("gap", gap);
    }
  }
  // What this Channel has had already comes again for another, or after a vector (docs/protocol.md §5.5).
  nb(channel, position) {
    if (!isBehind(position, this.t.get(channel))) return false;
    if (isPattern(this.name)) {
      this.t.delete(channel);
      if (this.t.size >= channelsMax) this.t.delete(this.t.keys().next().value);
    } else this.aa = position;
    this.t.set(channel, position);
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
  socket.onopen = () => told.va();
  socket.onmessage = ({ data }) => told.G(parse(data));
  socket.onclose = ({ code }) => told.wa({ code });
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
    told.wa(why);
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
      told.G(messages);
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
      told.G(parse(transport === "sse" ? text.replace(/^(data: ?|[^d\n].*)/gm, "") : text));
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
  queueMicrotask(() => isOver || told.va());
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
    this.Vb = _isKnown;
    this.Sb = _around;
    this.S = _told;
    this.o = [];
    // what is written to
    this.ca = false;
    this.Ra = {};
    this.Sa = false;
    this.H = [...kinds];
    this.ya(headStartMs);
  }
  send(lines) {
    this.xa?.Ta.send(lines);
  }
  close(code) {
    this.Sa = true;
    clearTimeout(this.u);
    for (const candidate of this.o) candidate.Ta.close(candidate === this.xa ? code : 4e3);
    this.o = [];
  }
  /** tryBetter opens a WebSocket beside what carries the session, which is replaced if that gets through. */
  Rb() {
    if (this.ca && this.o.length === 1 && !this.Sa) this.ob("websocket");
  }
  ya(head) {
    clearTimeout(this.u);
    const kind = this.H.shift();
    if (!kind) return;
    this.u = setTimeout(() => this.ya(stepMs), head);
    this.ob(kind);
  }
  ob(kind) {
    const candidate = { b: kind };
    this.o.push(candidate);
    const isOurs = () => !this.Sa && this.o.includes(candidate);
    try {
      candidate.Ta = open(kind, this.Sb, {
        va: () => isOurs() && this.Tb(candidate),
        G: (lines) => isOurs() && this.Ub(candidate, lines),
        wa: (why) => isOurs() && this.R(candidate, why)
      });
    } catch {
      queueMicrotask(() => isOurs() && this.R(candidate, {}));
    }
  }
  Tb(candidate) {
    if (this.ca) this.pb(candidate);
    else if (this.H.length > 0 && candidate.b === "websocket") {
      clearTimeout(this.u);
      this.u = setTimeout(() => this.ya(stepMs), grantMs);
    }
    this.xa = candidate;
    this.S.va(candidate.b);
  }
  Ub(candidate, lines) {
    if (!this.ca) {
      if (lines.length === 0) return;
      this.pb(candidate);
      this.ca = true;
      clearTimeout(this.u);
    }
    this.S.G(lines);
  }
  pb(candidate) {
    const others = this.o.filter((other) => other !== candidate);
    this.o = [candidate];
    this.xa = candidate;
    for (const other of others) other.Ta?.close(4e3);
  }
  R(candidate, why) {
    this.o = this.o.filter((other) => other !== candidate);
    if (why.status || !this.Ra.status) this.Ra = why;
    if (this.o.length > 0) return;
    if (!this.ca && this.H.length > 0 && !(this.Vb && !why.status)) return this.ya(stepMs);
    this.close(4e3);
    this.S.wa(this.Ra);
  }
};

// src/fan.ts
var Fan = class {
  constructor(_session, _run, _ask) {
    this.c = _session;
    this.a = _run;
    this.ea = _ask;
    this.I = /* @__PURE__ */ new Map();
    this.za = [];
  }
  get size() {
    return this.I.size;
  }
  ba(feed) {
    const { name, since, last, fields } = feed;
    let branch = this.I.get(name);
    if (!branch) {
      branch = { y: /* @__PURE__ */ new Set([feed]), qb: feed, fields, Wb: matcher(name) };
      this.I.set(name, branch);
      if (isPattern(name)) this.za.push(branch);
      if (this.c.rb(name)) this.Ua(branch, feed);
      else this.a({ is: "subscribe", name, since, last, fields });
      return;
    }
    branch.y.add(feed);
    if (this.c.rb(name)) this.Ua(branch, feed);
  }
  P(feed) {
    const branch = this.I.get(feed.name);
    if (!branch?.y.delete(feed) || branch.y.size > 0) return;
    this.da(feed.name, branch);
    this.a({ is: "unsubscribe", name: feed.name });
  }
  Q(name, ok, error) {
    const branch = this.I.get(name);
    if (!branch) return;
    if (error) {
      this.da(name, branch);
      for (const feed of branch.y) feed.ua(error);
      return;
    }
    branch.qb.Va = true;
    for (const feed of branch.y) if (feed.Va) feed.Q(ok);
    for (const feed of branch.y) if (!feed.Va && !this.Ua(branch, feed)) return;
  }
  /** push hands on what has come, and says whether another tab wants it. */
  push(line) {
    const about = line.position ? line : line.gap ?? line.join ?? line.leave ?? line.presence ?? line.vector;
    const name = about?.channel;
    if (name === void 0) return false;
    let isWanted = this.sb(this.I.get(name), line);
    for (const branch of this.za) if (branch.Wb(name)) isWanted = this.sb(branch, line) || isWanted;
    return isWanted;
  }
  sb(branch, line) {
    let isWanted = false;
    for (const feed of branch?.y ?? []) {
      if (feed.push) feed.push(line);
      else isWanted = true;
    }
    return isWanted;
  }
  da(name, branch) {
    this.I.delete(name);
    this.za = this.za.filter((other) => other !== branch);
  }
  // _fill gives a feed that came late its beginning. It returns false if the subscription is asked for again for that.
  Ua(branch, feed) {
    const { name, since, last, fields } = feed;
    const position = this.c.position(name);
    const needsMore = !!fields.presence && !branch.fields.presence;
    const isEarlier = !!since && since !== position && (isPattern(name) || isBehind(position, since));
    if (needsMore || isEarlier || branch.fields.rate && branch.fields.rate !== fields.rate) {
      branch.qb = feed;
      branch.fields = { presence: fields.presence || branch.fields.presence };
      this.a({ is: "subscribe", name, since: isEarlier ? since : position, fields: branch.fields });
      return false;
    }
    const begin = (ok) => {
      if (!branch.y.has(feed)) return;
      feed.Va = true;
      feed.Q(ok);
    };
    const now = { position, vector: position };
    if (!last || since || isPattern(name)) begin(now);
    else {
      this.ea("history", { channel: name, last: Math.min(last, 256) }).then(begin, () => begin(now));
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
  const wake = () => life.Xb();
  addEventListener("online", wake, { signal });
  if (typeof document === "undefined") return () => end.abort();
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal });
  document.addEventListener("freeze", () => life.tb(false), { signal });
  document.addEventListener("resume", () => life.resume(), { signal });
  addEventListener("pagehide", ({ persisted }) => life.tb(!persisted), { signal });
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
    this.ga = _exit;
    /** Whether what was sent went through a connection whose ids are not ours: that of another tab. */
    this.Wa = false;
    /** Until when the server wants no publications, 0 for now. */
    this.J = 0;
    this.z = /* @__PURE__ */ new Map();
    // by ref
    this.fa = /* @__PURE__ */ new Map();
  }
  get size() {
    return this.z.size;
  }
  ask(ref, verb, body) {
    this.z.set(ref, { A: ref, v: verb, body, id: 0, ub: 0 });
  }
  /** flush sends what was not sent yet, as far as there is room. */
  flush(now) {
    if (now >= this.J) this.J = 0;
    let underWay = 0;
    for (const { id, v: verb } of this.z.values()) if (id && isCounted(verb)) underWay++;
    for (const asked of this.z.values()) {
      if (asked.id) continue;
      if (isCounted(asked.v) && (this.J || ++underWay > windowMax)) continue;
      this.vb(asked, now, this.ga.wb());
    }
  }
  /** goOn sends again what has no reply (docs/protocol.md §6.2, §6.3). isResumed says that the session is the one of before. */
  Yb(isResumed, now) {
    const isSame = isResumed && !this.Wa;
    this.Wa = false;
    this.fa.clear();
    for (const asked of [...this.z.values()]) {
      if (!asked.id) continue;
      const isOnce = isCounted(asked.v) && !asked.body.idempotency_key;
      if (isSame && isCounted(asked.v)) this.vb(asked, now, asked.id);
      else if (isOnce || isCounted(asked.v) && now - asked.ub > keyMs) {
        this.Xa(asked, { error: trouble("unknown", "the connection was lost, and what became of this is not known") });
      } else asked.id = 0;
    }
  }
  /** replied settles the command of that id. It returns false if there is none. */
  Zb(id, outcome, now) {
    const asked = this.fa.get(id);
    if (!asked) return false;
    const after = outcome.error?.retry_after_ms;
    if (after && asked.body.idempotency_key) {
      asked.id = 0;
      this.fa.delete(id);
      this.J = Math.max(this.J, now + after);
    } else this.Xa(asked, outcome);
    return true;
  }
  /** forget gives a command up. A call is canceled, if it can be. */
  forget(ref, isOpen) {
    const asked = this.z.get(ref);
    if (!asked) return;
    if (isOpen && asked.id && asked.v === "rpc") this.ga.send(JSON.stringify({ id: this.ga.wb(), cancel: { rpc: asked.id } }));
    this.da(asked);
  }
  fail(error) {
    for (const asked of [...this.z.values()]) this.Xa(asked, { error });
  }
  vb(asked, now, id) {
    if (!asked.id) asked.ub = now;
    asked.id = id;
    this.fa.set(id, asked);
    this.ga.send(JSON.stringify({ id, [asked.v]: asked.body }));
  }
  Xa(asked, outcome) {
    this.da(asked);
    this.ga._b(asked.A, outcome);
  }
  da(asked) {
    this.z.delete(asked.A);
    this.fa.delete(asked.id);
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
    this.Ya = Infinity;
    this.Aa = Infinity;
    this.B = false;
    this.xb = 0;
    this.K = false;
    this.V = 0;
    this.Ba = /* @__PURE__ */ new Map();
    // by the id of connect
    this.m = new Outbox({
      wb: () => ++this.V,
      send: (line) => this.w([line]),
      _b: (ref, outcome) => this.p.push({ do: "reply", A: ref, ...outcome })
    });
    this.g = /* @__PURE__ */ new Map();
    this.ha = /* @__PURE__ */ new Map();
    this.ja = 0;
    this.Ca = 1e3;
    this.Da = 25e3;
    this.Ea = 0;
    this.Fa = 0;
    this.q = 0;
    // of dialling, or of the reply to a ping
    this.yb = 0;
    // of connect
    this.Ha = false;
    this.Ia = false;
    this.p = [];
    this.T = settings;
    this.U = settings.token;
  }
  /** The newest position or vector of a subscription. */
  position(name) {
    return this.g.get(name)?.since;
  }
  /** Whether a subscription has begun on this connection. */
  rb(name) {
    return !!this.g.get(name)?.L;
  }
  /** How many commands wait for their reply. */
  get waiting() {
    return this.m.size;
  }
  step(input, now) {
    const effects = this.p = [];
    const before = this.state + this.retryAt + this.b;
    switch (input.is) {
      case "use":
        if (this.state === "idle") this.W(now);
        break;
      case "again":
        if (this.state === "closed") this.W(now);
        else this.zb(now);
        break;
      case "leave":
        if (this.state !== "closed") this.i("idle");
        break;
      case "follow":
        this.Ja(input.follow, now);
        break;
      case "token":
        this.$b(input, now);
        break;
      case "ready":
        if (this.state === "connecting" || this.state === "open") this.ac(input.b, now);
        break;
      case "received":
        this.Ea = now;
        this.Fa = 0;
        for (const line of input.lines) this.bc(line, now);
        break;
      case "lost":
        this.Ia = false;
        this.R(input, now);
        break;
      case "subscribe":
        this.Za(input);
        break;
      case "unsubscribe":
        if (this.g.delete(input.name) && this.state === "open") this.X(input.name);
        break;
      case "ask":
        this.m.ask(input.A, input.v, input.body);
        if (this.state === "closed" && this.error) this.m.fail(this.error.problem);
        this.ka(now);
        break;
      case "forget":
        this.m.forget(input.A, this.state === "open");
        this.ka(now);
        break;
      case "wake":
        this.zb(now);
        break;
      case "sleep":
        if (this.state === "connecting" || this.state === "open") {
          this.Ha = true;
          this.Y(4e3);
          this._a(now, Infinity);
        }
        break;
      case "tick":
        this.cc(now);
    }
    if (before !== this.state + this.retryAt + this.b) effects.push({ do: "state" });
    this.dc(now);
    return effects;
  }
  // --- connecting ---
  W(now) {
    this.state = "connecting";
    this.b = "";
    this.yb = now;
    this.q = now + dialMs;
    this.Ba.clear();
    if (!this.K && this.T.$a && (!this.U || now >= this.Aa)) this.ab(this.U ? "expired" : "first");
    else this.Ka();
  }
  Ka() {
    this.Ia = true;
    this.p.push({ do: "dial" });
  }
  ab(reason) {
    this.B = true;
    this.p.push({ do: "token", reason });
  }
  $b({ token, error }, now) {
    if (!this.B) return;
    this.B = false;
    if (token !== void 0) {
      this.U = token;
      this.Aa = Infinity;
    }
    if (this.state === "open") {
      if (token !== void 0) this.w([this.la({ refresh: { token } })]);
    } else if (this.state === "connecting") {
      this.q = now + dialMs;
      if (error) this.Ab(now, error);
      else this.Ka();
    }
  }
  // What a new connection begins with (docs/protocol.md §6.2). Publications and calls that have no reply follow when it is
  // known whether the session goes on.
  ac(kind, now) {
    if (this.state === "open") this.q = now + dialMs;
    this.state = "connecting";
    this.V = Math.max(this.V, now * 1e3);
    const connect = { client: this.T.client };
    if (this.U && !this.K) connect.token = this.U;
    if (this.resume) connect.resume = this.resume;
    if (this.ia) connect.messages = this.ia;
    const lines = [this.la({ connect })];
    this.Ba.set(this.V, { b: kind, ec: this.ha = /* @__PURE__ */ new Map() });
    for (const sub of this.g.values()) {
      sub.L = false;
      lines.push(this.ma(sub));
    }
    if (kind === "tab") this.q = now + tabMs;
    this.w(lines);
  }
  fc(ok, { b: kind, ec: subs }, now) {
    this.state = "open";
    this.b = kind;
    this.user = ok.user;
    this.error = void 0;
    this.retryAt = 0;
    this.resume = { session: ok.session, secret: ok.secret };
    this.Ca = ok.reconnect?.after_ms ?? this.Ca;
    this.Da = ok.ping_ms || 25e3;
    this.ja = this.xb = 0;
    this.Aa = ok.expires_after_ms ? now + ok.expires_after_ms : Infinity;
    this.ha = subs;
    for (const sub of subs.values()) if (this.g.get(sub.name) !== sub) this.X(sub.name);
    const begins = new Set(subs.values());
    for (const sub of this.g.values()) if (!begins.has(sub)) this.w([this.ma(sub)]);
    this.m.Yb(!!ok.resumed && kind !== "tab", now);
    this.ka(now);
  }
  ka(now) {
    if (this.state === "open") this.m.flush(now);
  }
  Ja(follow, now) {
    if (this.K === follow) return;
    this.K = follow;
    this.m.Wa = true;
    if (this.state !== "idle" && this.state !== "closed") {
      if (this.state !== "waiting") this.Y(4e3);
      this.ja = 0;
      this.W(now);
    }
  }
  // --- losing ---
  R(why, now) {
    if (this.state !== "connecting" && this.state !== "open") return;
    const wasOpen = this.state === "open";
    const { code, status, reconnect } = why;
    const problem = why.problem ?? this.Ga ?? trouble("lost", status ? "the server answered " + status : "the connection was lost");
    const retryAfter = why.retryAfter ?? problem.retry_after_ms;
    this.Ga = void 0;
    const has = (what) => codesAfter[what].includes(code);
    const isDelayed = !status || status === 408 || status === 429 || status > 499 || status === 404 && /session-unknown$/.test(problem.type);
    const isKnown = has("never") || has("new-token") || has("afresh");
    const needsToken = status === 401 || has("new-token");
    const isOver = code !== 4409 && (has("never") || !(isDelayed || needsToken) || !isKnown && reconnect === false);
    this.error = { problem, code: code ?? status };
    if (code === 4409) this.resume = void 0;
    if (isOver) return this.i("closed");
    if (needsToken) {
      this.Aa = Infinity;
      if (!this.T.$a || this.xb++ > 0) return this.i("closed");
      this.state = "connecting";
      this.b = "";
      return this.ab("refused");
    }
    if (this.K) return this._a(now, wasOpen ? 0 : 500);
    this.Ab(now, problem, retryAfter);
  }
  // docs/protocol.md §6.6
  Ab(now, problem, retryAfter = 0) {
    this.error ??= { problem };
    const most = Math.min(delayMaxMs, this.Ca * 2 ** this.ja++);
    this._a(now, Math.max(retryAfter, most * (0.5 + this.T.random() / 2)));
  }
  _a(now, ms) {
    this.state = "waiting";
    this.b = "";
    this.retryAt = now + ms;
  }
  i(state) {
    if (this.state === "open" || this.state === "connecting") this.Y(1e3);
    this.state = state;
    this.b = "";
    this.B = false;
    this.resume = void 0;
    this.ja = 0;
    for (const sub of this.g.values()) sub.L = false;
    if (state === "closed" && this.error) this.gc(this.error.problem);
  }
  Y(code) {
    if (this.Ia) this.p.push({ do: "drop", code });
    this.Ia = false;
    this.b = "";
  }
  gc(error) {
    this.m.fail(error);
    for (const name of [...this.g.keys()]) this.na(name, { error });
  }
  zb(now) {
    if (this.state === "waiting") {
      this.Ha = false;
      this.ja = 0;
      this.W(now);
    } else if (this.state === "connecting" && !this.B && now - this.yb > freshMs) {
      this.Y(4e3);
      this.W(now);
    } else if (this.state === "open" && now - this.Ea > freshMs) {
      this.bb(now, probeMs);
    }
  }
  cc(now) {
    if (now < this.Ya) return;
    if (this.state === "waiting") {
      if (now >= this.retryAt && !this.Ha) this.W(now);
    } else if (this.state === "connecting") {
      if (now < this.q || this.B) return;
      this.Bb(now);
    } else if (this.state === "open") {
      if (!this.Fa) {
        if (now - this.Ea >= this.Da) this.bb(now, Math.min(this.Da, patienceMs));
      } else if (now - this.q > freshMs) {
        this.bb(now, probeMs);
      } else if (now >= this.q) {
        return this.Bb(now);
      }
    }
    this.ka(now);
    for (const sub of this.g.values()) {
      if (sub.retryAt && now >= sub.retryAt && this.state === "open") {
        sub.retryAt = 0;
        this.w([this.ma(sub)]);
      }
    }
  }
  Bb(now) {
    this.Y(4e3);
    if (this.K) this.p.push({ do: "steal" });
    this.R({ problem: trouble("silent", "there was no answer") }, now);
  }
  bb(now, patience) {
    this.Fa = now;
    this.q = now + patience;
    this.w([this.la({ ping: {} })]);
  }
  dc(now) {
    let deadline = Infinity;
    if (this.state === "waiting" && !this.Ha) deadline = this.retryAt;
    else if (this.state === "connecting" && !this.B) deadline = this.q;
    else if (this.state === "open") {
      deadline = this.Fa ? this.q : this.Ea + this.Da;
      if (this.m.J) deadline = Math.min(deadline, this.m.J);
      for (const sub of this.g.values()) if (sub.retryAt) deadline = Math.min(deadline, sub.retryAt);
    }
    this.Ya = Math.max(deadline, now);
  }
  // --- commands ---
  la(command) {
    return JSON.stringify({ id: ++this.V, ...command });
  }
  w(lines) {
    this.p.push({ do: "send", lines });
  }
  Za({ name, since, last, fields }) {
    const old = this.g.get(name);
    const sub = { name, since, last, fields, L: false, retryAt: 0 };
    this.g.set(name, sub);
    if (this.state === "closed" && this.error) return this.na(name, { error: this.error.problem });
    if (this.state !== "open") return;
    if (old) this.X(name);
    this.w([this.ma(sub)]);
  }
  ma(sub) {
    const { name, since, last, fields } = sub;
    const line = this.la({ subscribe: { channel: name, since, last: since ? void 0 : last, ...fields } });
    this.ha.set(this.V, sub);
    return line;
  }
  X(channel) {
    this.w([this.la({ unsubscribe: { channel } })]);
  }
  na(name, outcome) {
    if (outcome.error) this.g.delete(name);
    this.p.push({ do: "begun", name, ...outcome });
  }
  // --- what comes ---
  bc(line, now) {
    if (line.position && line.channel) {
      this.Cb(line.channel, line.position);
    } else if (line.id || line.error) {
      return this.hc(line, now);
    } else if (line.gap) {
      if (line.gap.to) this.Cb(line.gap.channel, line.gap.to);
    } else if (line.vector) {
      const sub = this.g.get(line.vector.channel);
      if (sub?.L) sub.since = line.vector.vector;
    } else if (line.message) {
      this.ia = line.message.position;
    } else if (line.subscribed) {
      const { channel, position } = line.subscribed;
      if (channel[0] === "@") this.ia = position ?? void 0;
      else this.g.set(channel, { since: position, name: channel, fields: {}, L: true, retryAt: 0 });
    } else if (line.unsubscribed) {
      return this.na(line.unsubscribed.channel, { error: line.unsubscribed.error });
    } else if (line.reconnect) {
      this.Ca = line.reconnect.after_ms;
    } else if (line.expiring) {
      if (!this.B && this.T.$a && !this.K) this.ab("expired");
    } else if (line.end) {
      const { code, reason, reconnect } = line.end;
      const problem = this.Ga ?? trouble("ended", reason);
      if (this.state === "connecting" || this.state === "open") this.Y(4e3);
      return this.R({ code, reconnect, problem }, now);
    }
    this.p.push({ do: "push", line });
  }
  Cb(channel, position) {
    const sub = this.g.get(channel);
    if (sub?.L && isBehind(position, sub.since)) sub.since = position;
    else if (!sub && channel[0] === "@") this.ia = position;
  }
  hc({ id, ok, error }, now) {
    const hello = this.Ba.get(id);
    if (hello) {
      this.Ba.clear();
      if (ok) this.fc(ok, hello, now);
      else this.Ga = error;
      return;
    }
    const sub = this.ha.get(id);
    if (sub) {
      this.ha.delete(id);
      if (this.g.get(sub.name) === sub) this.ic(sub, ok, error, now);
      return;
    }
    if (this.m.Zb(id, error ? { error } : { ok }, now)) this.ka(now);
  }
  ic(sub, ok, error, now) {
    const { name } = sub;
    if (error) {
      if (error.retry_after_ms) {
        sub.retryAt = now + error.retry_after_ms;
        return;
      }
      if (sub.since && /(bad-position|bad-command)$/.test(error.type)) {
        sub.since = void 0;
        this.p.push({ do: "push", line: { gap: { channel: name, from: null, to: null, reason: "lost" } } });
        this.w([this.ma(sub)]);
        return;
      }
      if (!/already-subscribed$/.test(error.type)) return this.na(name, { error });
    }
    sub.L = true;
    sub.last = void 0;
    sub.since = ok?.position ?? ok?.vector ?? sub.since;
    this.na(name, { ok: ok ?? { position: sub.since } });
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
    this.N = new globalThis.Map();
    this.jc = 0;
    this.Eb = [];
    this.cb = false;
    this.db = upgradeFirstMs;
    this.S = "idle";
    this.Fb = "";
    this.x = false;
    this.Kb = 0;
    this.Db = share;
    const base = typeof document === "undefined" ? void 0 : document.baseURI;
    const at = new URL(url ?? ".", base);
    at.protocol = at.protocol.replace(/^ws/, "http");
    this.url = at.href.replace(/[?#].*$/, "").replace(/\/?$/, "/");
    this.k = options;
    const { token } = options;
    this.c = new Session({
      client: options.client ?? "godwit-js/" + version,
      $a: typeof token === "function",
      token: typeof token === "string" ? token : void 0,
      random: Math.random
    });
    this.M = new Fan(
      this.c,
      (input) => this.a(input),
      (verb, body) => this.ea(verb, body, { timeout: 3e4 })
    );
    this.e = {
      grace: options.grace ?? 5e3,
      ba: (feed) => {
        this.Gb();
        if (this.x) queueMicrotask(() => feed.ua(wasClosed));
        else this.M.ba(feed);
      },
      P: (feed) => {
        this.M.P(feed);
        this.La();
      },
      ask: (verb, body, options2) => this.ea(verb, body, options2),
      lb: later
    };
  }
  /** What the connection is doing; in a tab that shares another one's, what that is doing. */
  get state() {
    const { state } = this.c;
    if (this.x) return "closed";
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
    return this.Hb(this.e, name, options);
  }
  /** @internal */
  Hb(link, name, options) {
    return new Channel(link, name, options);
  }
  /** rpc calls a method, and resolves with what answers it. Default timeout 30 s. */
  async rpc(method, data, { timeout = 3e4, signal } = {}) {
    const body = { method, timeout_ms: Math.max(1, Math.min(timeout, 6e4)), ...data === void 0 ? {} : payload(data) };
    const ok = await this.ea("rpc", body, { timeout: timeout + 5e3, signal });
    return message(ok).data;
  }
  /** reconnect tries at once, also after the server has said that it would do no good. */
  reconnect() {
    if (!this.x) this.a({ is: "again" });
  }
  /** close ends the connection for good: what waits fails. */
  close() {
    if (this.x) return;
    this.x = true;
    this.O();
    for (const { reply } of [...this.N.values()]) reply({ error: wasClosed });
  }
  // --- commands ---
  ea(verb, body, { timeout, signal } = {}) {
    return new Promise((done, failed) => {
      const give = (reason) => {
        end();
        this.Ib(ref);
        failed(reason);
      };
      const aborted = () => give(signal.reason);
      if (signal?.aborted) return failed(signal.reason);
      const ref = this.Jb(verb, body, ({ ok, error }) => {
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
  Jb(verb, body, reply) {
    const isFull = this.N.size >= (this.k.queue ?? 1e3);
    if (this.x || isFull) {
      queueMicrotask(() => reply({ error: this.x ? wasClosed : trouble("queue", "too many commands wait for the connection") }));
      return 0;
    }
    const ref = ++this.jc;
    this.N.set(ref, {
      reply: (outcome) => {
        this.N.delete(ref);
        reply(outcome);
        this.La();
      }
    });
    this.Gb();
    this.a({ is: "ask", A: ref, v: verb, body });
    return ref;
  }
  Ib(ref) {
    if (!this.N.delete(ref)) return;
    this.a({ is: "forget", A: ref });
    this.La();
  }
  // --- the life of the connection ---
  Gb() {
    this.fb();
    if (this.x || this.c.state !== "idle") return;
    this.eb ??= watchPage({
      Xb: () => this.a({ is: "wake" }),
      tb: (isLeft) => this.kc(isLeft),
      resume: () => {
        this.d?.join();
        this.a({ is: "wake" });
      }
    });
    const { tabs = true } = this.k;
    if (tabs)
      this.d ??= this.Db?.("godwit 1 " + this.url + (tabs === true ? "" : " " + tabs), randomId(), {
        session: this.c,
        fan: this.M,
        run: (input) => this.a(input),
        command: (verb, body, reply) => this.Jb(verb, body, reply),
        forget: (ref) => this.Ib(ref),
        busy: () => this.fb(),
        rest: () => this.La(),
        tell: () => this.gb()
      });
    if (this.d) this.d.join();
    else this.a({ is: "use" });
  }
  fb() {
    this.oa?.();
    this.oa = void 0;
  }
  // _rest lets go when nobody has used anything for a while.
  La() {
    if (this.oa || this.x || this.M.size > 0 || this.N.size > 0) return;
    this.oa = later(this.e.grace, () => {
      this.oa = void 0;
      this.O();
    });
  }
  O() {
    this.fb();
    this.pa?.();
    this.pa = void 0;
    this.a({ is: "leave" });
    this.d?.leave();
    this.eb?.();
    this.eb = void 0;
    this.gb();
  }
  kc(isLeft) {
    if (!isLeft || this.d?.hb) this.a({ is: "sleep" });
    this.d?.leave();
  }
  // --- one step after another ---
  a(input) {
    this.Eb.push(input);
    if (this.cb) return;
    this.cb = true;
    try {
      for (let next; next = this.Eb.shift(); ) {
        const effects = this.c.step(next, Date.now());
        this.lc();
        for (const effect of effects) this.ib(effect);
      }
    } finally {
      this.cb = false;
    }
  }
  lc() {
    clearTimeout(this.u);
    const { Ya: deadline } = this.c;
    if (deadline < Infinity) this.u = setTimeout(() => this.a({ is: "tick" }), Math.min(deadline - Date.now() + 1, timerMaxMs));
  }
  ib(effect) {
    switch (effect.do) {
      case "send":
        return this.r?.send(effect.lines);
      case "dial":
        return this.Ka();
      case "drop":
        this.r?.close(effect.code);
        this.r = void 0;
        return;
      case "token":
        return this.mc(effect.reason);
      case "reply":
        return this.N.get(effect.A)?.reply(effect);
      case "begun":
        return this.M.Q(effect.name, effect.ok, effect.error);
      case "push":
        return this.F(effect.line);
      case "steal":
        return this.d?.steal();
      case "state":
        return this.gb();
    }
  }
  mc(reason) {
    const { token } = this.k;
    const get = async () => typeof token === "function" ? token(reason) : token;
    get().then(
      (token2) => this.a({ is: "token", token: token2 }),
      (error) => this.a({ is: "token", error: trouble("token", "no token was to be had: " + (error?.message ?? error)) })
    );
  }
  F(line) {
    const isWanted = this.M.push(line);
    if (line.message) this.h("message", message(line.message));
    if (this.d?.j && (isWanted || line.message)) this.d.push(line);
  }
  Ka() {
    this.r?.close(4e3);
    const sharing = this.d;
    if (sharing && !sharing.j) {
      this.r = { send: (lines) => sharing.ask(lines), close() {
      } };
      this.a({ is: "ready", b: "tab" });
      return;
    }
    const around = {
      url: this.url + "connect",
      fetch: this.k.fetch ?? globalThis.fetch,
      WebSocket: this.k.WebSocket ?? globalThis.WebSocket,
      session: () => {
        const { resume } = this.c;
        return resume ? resume.session + "." + resume.secret : "";
      }
    };
    const kinds = this.H();
    const known = this.s ?? remembered(this.url);
    const first = kinds.find((kind) => kind === known);
    const order = first ? [first, ...kinds.filter((kind) => kind !== first)] : kinds;
    const dialer = new Dialer(order, !!first && this.Kb++ % 3 < 2, around, {
      va: (kind) => this.r === dialer && this.a({ is: "ready", b: kind }),
      G: (lines) => this.r === dialer && this.a({ is: "received", lines }),
      wa: (why) => this.r === dialer && this.a({ is: "lost", ...why })
    });
    this.r = dialer;
  }
  H() {
    const hasSocket = !!(this.k.WebSocket ?? globalThis.WebSocket);
    return (this.k.transports ?? ["websocket", "stream", "sse", "poll"]).filter((kind) => kind !== "websocket" || hasSocket);
  }
  gb() {
    const { b: kind, resume } = this.c;
    if (kind && kind !== "tab") {
      this.Kb = 0;
      if (this.s !== kind) remember(this.url, this.s = kind);
    }
    this.Lb(kind);
    if (this.d?.j) this.d.share();
    const all = [this.state, this.transport, this.retryAt?.getTime(), resume?.session].join();
    if (all === this.Fb) return;
    this.Fb = all;
    const { state } = this;
    const before = this.S;
    this.S = state;
    this.h("state", state);
    if (state === "open" && before !== "open") this.h("open", this);
    if (state !== "open" && before === "open") this.h("close", this.error);
    if ((state === "waiting" || state === "closed") && before !== state && this.error) this.h("error", this.error);
  }
  // What carries the session is replaced by a WebSocket when that gets through.
  Lb(kind) {
    if (this.pa || kind === "" || kind === "tab" || kind === "websocket" || !this.H().includes("websocket")) return;
    this.pa = later(this.db, () => {
      this.pa = void 0;
      this.db = Math.min(this.db * 2, upgradeMaxMs);
      this.r?.Rb?.();
      this.Lb(this.c.b);
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

// src/presence.ts
var Roster = class extends Emitter {
  /** @internal */
  constructor(_link, _name) {
    super();
    this.e = _link;
    this.l = _name;
    this.C = /* @__PURE__ */ new Map();
    this.qa = -1;
    this.Ma = 0;
    // what came while pages are read
    this.Na = 0;
  }
  /** Who is there, as far as it is known; those who came first are first. */
  get members() {
    return [...this.C.values()];
  }
  /** How many are there. */
  get count() {
    return this.Ma;
  }
  /** get asks once, and does not subscribe. By user, members are users with the number of their sessions. */
  async get({ by, ...options } = {}) {
    return (await this.Mb(by, options)).members;
  }
  /** @internal */
  Pa() {
    this.i?.();
    this.i = void 0;
    if (this.f) return;
    const feed = this.f = {
      name: this.l,
      fields: { presence: true },
      Q: () => this.f === feed && void this.Nb(),
      ua: (error) => {
        if (this.f !== feed) return;
        this.f = void 0;
        this.h("error", new GodwitError(error));
      },
      push: (line) => this.f === feed && this.F(line)
    };
    this.e.ba(feed);
  }
  /** @internal */
  Qa() {
    if (this.kb || this.i) return;
    this.i = this.e.lb(this.e.grace, () => {
      this.i = void 0;
      if (this.f) this.e.P(this.f);
      this.f = void 0;
      this.Na++;
      this.C.clear();
      this.Ma = 0;
    });
  }
  async Mb(by, options = {}) {
    const members = [];
    let cursor;
    for (; ; ) {
      const ok = await this.e.ask("presence", { channel: this.l, limit: 1e3, cursor, by }, { timeout: 3e4, ...options });
      members.push(...ok.members);
      cursor = ok.cursor;
      if (!cursor) return { members, version: ok.version ?? -1, count: ok.count };
    }
  }
  // docs/protocol.md §5.3: all pages, and then each change of a greater version.
  async Nb() {
    const reading = ++this.Na;
    this.ra = [];
    try {
      const { members, version: version2, count } = await this.Mb(void 0);
      if (reading !== this.Na) return;
      const before = this.C;
      this.C = new Map(members.map((member) => [member.id, member]));
      this.qa = version2;
      this.Ma = count;
      const early = this.ra;
      this.ra = void 0;
      for (const [id, member] of this.C) if (!before.has(id)) this.h("join", member);
      for (const [id, member] of before) if (!this.C.has(id)) this.h("leave", member);
      this.h("change", this);
      for (const line of early) this.F(line);
    } catch (error) {
      if (reading === this.Na) this.h("error", error);
    }
  }
  F(line) {
    const change = line.join ?? line.leave ?? line.presence;
    if (!change || change.channel !== this.l) return;
    if (this.ra) return void this.ra.push(line);
    if (change.version < this.qa) return;
    if (line.presence || change.version > this.qa && change.previous > this.qa) return void this.Nb();
    this.qa = change.version;
    this.Ma = change.count;
    for (const member of change.members) {
      if (line.join) this.C.set(member.id, member);
      else this.C.delete(member.id);
      this.h(line.join ? "join" : "leave", member);
    }
    this.h("change", this);
  }
};

// src/follower.ts
var followerPingMs = 3e3;
var Follower = class {
  constructor(_leader) {
    this.n = _leader;
    this.Z = /* @__PURE__ */ new Map();
    this._ = /* @__PURE__ */ new Map();
  }
  /** take does the commands of the tab. */
  take(lines) {
    for (const line of lines) {
      const { id, ...command } = JSON.parse(line);
      const [verb] = Object.keys(command);
      if (verb) this.ib(id, verb, command[verb]);
    }
  }
  /** end takes back what the tab has wanted. */
  end() {
    for (const feed of this.Z.values()) this.n.fan.P(feed);
    for (const ref of this._.values()) this.n.forget(ref);
    this.Z.clear();
    this._.clear();
  }
  ib(id, verb, body) {
    const ok = (ok2 = {}) => this.n.answer([{ id, ok: ok2 }]);
    switch (verb) {
      case "connect":
        this.end();
        return ok({ ...this.n.welcome(), resumed: false, ping_ms: followerPingMs });
      case "ping":
        return ok();
      case "end":
        this.end();
        return ok();
      case "unsubscribe":
        this.X(body.channel);
        return ok();
      case "subscribe":
        return this.Za(id, body);
      case "cancel": {
        const ref = this._.get(body.rpc);
        if (ref !== void 0) this.n.forget(ref);
        this._.delete(body.rpc);
        return ok();
      }
      default: {
        const ref = this.n.ask(verb, body, (outcome) => {
          this._.delete(id);
          this.n.answer([{ id, ...outcome }]);
        });
        if (ref > 0) this._.set(id, ref);
      }
    }
  }
  X(name) {
    const feed = this.Z.get(name);
    this.Z.delete(name);
    if (feed) this.n.fan.P(feed);
  }
  Za(id, { channel, since, last, ...fields }) {
    this.X(channel);
    let isAnswered = false;
    const feed = {
      name: channel,
      since,
      last,
      fields,
      Q: (ok) => {
        if (!isAnswered) this.n.answer([{ id, ok }]);
        isAnswered = true;
      },
      ua: (error) => {
        this.Z.delete(channel);
        this.n.answer([isAnswered ? { unsubscribed: { channel, error } } : { id, error }]);
        isAnswered = true;
      }
    };
    this.Z.set(channel, feed);
    this.n.fan.ba(feed);
  }
};

// src/tabs.ts
var Tabs = class {
  constructor(name, id, events) {
    this.j = false;
    this.O = new AbortController();
    this.s = /* @__PURE__ */ new Set();
    this.$ = false;
    this.l = name;
    this.id = id;
    this.D = events;
  }
  join() {
    if (this.$) return;
    this.$ = true;
    this.O = new AbortController();
    this.Oa = new BroadcastChannel(this.l);
    this.Oa.onmessage = ({ data }) => this.nc(data);
    this.sa(this.l + this.id, {}, () => new Promise((done) => this.O.signal.addEventListener("abort", done)));
    this.sa(this.l, { ifAvailable: true }, (lock) => lock ? this.jb() : this.Ja());
  }
  /** leave gives the connection to another tab, if this one has it. */
  leave() {
    if (!this.$) return;
    this.$ = this.j = false;
    this.ta({ from: this.id, bye: true });
    this.Oa?.close();
    this.O.abort();
    this.Ob?.();
    this.s.clear();
  }
  /** steal takes the connection from a tab that does not answer. */
  steal() {
    if (this.$ && !this.j) this.sa(this.l, { steal: true }, () => this.jb());
  }
  get hb() {
    return this.s.size > 0;
  }
  ask(lines) {
    this.ta({ from: this.id, lines });
  }
  answer(to, lines) {
    this.ta(to === void 0 ? { lines } : { to, lines });
  }
  share(shared) {
    this.ta({ shared });
  }
  sa(name, options, held) {
    const { signal } = this.O;
    const asked = navigator.locks.request(
      name,
      options.ifAvailable || options.steal ? options : { ...options, signal },
      (lock) => signal.aborted ? void 0 : held(lock)
    );
    asked.catch(() => {
      if (name !== this.l || signal.aborted || !this.j) return;
      this.j = false;
      this.s.clear();
      this.Ja();
    });
  }
  jb() {
    if (this.j) return void 0;
    this.j = true;
    this.ta({ leads: this.id });
    this.D.follow(false);
    return new Promise((release) => this.Ob = release);
  }
  Ja() {
    this.sa(this.l, {}, () => this.jb());
    this.D.follow(true);
  }
  ta(said) {
    this.Oa?.postMessage(said);
  }
  nc(said) {
    if (!this.$) return;
    if ("leads" in said) {
      if (!this.j) this.D.leader();
    } else if ("shared" in said) {
      if (!this.j) this.D.shared(said.shared);
    } else if ("bye" in said) {
      this.Pb(said.from);
    } else if ("from" in said) {
      if (!this.j) return;
      if (!this.s.has(said.from)) {
        this.s.add(said.from);
        this.sa(this.l + said.from, {}, () => this.Pb(said.from));
      }
      this.D.commands(said.from, said.lines);
    } else if (!this.j && (said.to === void 0 || said.to === this.id)) {
      this.D.G(said.lines);
    }
  }
  Pb(from) {
    if (this.s.delete(from)) this.D.left(from);
  }
};

// src/sharing.ts
function canShare() {
  return typeof document !== "undefined" && typeof BroadcastChannel === "function" && !!globalThis.navigator?.locks;
}
function shareTabs(name, id, { session, fan, run, command, forget, busy, rest, tell }) {
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
      }
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
    G: (lines) => run({ is: "received", lines }),
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
    get j() {
      return tabs.j;
    },
    get hb() {
      return tabs.hb;
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
      const { state, retryAt, b: kind, user, resume } = session;
      tabs.share({ state, retryAt, transport: kind, user, resume });
    }
  };
  return sharing;
}

// src/index.ts
var Channel2 = class extends Channel {
  /** Who is there, live as long as somebody listens to it. A pattern has no members. */
  get presence() {
    return this.oc ??= new Roster(this.e, this.name);
  }
};
var Godwit2 = class extends Godwit {
  /** url is that of the server, http: or https:, and may have a path. Default is where the page is from. */
  constructor(url, options) {
    super(url, options, shareTabs);
  }
  channel(name, options) {
    return super.channel(name, options);
  }
  /** @internal */
  Hb(link, name, options) {
    return new Channel2(link, name, options);
  }
};
