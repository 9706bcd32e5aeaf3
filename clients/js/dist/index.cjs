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
  Channel: () => Channel,
  Godwit: () => Godwit,
  GodwitError: () => GodwitError,
  Roster: () => Roster,
  version: () => version
});
module.exports = __toCommonJS(index_exports);

// src/emitter.ts
var Emitter = class {
  C = /* @__PURE__ */ new Map();
  /** on calls listener at each event of that type, and returns how to stop. */
  on(type, listener, options = {}) {
    const off = () => this.off(type, listener);
    if (options.signal?.aborted) return off;
    const listeners = this.C.get(type) ?? [];
    if (!listeners.some(({ call }) => call === listener)) {
      this.C.set(type, [...listeners, { call: listener, once: !!options.once }]);
      this.Ba(type);
    }
    options.signal?.addEventListener("abort", off, { once: true });
    return off;
  }
  /** off ends what on began. */
  off(type, listener) {
    const before = this.C.get(type);
    const left = before?.filter(({ call }) => call !== listener) ?? [];
    if (!before || left.length === before.length) return;
    if (left.length > 0) this.C.set(type, left);
    else this.C.delete(type);
    this.Ca();
  }
  /** @internal */
  get Ua() {
    return this.C.size > 0;
  }
  /** @internal */
  Ba(_type) {
  }
  /** @internal */
  Ca() {
  }
  /** @internal */
  d(type, event) {
    const listeners = this.C.get(type);
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
  /** The URI of the problem. */
  type;
  /** The name of the problem: what its type ends with, such as `forbidden`. */
  problem;
  /** What the application that answered a call has added. */
  data;
  /** After how many milliseconds it may be tried again, if the server says so. */
  retryAfter;
  /** The code with which the connection ended (docs/codes.md), or the status of a refused request. */
  code;
  constructor(problem2, code) {
    super(problem2.detail || problem2.title);
    this.name = "GodwitError";
    this.type = problem2.type;
    this.problem = problem2.type.replace(/^.*[/:]/, "");
    this.data = problem2.data;
    this.retryAfter = problem2.retry_after_ms;
    this.code = code;
  }
};
function trouble(name, detail) {
  return { type: "urn:godwit:client:" + name, title: detail };
}
function isPattern(name) {
  return /(^|\/)\*\*?(\/|$)/.test(name);
}
function matcher(name) {
  if (!isPattern(name)) return (channel) => channel === name;
  const parts = name.split("/").map((part) => part === "**" ? "(?!@).+" : part === "*" ? "(?!@)[^/]+" : part.replace(/[^\w]/g, "\\$&"));
  const pattern = new RegExp("^" + parts.join("/") + "$", "s");
  return (channel) => pattern.test(channel);
}
function isBehind(a, b) {
  if (!b) return true;
  const i = a.lastIndexOf(":");
  const j = b.lastIndexOf(":");
  if (i !== j || a.slice(0, i) !== b.slice(0, j)) return true;
  return a.length !== b.length ? a.length > b.length : a > b;
}

// src/presence.ts
var Roster = class extends Emitter {
  /** @internal */
  constructor(_link, _name) {
    super();
    this.e = _link;
    this.j = _name;
  }
  _link;
  _name;
  w = /* @__PURE__ */ new Map();
  W = -1;
  ia = 0;
  c;
  g;
  X;
  // what came while pages are read
  ja = 0;
  /** Who is there, as far as it is known; those who came first are first. */
  get members() {
    return [...this.w.values()];
  }
  /** How many are there. */
  get count() {
    return this.ia;
  }
  /** get asks once, and does not subscribe. By user, members are users with the number of their sessions. */
  async get({ by, ...options } = {}) {
    return (await this.Va(by, options)).members;
  }
  /** @internal */
  Ba() {
    this.g?.();
    this.g = void 0;
    if (this.c) return;
    const feed = this.c = {
      name: this.j,
      fields: { presence: true },
      begun: () => this.c === feed && void this.Wa(),
      failed: (error) => {
        if (this.c !== feed) return;
        this.c = void 0;
        this.d("error", new GodwitError(error));
      },
      push: (line) => this.c === feed && this.x(line)
    };
    this.e.attach(feed);
  }
  /** @internal */
  Ca() {
    if (this.Ua || this.g) return;
    this.g = this.e.later(this.e.grace, () => {
      this.g = void 0;
      if (this.c) this.e.detach(this.c);
      this.c = void 0;
      this.ja++;
      this.w.clear();
      this.ia = 0;
    });
  }
  async Va(by, options = {}) {
    const members = [];
    let cursor;
    for (; ; ) {
      const ok = await this.e.ask("presence", { channel: this.j, limit: 1e3, cursor, by }, { timeout: 3e4, ...options });
      members.push(...ok.members);
      cursor = ok.cursor;
      if (!cursor) return { members, version: ok.version ?? -1, count: ok.count };
    }
  }
  // docs/protocol.md §5.3: all pages, and then each change of a greater version.
  async Wa() {
    const reading = ++this.ja;
    this.X = [];
    try {
      const { members, version: version2, count } = await this.Va(void 0);
      if (reading !== this.ja) return;
      const before = this.w;
      this.w = new Map(members.map((member) => [member.id, member]));
      this.W = version2;
      this.ia = count;
      const early = this.X;
      this.X = void 0;
      for (const [id, member] of this.w) if (!before.has(id)) this.d("join", member);
      for (const [id, member] of before) if (!this.w.has(id)) this.d("leave", member);
      this.d("change", this);
      for (const line of early) this.x(line);
    } catch (error) {
      if (reading === this.ja) this.d("error", error);
    }
  }
  x(line) {
    const change = line.join ?? line.leave ?? line.presence;
    if (!change || change.channel !== this.j) return;
    if (this.X) return void this.X.push(line);
    if (change.version < this.W) return;
    if (line.presence || change.version > this.W && change.previous > this.W) return void this.Wa();
    this.W = change.version;
    this.ia = change.count;
    for (const member of change.members) {
      if (line.join) this.w.set(member.id, member);
      else this.w.delete(member.id);
      this.d(line.join ? "join" : "leave", member);
    }
    this.d("change", this);
  }
};

// src/channel.ts
var channelsMax = 1e3;
var Channel = class extends Emitter {
  /** The name or the pattern. */
  name;
  /** Who is there, live as long as somebody listens to it. */
  presence;
  e;
  k;
  c;
  n = /* @__PURE__ */ new Map();
  // the newest positions
  D;
  g;
  /** @internal */
  constructor(link, name, options) {
    super();
    this.name = name;
    this.e = link;
    this.k = options;
    this.presence = new Roster(link, name);
  }
  /** How far this Channel has come: a position, or the vector of a pattern. Give it as `since` to go on from here. */
  get position() {
    return this.D;
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
  Ba() {
    this.g?.();
    this.g = void 0;
    if (this.c) return;
    const feed = this.c = this.qb();
    this.e.attach(feed);
  }
  /** @internal */
  Ca() {
    if (this.Ua || this.g) return;
    this.g = this.e.later(this.e.grace, () => {
      this.g = void 0;
      if (this.c) this.e.detach(this.c);
      this.Xa();
    });
  }
  Xa() {
    this.c = void 0;
    this.n.clear();
  }
  qb() {
    const { since, last, rate } = this.k;
    let held = [];
    if (since && !isPattern(this.name)) this.n.set(this.name, since);
    const feed = {
      name: this.name,
      since,
      last,
      fields: rate ? { rate } : {},
      begun: (ok) => {
        if (this.c !== feed) return;
        this.D ??= ok.position ?? ok.vector;
        if (held) {
          const lines = held;
          held = void 0;
          this.D = ok.vector ?? ok.position;
          if (!ok.publications && !isPattern(this.name) && ok.position && !this.n.has(this.name)) this.n.set(this.name, ok.position);
          this.d("subscribed", this.D ?? "");
          for (const line of ok.publications ?? []) this.x(line);
          for (const line of lines) this.x(line);
        } else this.d("subscribed", this.D ?? "");
      },
      failed: (error) => {
        if (this.c !== feed) return;
        this.Xa();
        this.d("error", new GodwitError(error));
      },
      push: (line) => {
        if (this.c !== feed) return;
        if (held) held.push(line);
        else this.x(line);
      }
    };
    return feed;
  }
  x(line) {
    if (line.position) {
      if (this.Ya(line.channel, line.position)) this.d("message", message(line));
    } else if (line.vector) {
      if (line.vector.channel === this.name) this.D = line.vector.vector;
    } else if (line.gap) {
      const gap = gapOf(line.gap, this.name);
      if (!gap.to || this.Ya(gap.channel, gap.to)) this.d("gap", gap);
    }
  }
  // What this Channel has had already comes again for another, or after a vector (docs/protocol.md §5.5).
  Ya(channel, position) {
    if (!isBehind(position, this.n.get(channel))) return false;
    if (isPattern(this.name)) {
      this.n.delete(channel);
      if (this.n.size >= channelsMax) this.n.delete(this.n.keys().next().value);
    } else this.D = position;
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
function problem(name, detail) {
  return new GodwitError(trouble(name, detail));
}

// src/carriers.ts
var batchMax = 6e4;
var waitSeconds = 25;
function open(transport, around, told) {
  return transport === "websocket" ? webSocket(around, told) : requests(transport, around, told);
}
function webSocket({ url, WebSocket }, told) {
  const socket = new WebSocket(url.replace(/^http/, "ws"), "godwit.v1");
  socket.onopen = () => told.ready();
  socket.onmessage = ({ data }) => told.received(parse(data));
  socket.onclose = ({ code }) => told.lost({ code });
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
    told.lost(why);
  };
  const ask = async (init, query = "") => {
    const { fetch } = around;
    const response = await fetch(around.url + query, { ...init, signal, cache: "no-store" });
    if (response.ok) return response;
    const problem2 = await response.json().catch(() => void 0);
    const seconds = Number(response.headers.get("Retry-After"));
    const why = { status: response.status, problem: problem2?.type ? problem2 : void 0, retryAfter: seconds > 0 ? seconds * 1e3 : void 0 };
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
      told.received(messages);
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
      told.received(parse(transport === "sse" ? text.replace(/^(data: ?|[^d\n].*)/gm, "") : text));
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
  queueMicrotask(() => isOver || told.ready());
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
    this.ub = _isKnown;
    this.rb = _around;
    this.L = _told;
    this.E = [...kinds];
    this.la(headStartMs);
  }
  _isKnown;
  _around;
  _told;
  E;
  i = [];
  ka;
  // what is written to
  Y = false;
  s;
  Da = {};
  Ea = false;
  send(lines) {
    this.ka?.carrier.send(lines);
  }
  close(code) {
    this.Ea = true;
    clearTimeout(this.s);
    for (const candidate of this.i) candidate.carrier.close(candidate === this.ka ? code : 4e3);
    this.i = [];
  }
  /** tryBetter opens a WebSocket beside what carries the session, which is replaced if that gets through. */
  tryBetter() {
    if (this.Y && this.i.length === 1 && !this.Ea) this.Za("websocket");
  }
  la(head) {
    clearTimeout(this.s);
    const kind = this.E.shift();
    if (!kind) return;
    this.s = setTimeout(() => this.la(stepMs), head);
    this.Za(kind);
  }
  Za(kind) {
    const candidate = { kind };
    this.i.push(candidate);
    const isOurs = () => !this.Ea && this.i.includes(candidate);
    try {
      candidate.carrier = open(kind, this.rb, {
        ready: () => isOurs() && this.sb(candidate),
        received: (lines) => isOurs() && this.tb(candidate, lines),
        lost: (why) => isOurs() && this.K(candidate, why)
      });
    } catch {
      queueMicrotask(() => isOurs() && this.K(candidate, {}));
    }
  }
  sb(candidate) {
    if (this.Y) this._a(candidate);
    else if (this.E.length > 0 && candidate.kind === "websocket") {
      clearTimeout(this.s);
      this.s = setTimeout(() => this.la(stepMs), grantMs);
    }
    this.ka = candidate;
    this.L.ready(candidate.kind);
  }
  tb(candidate, lines) {
    if (!this.Y) {
      if (lines.length === 0) return;
      this._a(candidate);
      this.Y = true;
      clearTimeout(this.s);
    }
    this.L.received(lines);
  }
  _a(candidate) {
    const others = this.i.filter((other) => other !== candidate);
    this.i = [candidate];
    this.ka = candidate;
    for (const other of others) other.carrier?.close(4e3);
  }
  K(candidate, why) {
    this.i = this.i.filter((other) => other !== candidate);
    if (why.status || !this.Da.status) this.Da = why;
    if (this.Y) {
      if (this.i.length > 0) return;
    } else {
      const isFirst = this.i.length === 0 && this.ub && !why.status;
      if (!isFirst && this.E.length > 0) {
        if (this.i.length === 0) this.la(stepMs);
        return;
      }
      if (this.i.length > 0) return;
    }
    this.close(4e3);
    this.L.lost(this.Da);
  }
};

// src/fan.ts
var Fan = class {
  constructor(_session, _run, _ask) {
    this.b = _session;
    this.a = _run;
    this._ = _ask;
  }
  _session;
  _run;
  _ask;
  F = /* @__PURE__ */ new Map();
  ma = [];
  get size() {
    return this.F.size;
  }
  attach(feed) {
    const { name, since, last, fields } = feed;
    let branch = this.F.get(name);
    if (!branch) {
      branch = { feeds: /* @__PURE__ */ new Set([feed]), opener: feed, fields, matches: matcher(name) };
      this.F.set(name, branch);
      if (isPattern(name)) this.ma.push(branch);
      if (this.b.hasBegun(name)) this.Fa(branch, feed);
      else this.a({ is: "subscribe", name, since, last, fields });
      return;
    }
    branch.feeds.add(feed);
    if (this.b.hasBegun(name)) this.Fa(branch, feed);
  }
  detach(feed) {
    const branch = this.F.get(feed.name);
    if (!branch?.feeds.delete(feed) || branch.feeds.size > 0) return;
    this.Z(feed.name, branch);
    this.a({ is: "unsubscribe", name: feed.name });
  }
  begun(name, ok, error) {
    const branch = this.F.get(name);
    if (!branch) return;
    if (error) {
      this.Z(name, branch);
      for (const feed of branch.feeds) feed.failed(error);
      return;
    }
    branch.opener.isFilled = true;
    for (const feed of branch.feeds) if (feed.isFilled) feed.begun(ok);
    for (const feed of branch.feeds) if (!feed.isFilled && !this.Fa(branch, feed)) return;
  }
  /** push hands on what has come, and says whether another tab wants it. */
  push(line) {
    const about = line.position ? line : line.gap ?? line.join ?? line.leave ?? line.presence ?? line.vector;
    const name = about?.channel;
    if (name === void 0) return false;
    let isWanted = this.$a(this.F.get(name), line);
    for (const branch of this.ma) if (branch.matches(name)) isWanted = this.$a(branch, line) || isWanted;
    return isWanted;
  }
  $a(branch, line) {
    let isWanted = false;
    for (const feed of branch?.feeds ?? []) {
      if (feed.push) feed.push(line);
      else isWanted = true;
    }
    return isWanted;
  }
  Z(name, branch) {
    this.F.delete(name);
    this.ma = this.ma.filter((other) => other !== branch);
  }
  // _fill gives a feed that came late its beginning. It returns false if the subscription is asked for again for that.
  Fa(branch, feed) {
    const { name, since, last, fields } = feed;
    const position = this.b.position(name);
    const needsMore = !!fields.presence && !branch.fields.presence;
    const isEarlier = !!since && since !== position && (isPattern(name) || isBehind(position, since));
    if (needsMore || isEarlier || branch.fields.rate && branch.fields.rate !== fields.rate) {
      branch.opener = feed;
      branch.fields = { presence: fields.presence || branch.fields.presence, rate: branch.fields.rate && fields.rate && Math.max(branch.fields.rate, fields.rate) };
      this.a({ is: "subscribe", name, since: isEarlier ? since : position, fields: branch.fields });
      return false;
    }
    const begin = (ok) => {
      if (!branch.feeds.has(feed)) return;
      feed.isFilled = true;
      feed.begun(ok);
    };
    const now = { position, vector: position };
    if (!last || since || isPattern(name)) begin(now);
    else {
      this._("history", { channel: name, last: Math.min(last, 256) }).then(begin, () => begin(now));
    }
    return true;
  }
};

// src/follower.ts
var followerPingMs = 3e3;
var Follower = class {
  constructor(_leader) {
    this.m = _leader;
  }
  _leader;
  M = /* @__PURE__ */ new Map();
  N = /* @__PURE__ */ new Map();
  /** take does the commands of the tab. */
  take(lines) {
    for (const line of lines) {
      const { id, ...command } = JSON.parse(line);
      const [verb] = Object.keys(command);
      if (verb) this.Ga(id, verb, command[verb]);
    }
  }
  /** end takes back what the tab has wanted. */
  end() {
    for (const feed of this.M.values()) this.m.fan.detach(feed);
    for (const ref of this.N.values()) this.m.forget(ref);
    this.M.clear();
    this.N.clear();
  }
  Ga(id, verb, body) {
    const ok = (ok2 = {}) => this.m.answer([{ id, ok: ok2 }]);
    switch (verb) {
      case "connect":
        this.end();
        return ok({ ...this.m.welcome(), resumed: false, ping_ms: followerPingMs });
      case "ping":
        return ok();
      case "end":
        this.end();
        return ok();
      case "unsubscribe":
        this.O(body.channel);
        return ok();
      case "subscribe":
        return this.Ha(id, body);
      case "cancel": {
        const ref = this.N.get(body.rpc);
        if (ref !== void 0) this.m.forget(ref);
        this.N.delete(body.rpc);
        return ok();
      }
      default: {
        const ref = this.m.ask(verb, body, (outcome) => {
          this.N.delete(id);
          this.m.answer([{ id, ...outcome }]);
        });
        if (ref > 0) this.N.set(id, ref);
      }
    }
  }
  O(name) {
    const feed = this.M.get(name);
    this.M.delete(name);
    if (feed) this.m.fan.detach(feed);
  }
  Ha(id, { channel, since, last, ...fields }) {
    this.O(channel);
    let isAnswered = false;
    const feed = {
      name: channel,
      since,
      last,
      fields,
      begun: (ok) => {
        if (!isAnswered) this.m.answer([{ id, ok }]);
        isAnswered = true;
      },
      failed: (error) => {
        this.M.delete(channel);
        this.m.answer([isAnswered ? { unsubscribed: { channel, error } } : { id, error }]);
        isAnswered = true;
      }
    };
    this.M.set(channel, feed);
    this.m.fan.attach(feed);
  }
};

// src/page.ts
function watchPage(life) {
  if (typeof addEventListener !== "function") return () => {
  };
  const end = new AbortController();
  const { signal } = end;
  const wake = () => life.wake();
  addEventListener("online", wake, { signal });
  if (typeof document === "undefined") return () => end.abort();
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal });
  document.addEventListener("freeze", () => life.sleep(false), { signal });
  document.addEventListener("resume", () => life.resume(), { signal });
  addEventListener("pagehide", ({ persisted }) => life.sleep(!persisted), { signal });
  addEventListener("pageshow", ({ persisted }) => persisted && life.resume(), { signal });
  return () => end.abort();
}

// src/codes.ts
var CloseCode = {
  /** It was closed because it has done what it was for. */
  Normal: 1e3,
  /** The server is shutting down or hands over to another. */
  GoingAway: 1001,
  /** The client violated RFC 6455. */
  ProtocolError: 1002,
  /** The client sent a type of message, text or binary, that is not the one of its subprotocol. */
  UnsupportedData: 1003,
  /** The connection was closed without a code. It is reported to the client by its own library and never sent. */
  NoStatus: 1005,
  /** The connection broke without a close frame. It is reported to the client by its own library and never sent. */
  Abnormal: 1006,
  /** The client sent text that is not UTF-8, or that is not JSON where JSON is expected. */
  InvalidData: 1007,
  /** Something between client and server does not allow the connection. */
  PolicyViolation: 1008,
  /** The client sent a message that is longer than the server accepts. */
  TooBig: 1009,
  /** The server or its broker failed, or a ping was not answered in time. */
  InternalError: 1011,
  /** Something between client and server restarts. */
  ServiceRestart: 1012,
  /** The server cannot serve or decide now. */
  TryAgainLater: 1013,
  /** Something between client and server got no valid answer from the server. */
  BadGateway: 1014,
  /** The client sent something to which no reply is possible, because it is no command with an id. */
  BadFrame: 4400,
  /** There is no token, or it is not valid, has expired or was revoked. */
  Unauthorized: 4401,
  /** A grant is missing, or the session was ended by the application. */
  Forbidden: 4403,
  /** There is no such session here, or not any more. */
  SessionUnknown: 4404,
  /** The client did not send the command `connect` in time. */
  ConnectTimeout: 4408,
  /** Another connection carries the session now. */
  TakenOver: 4409,
  /** History does not hold any more what came after the position of the client. */
  PositionLost: 4410,
  /** The client asks too often, or for too much at once. */
  TooMany: 4429,
  /** The client takes messages more slowly than they come, and the channel's policy does not wait for it. */
  TooSlow: 4507
};
var Reconnect = {
  /** Come back as before, after the delay that the server gave you, or else after a random time that grows with every failure. */
  Delayed: "delayed",
  /** Get another token and come back with it. With the same one it would end in the same way. */
  NewToken: "new-token",
  /** Come back, but not as before: after 4404 send `connect` again, and subscribe with the positions that you have as `since`, as `resume` may begin a new session; after 4410 come back without the position, and read what you show again. */
  Afresh: "afresh",
  /** Do not come back by yourself: it would end in the same way, or it is over. */
  Never: "never"
};
var reconnectAfter = {
  [CloseCode.Normal]: Reconnect.Never,
  [CloseCode.GoingAway]: Reconnect.Delayed,
  [CloseCode.ProtocolError]: Reconnect.Never,
  [CloseCode.UnsupportedData]: Reconnect.Never,
  [CloseCode.NoStatus]: Reconnect.Delayed,
  [CloseCode.Abnormal]: Reconnect.Delayed,
  [CloseCode.InvalidData]: Reconnect.Never,
  [CloseCode.PolicyViolation]: Reconnect.Never,
  [CloseCode.TooBig]: Reconnect.Never,
  [CloseCode.InternalError]: Reconnect.Delayed,
  [CloseCode.ServiceRestart]: Reconnect.Delayed,
  [CloseCode.TryAgainLater]: Reconnect.Delayed,
  [CloseCode.BadGateway]: Reconnect.Delayed,
  [CloseCode.BadFrame]: Reconnect.Never,
  [CloseCode.Unauthorized]: Reconnect.NewToken,
  [CloseCode.Forbidden]: Reconnect.Never,
  [CloseCode.SessionUnknown]: Reconnect.Afresh,
  [CloseCode.ConnectTimeout]: Reconnect.Delayed,
  [CloseCode.TakenOver]: Reconnect.Never,
  [CloseCode.PositionLost]: Reconnect.Afresh,
  [CloseCode.TooMany]: Reconnect.Delayed,
  [CloseCode.TooSlow]: Reconnect.Delayed
};

// src/outbox.ts
var windowMax = 32;
var keyMs = 24e4;
var Outbox = class {
  constructor(_exit) {
    this.$ = _exit;
  }
  _exit;
  /** Whether what was sent went through a connection whose ids are not ours: that of another tab. */
  isStale = false;
  y = /* @__PURE__ */ new Map();
  // by ref
  na = /* @__PURE__ */ new Map();
  get size() {
    return this.y.size;
  }
  ask(ref, verb, body) {
    this.y.set(ref, { ref, verb, body, id: 0, sentAt: 0 });
  }
  /** flush sends what was not sent yet, as far as there is room. */
  flush(now) {
    let underWay = 0;
    for (const { id, verb } of this.y.values()) if (id && isCounted(verb)) underWay++;
    for (const asked of this.y.values()) {
      if (asked.id) continue;
      if (isCounted(asked.verb) && ++underWay > windowMax) break;
      this.ab(asked, now, this.$.nextId());
    }
  }
  /** goOn sends again what has no reply (docs/protocol.md §6.2, §6.3). isResumed says that the session is the one of before. */
  goOn(isResumed, now) {
    const isSame = isResumed && !this.isStale;
    this.isStale = false;
    this.na.clear();
    for (const asked of [...this.y.values()]) {
      if (!asked.id) continue;
      const isOnce = isCounted(asked.verb) && !asked.body.idempotency_key;
      if (isSame && isCounted(asked.verb)) this.ab(asked, now, asked.id);
      else if (isOnce || isCounted(asked.verb) && now - asked.sentAt > keyMs) {
        this.Ia(asked, { error: trouble("unknown", "the connection was lost, and what became of this is not known") });
      } else asked.id = 0;
    }
  }
  /** replied settles the command of that id. It returns false if there is none. */
  replied(id, outcome) {
    const asked = this.na.get(id);
    if (asked) this.Ia(asked, outcome);
    return !!asked;
  }
  /** forget gives a command up. A call is canceled, if it can be. */
  forget(ref, isOpen) {
    const asked = this.y.get(ref);
    if (!asked) return;
    if (isOpen && asked.id && asked.verb === "rpc") this.$.send(JSON.stringify({ id: this.$.nextId(), cancel: { rpc: asked.id } }));
    this.Z(asked);
  }
  fail(error) {
    for (const asked of [...this.y.values()]) this.Ia(asked, { error });
  }
  ab(asked, now, id) {
    if (!asked.id) asked.sentAt = now;
    asked.id = id;
    this.na.set(id, asked);
    this.$.send(JSON.stringify({ id, [asked.verb]: asked.body }));
  }
  Ia(asked, outcome) {
    this.Z(asked);
    this.$.settled(asked.ref, outcome);
  }
  Z(asked) {
    this.y.delete(asked.ref);
    this.na.delete(asked.id);
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
  state = "idle";
  /** When it is tried again, while waiting. */
  retryAt = 0;
  /** Why it is waiting or closed. */
  error;
  /** The carrier: "" while there is none. */
  kind = "";
  user;
  deadline = Infinity;
  /** The session and its secret, to go on with. */
  resume;
  P;
  Q;
  oa = Infinity;
  z = false;
  bb = 0;
  G = false;
  R = 0;
  pa = /* @__PURE__ */ new Map();
  // by the id of connect
  t = new Outbox({
    nextId: () => ++this.R,
    send: (line) => this.u([line]),
    settled: (ref, outcome) => this.o.push({ do: "reply", ref, ...outcome })
  });
  f = /* @__PURE__ */ new Map();
  aa = /* @__PURE__ */ new Map();
  ba;
  ca = 0;
  qa = 1e3;
  Ja = 25e3;
  ra = 0;
  sa = 0;
  p = 0;
  // of dialling, or of the reply to a ping
  cb = 0;
  ta;
  // of connect
  ua = false;
  va = false;
  o = [];
  constructor(settings) {
    this.P = settings;
    this.Q = settings.token;
  }
  /** The newest position or vector of a subscription. */
  position(name) {
    return this.f.get(name)?.since;
  }
  /** Whether a subscription has begun on this connection. */
  hasBegun(name) {
    return !!this.f.get(name)?.began;
  }
  /** How many commands wait for their reply. */
  get waiting() {
    return this.t.size;
  }
  step(input, now) {
    const effects = this.o = [];
    const before = this.state + this.retryAt + this.kind;
    switch (input.is) {
      case "use":
        if (this.state === "idle") this.S(now);
        break;
      case "again":
        if (this.state === "closed") this.S(now);
        else this.db(now);
        break;
      case "leave":
        if (this.state !== "closed") this.g("idle");
        break;
      case "follow":
        this.wa(input.follow, now);
        break;
      case "token":
        this.vb(input, now);
        break;
      case "ready":
        if (this.state === "connecting" || this.state === "open") this.wb(input.kind, now);
        break;
      case "received":
        this.ra = now;
        this.sa = 0;
        for (const line of input.lines) this.xb(line, now);
        break;
      case "lost":
        this.va = false;
        this.K(input, now);
        break;
      case "subscribe":
        this.Ha(input);
        break;
      case "unsubscribe":
        if (this.f.delete(input.name) && this.state === "open") this.O(input.name);
        break;
      case "ask":
        this.t.ask(input.ref, input.verb, input.body);
        if (this.state === "closed" && this.error) this.t.fail(this.error.problem);
        this.xa(now);
        break;
      case "forget":
        this.t.forget(input.ref, this.state === "open");
        this.xa(now);
        break;
      case "wake":
        this.db(now);
        break;
      case "sleep":
        if (this.state === "connecting" || this.state === "open") {
          this.ua = true;
          this.T(4e3);
          this.Ka(now, Infinity);
        }
        break;
      case "tick":
        this.yb(now);
    }
    if (before !== this.state + this.retryAt + this.kind) effects.push({ do: "state" });
    this.zb(now);
    return effects;
  }
  // --- connecting ---
  S(now) {
    this.state = "connecting";
    this.kind = "";
    this.cb = now;
    this.p = now + dialMs;
    this.pa.clear();
    if (!this.G && this.P.hasTokens && (!this.Q || now >= this.oa)) this.La(this.Q ? "expired" : "first");
    else this.ya();
  }
  ya() {
    this.va = true;
    this.o.push({ do: "dial" });
  }
  La(reason) {
    this.z = true;
    this.o.push({ do: "token", reason });
  }
  vb({ token, error }, now) {
    if (!this.z) return;
    this.z = false;
    if (token !== void 0) {
      this.Q = token;
      this.oa = Infinity;
    }
    if (this.state === "open") {
      if (token !== void 0) this.u([this.da({ refresh: { token } })]);
    } else if (this.state === "connecting") {
      this.p = now + dialMs;
      if (error) this.eb(now, error);
      else this.ya();
    }
  }
  // What a new connection begins with (docs/protocol.md §6.2). Publications and calls that have no reply follow when it is
  // known whether the session goes on.
  wb(kind, now) {
    if (this.state === "open") this.p = now + dialMs;
    this.state = "connecting";
    this.R = Math.max(this.R, now * 1e3);
    const connect = { client: this.P.client };
    if (this.Q && !this.G) connect.token = this.Q;
    if (this.resume) connect.resume = this.resume;
    if (this.ba) connect.messages = this.ba;
    const lines = [this.da({ connect })];
    this.pa.set(this.R, { kind, subs: this.aa = /* @__PURE__ */ new Map() });
    for (const sub of this.f.values()) {
      sub.began = false;
      lines.push(this.ea(sub));
    }
    if (kind === "tab") this.p = now + tabMs;
    this.u(lines);
  }
  Ab(ok, { kind, subs }, now) {
    this.state = "open";
    this.kind = kind;
    this.user = ok.user;
    this.error = void 0;
    this.retryAt = 0;
    this.resume = { session: ok.session, secret: ok.secret };
    this.qa = ok.reconnect?.after_ms ?? this.qa;
    this.Ja = ok.ping_ms || 25e3;
    this.ca = this.bb = 0;
    this.oa = ok.expires_after_ms ? now + ok.expires_after_ms : Infinity;
    this.aa = subs;
    for (const sub of subs.values()) if (this.f.get(sub.name) !== sub) this.O(sub.name);
    const begins = new Set(subs.values());
    for (const sub of this.f.values()) if (!begins.has(sub)) this.u([this.ea(sub)]);
    this.t.goOn(!!ok.resumed && kind !== "tab", now);
    this.xa(now);
  }
  xa(now) {
    if (this.state === "open") this.t.flush(now);
  }
  wa(follow, now) {
    if (this.G === follow) return;
    this.G = follow;
    this.t.isStale = true;
    if (this.state !== "idle" && this.state !== "closed") {
      if (this.state !== "waiting") this.T(4e3);
      this.ca = 0;
      this.S(now);
    }
  }
  // --- losing ---
  K(why, now) {
    if (this.state !== "connecting" && this.state !== "open") return;
    const wasOpen = this.state === "open";
    const { code, status } = why;
    const problem2 = why.problem ?? this.ta ?? trouble("lost", status ? "the server answered " + status : "the connection was lost");
    const retryAfter = why.retryAfter ?? problem2.retry_after_ms;
    this.ta = void 0;
    let what = Reconnect.Delayed;
    if (status === 401) what = Reconnect.NewToken;
    else if (status === 404 && /session-unknown$/.test(problem2.type)) what = Reconnect.Afresh;
    else if (status && status !== 408 && status !== 429 && status < 500) what = Reconnect.Never;
    else if (code) {
      what = reconnectAfter[code] ?? (why.reconnect === false ? Reconnect.Never : Reconnect.Delayed);
      if (code === 4409) what = Reconnect.Afresh;
    }
    this.error = { problem: problem2, code: code ?? status };
    if (code === 4409) this.resume = void 0;
    if (what === Reconnect.Never) return this.g("closed");
    if (what === Reconnect.NewToken) {
      this.oa = Infinity;
      if (!this.P.hasTokens || this.bb++ > 0) return this.g("closed");
      this.state = "connecting";
      this.kind = "";
      return this.La("refused");
    }
    if (this.G) return this.Ka(now, wasOpen ? 0 : 500);
    this.eb(now, problem2, retryAfter);
  }
  // docs/protocol.md §6.6
  eb(now, problem2, retryAfter = 0) {
    this.error ??= { problem: problem2 };
    const most = Math.min(delayMaxMs, this.qa * 2 ** this.ca++);
    this.Ka(now, Math.max(retryAfter, most * (0.5 + this.P.random() / 2)));
  }
  Ka(now, ms) {
    this.state = "waiting";
    this.kind = "";
    this.retryAt = now + ms;
  }
  g(state) {
    if (this.state === "open" || this.state === "connecting") this.T(1e3);
    this.state = state;
    this.kind = "";
    this.z = false;
    this.resume = void 0;
    this.ca = 0;
    for (const sub of this.f.values()) sub.began = false;
    if (state === "closed" && this.error) this.Bb(this.error.problem);
  }
  T(code) {
    if (this.va) this.o.push({ do: "drop", code });
    this.va = false;
    this.kind = "";
  }
  Bb(error) {
    this.t.fail(error);
    for (const name of [...this.f.keys()]) this.fa(name, { error });
  }
  db(now) {
    if (this.state === "waiting") {
      this.ua = false;
      this.ca = 0;
      this.S(now);
    } else if (this.state === "connecting" && !this.z && now - this.cb > freshMs) {
      this.T(4e3);
      this.S(now);
    } else if (this.state === "open" && now - this.ra > freshMs) {
      this.Ma(now, probeMs);
    }
  }
  yb(now) {
    if (now < this.deadline) return;
    if (this.state === "waiting") {
      if (now >= this.retryAt && !this.ua) this.S(now);
    } else if (this.state === "connecting") {
      if (now < this.p || this.z) return;
      this.fb(now);
    } else if (this.state === "open") {
      if (!this.sa) {
        if (now - this.ra >= this.Ja) this.Ma(now, this.kind === "tab" ? tabMs : patienceMs);
      } else if (now - this.p > freshMs) {
        this.Ma(now, probeMs);
      } else if (now >= this.p) {
        return this.fb(now);
      }
    }
    for (const sub of this.f.values()) {
      if (sub.retryAt && now >= sub.retryAt && this.state === "open") {
        sub.retryAt = 0;
        this.u([this.ea(sub)]);
      }
    }
  }
  fb(now) {
    this.T(4e3);
    if (this.G) this.o.push({ do: "steal" });
    this.K({ problem: trouble("silent", "there was no answer") }, now);
  }
  Ma(now, patience) {
    this.sa = now;
    this.p = now + patience;
    this.u([this.da({ ping: {} })]);
  }
  zb(now) {
    let deadline = Infinity;
    if (this.state === "waiting" && !this.ua) deadline = this.retryAt;
    else if (this.state === "connecting" && !this.z) deadline = this.p;
    else if (this.state === "open") {
      deadline = this.sa ? this.p : this.ra + this.Ja;
      for (const sub of this.f.values()) if (sub.retryAt) deadline = Math.min(deadline, sub.retryAt);
    }
    this.deadline = Math.max(deadline, now);
  }
  // --- commands ---
  da(command) {
    return JSON.stringify({ id: ++this.R, ...command });
  }
  u(lines) {
    this.o.push({ do: "send", lines });
  }
  Ha({ name, since, last, fields }) {
    const old = this.f.get(name);
    const sub = { name, since, last, fields, began: false, retryAt: 0 };
    this.f.set(name, sub);
    if (this.state === "closed" && this.error) return this.fa(name, { error: this.error.problem });
    if (this.state !== "open") return;
    if (old) this.O(name);
    this.u([this.ea(sub)]);
  }
  ea(sub) {
    const { name, since, last, fields } = sub;
    const line = this.da({ subscribe: { channel: name, since, last: since ? void 0 : last, ...fields } });
    this.aa.set(this.R, sub);
    return line;
  }
  O(channel) {
    this.u([this.da({ unsubscribe: { channel } })]);
  }
  fa(name, outcome) {
    if (outcome.error) this.f.delete(name);
    this.o.push({ do: "begun", name, ...outcome });
  }
  // --- what comes ---
  xb(line, now) {
    if (line.position && line.channel) {
      this.gb(line.channel, line.position);
    } else if (line.id || line.error) {
      return this.Cb(line, now);
    } else if (line.gap) {
      if (line.gap.to) this.gb(line.gap.channel, line.gap.to);
    } else if (line.vector) {
      const sub = this.f.get(line.vector.channel);
      if (sub?.began) sub.since = line.vector.vector;
    } else if (line.message) {
      this.ba = line.message.position;
    } else if (line.subscribed) {
      const { channel, position } = line.subscribed;
      if (channel[0] === "@") this.ba = position ?? void 0;
      else this.f.set(channel, { since: position, name: channel, fields: {}, began: true, retryAt: 0 });
    } else if (line.unsubscribed) {
      return this.fa(line.unsubscribed.channel, { error: line.unsubscribed.error });
    } else if (line.reconnect) {
      this.qa = line.reconnect.after_ms;
    } else if (line.expiring) {
      if (!this.z && this.P.hasTokens && !this.G) this.La("expired");
    } else if (line.end) {
      const { code, reason, reconnect } = line.end;
      const problem2 = this.ta ?? trouble("ended", reason);
      if (this.state === "connecting" || this.state === "open") this.T(4e3);
      return this.K({ code, reconnect, problem: problem2 }, now);
    }
    this.o.push({ do: "push", line });
  }
  gb(channel, position) {
    const sub = this.f.get(channel);
    if (sub?.began && isBehind(position, sub.since)) sub.since = position;
    else if (!sub && channel[0] === "@") this.ba = position;
  }
  Cb({ id, ok, error }, now) {
    const hello = this.pa.get(id);
    if (hello) {
      this.pa.clear();
      if (ok) this.Ab(ok, hello, now);
      else this.ta = error;
      return;
    }
    const sub = this.aa.get(id);
    if (sub) {
      this.aa.delete(id);
      if (this.f.get(sub.name) === sub) this.Db(sub, ok, error, now);
      return;
    }
    if (this.t.replied(id, error ? { error } : { ok })) this.xa(now);
  }
  Db(sub, ok, error, now) {
    const { name } = sub;
    if (error) {
      if (error.retry_after_ms) {
        sub.retryAt = now + error.retry_after_ms;
        return;
      }
      if (sub.since && /(bad-position|bad-command)$/.test(error.type)) {
        sub.since = void 0;
        this.o.push({ do: "push", line: { gap: { channel: name, from: null, to: null, reason: "lost" } } });
        this.u([this.ea(sub)]);
        return;
      }
      if (!/already-subscribed$/.test(error.type)) return this.fa(name, { error });
    }
    sub.began = true;
    sub.last = void 0;
    sub.since = ok?.position ?? ok?.vector ?? sub.since;
    this.fa(name, { ok: ok ?? { position: sub.since } });
  }
};

// src/tabs.ts
function canShare() {
  return typeof document !== "undefined" && typeof BroadcastChannel === "function" && !!globalThis.navigator?.locks;
}
var Tabs = class {
  isLeader = false;
  id;
  j;
  A;
  za;
  hb;
  H = new AbortController();
  q = /* @__PURE__ */ new Set();
  U = false;
  constructor(name, id, events) {
    this.j = name;
    this.id = id;
    this.A = events;
  }
  join() {
    if (this.U) return;
    this.U = true;
    this.H = new AbortController();
    this.za = new BroadcastChannel(this.j);
    this.za.onmessage = ({ data }) => this.Eb(data);
    this.ga(this.j + this.id, {}, () => new Promise((done) => this.H.signal.addEventListener("abort", done)));
    this.ga(this.j, { ifAvailable: true }, (lock) => lock ? this.Na() : this.wa());
  }
  /** leave gives the connection to another tab, if this one has it. */
  leave() {
    if (!this.U) return;
    this.U = this.isLeader = false;
    this.ha({ from: this.id, bye: true });
    this.za?.close();
    this.H.abort();
    this.hb?.();
    this.q.clear();
  }
  /** steal takes the connection from a tab that does not answer. */
  steal() {
    if (this.U && !this.isLeader) this.ga(this.j, { steal: true }, () => this.Na());
  }
  get hasFollowers() {
    return this.q.size > 0;
  }
  ask(lines) {
    this.ha({ from: this.id, lines });
  }
  answer(to, lines) {
    this.ha(to === void 0 ? { lines } : { to, lines });
  }
  share(shared) {
    this.ha({ shared });
  }
  ga(name, options, held) {
    const { signal } = this.H;
    const asked = navigator.locks.request(
      name,
      options.ifAvailable || options.steal ? options : { ...options, signal },
      (lock) => signal.aborted ? void 0 : held(lock)
    );
    asked.catch(() => {
      if (name !== this.j || signal.aborted || !this.isLeader) return;
      this.isLeader = false;
      this.q.clear();
      this.wa();
    });
  }
  Na() {
    if (this.isLeader) return void 0;
    this.isLeader = true;
    this.ha({ leads: this.id });
    this.A.follow(false);
    return new Promise((release) => this.hb = release);
  }
  wa() {
    this.ga(this.j, {}, () => this.Na());
    this.A.follow(true);
  }
  ha(said) {
    this.za?.postMessage(said);
  }
  Eb(said) {
    if (!this.U) return;
    if ("leads" in said) {
      if (!this.isLeader) this.A.leader();
    } else if ("shared" in said) {
      if (!this.isLeader) this.A.shared(said.shared);
    } else if ("bye" in said) {
      this.ib(said.from);
    } else if ("from" in said) {
      if (!this.isLeader) return;
      if (!this.q.has(said.from)) {
        this.q.add(said.from);
        this.ga(this.j + said.from, {}, () => this.ib(said.from));
      }
      this.A.commands(said.from, said.lines);
    } else if (!this.isLeader && (said.to === void 0 || said.to === this.id)) {
      this.A.received(said.lines);
    }
  }
  ib(from) {
    if (this.q.delete(from)) this.A.left(from);
  }
};

// src/version.ts
var version = "0.1.0";

// src/client.ts
var upgradeFirstMs = 1e4;
var upgradeMaxMs = 6e5;
var timerMaxMs = 2 ** 31 - 1;
var Godwit = class extends Emitter {
  /** The address of the server, with a slash at its end. */
  url;
  k;
  b;
  I;
  e;
  r;
  h;
  V = new globalThis.Map();
  l;
  // what the leader says, while another tab has the connection
  J = new globalThis.Map();
  Fb = 0;
  jb = [];
  Oa = false;
  s;
  v;
  Pa;
  Qa = upgradeFirstMs;
  Ra;
  q;
  L = "idle";
  kb = "";
  B = false;
  /** url is that of the server, http: or https:, and may have a path. Default is where the page is from. */
  constructor(url, options = {}) {
    super();
    const base = typeof document === "undefined" ? void 0 : document.baseURI;
    const at = new URL(url ?? ".", base);
    at.protocol = at.protocol.replace(/^ws/, "http");
    this.url = at.href.replace(/[?#].*$/, "").replace(/\/?$/, "/");
    this.k = options;
    const { token } = options;
    this.b = new Session({
      client: options.client ?? "godwit-js/" + version,
      hasTokens: typeof token === "function",
      token: typeof token === "string" ? token : void 0,
      random: Math.random
    });
    this.I = new Fan(
      this.b,
      (input) => this.a(input),
      (verb, body) => this._(verb, body, { timeout: 3e4 })
    );
    this.e = {
      grace: options.grace ?? 5e3,
      attach: (feed) => {
        this.lb();
        if (this.B) queueMicrotask(() => feed.failed({ type: "urn:godwit:client:closed", title: "this client was closed" }));
        else this.I.attach(feed);
      },
      detach: (feed) => {
        this.I.detach(feed);
        this.Aa();
      },
      ask: (verb, body, options2) => this._(verb, body, options2),
      later
    };
  }
  /** What the connection is doing; in a tab that shares another one's, what that is doing. */
  get state() {
    const { state } = this.b;
    if (this.B) return "closed";
    return state !== "closed" && state !== "idle" && this.l ? this.l.state : state;
  }
  /** When the next attempt is made, in the state `waiting`. */
  get retryAt() {
    const at = this.l?.retryAt ?? this.b.retryAt;
    return this.state === "waiting" && isFinite(at) ? new Date(at) : void 0;
  }
  /** Why the connection is not there. */
  get error() {
    const { error } = this.b;
    return error && this.state !== "open" ? new GodwitError(error.problem, error.code) : void 0;
  }
  /** What carries the connection, "" while there is none. */
  get transport() {
    return this.l?.transport ?? this.b.kind;
  }
  /** Whether another tab has the connection. */
  get isShared() {
    return !!this.l;
  }
  /** Who the server says this is. */
  get user() {
    return this.l?.user ?? this.b.user;
  }
  /** The id of the session, which others see as that of a member. */
  get session() {
    return (this.l?.resume ?? this.b.resume)?.session;
  }
  channel(name, options = {}) {
    return new Channel(this.e, name, options);
  }
  /** rpc calls a method, and resolves with what answers it. Default timeout 30 s. */
  async rpc(method, data, { timeout = 3e4, signal } = {}) {
    const body = { method, timeout_ms: Math.max(1, Math.min(timeout, 6e4)), ...data === void 0 ? {} : payload(data) };
    const ok = await this._("rpc", body, { timeout: timeout + 5e3, signal });
    return message(ok).data;
  }
  /** reconnect tries at once, also after the server has said that it would do no good. */
  reconnect() {
    if (!this.B) this.a({ is: "again" });
  }
  /** close ends the connection for good: what waits fails. */
  close() {
    if (this.B) return;
    this.B = true;
    this.H();
    const error = { type: "urn:godwit:client:closed", title: "this client was closed" };
    for (const { reply } of [...this.J.values()]) reply({ error });
  }
  // --- commands ---
  _(verb, body, { timeout, signal } = {}) {
    return new Promise((done, failed) => {
      if (signal?.aborted) return failed(signal.reason);
      const ref = this.mb(verb, body, ({ ok, error }) => {
        stop?.();
        signal?.removeEventListener("abort", aborted);
        if (ok) done(ok);
        else failed(new GodwitError(error));
      });
      if (ref === 0) return;
      const aborted = () => {
        this.Sa(ref);
        stop?.();
        failed(signal.reason);
      };
      const late = () => {
        this.Sa(ref);
        signal?.removeEventListener("abort", aborted);
        failed(problem("timeout", "there was no reply in time; whether it was done is not known"));
      };
      const stop = timeout === void 0 ? void 0 : later(timeout, late);
      signal?.addEventListener("abort", aborted);
    });
  }
  mb(verb, body, reply) {
    const why = this.B ? ["closed", "this client was closed"] : this.J.size >= (this.k.queue ?? 1e3) ? ["queue", "too many commands wait for the connection"] : void 0;
    if (why) {
      queueMicrotask(() => reply({ error: { type: "urn:godwit:client:" + why[0], title: why[1] } }));
      return 0;
    }
    const ref = ++this.Fb;
    this.J.set(ref, {
      reply: (outcome) => {
        this.J.delete(ref);
        reply(outcome);
        this.Aa();
      }
    });
    this.lb();
    this.a({ is: "ask", ref, verb, body });
    return ref;
  }
  Sa(ref) {
    if (!this.J.delete(ref)) return;
    this.a({ is: "forget", ref });
    this.Aa();
  }
  // --- the life of the connection ---
  lb() {
    this.v?.();
    this.v = void 0;
    if (this.B || this.b.state !== "idle") return;
    this.Ra ??= watchPage({
      wake: () => this.a({ is: "wake" }),
      sleep: (isLeft) => this.Gb(isLeft),
      resume: () => {
        this.h?.join();
        this.a({ is: "wake" });
      }
    });
    const { tabs = true } = this.k;
    if (tabs && canShare()) {
      this.h ??= this.Hb("godwit " + this.url + (tabs === true ? "" : " " + tabs));
      this.h.join();
    } else this.a({ is: "use" });
  }
  // _rest lets go when nobody has used anything for a while.
  Aa() {
    if (this.v || this.B || this.I.size > 0 || this.J.size > 0) return;
    this.v = later(this.e.grace, () => {
      this.v = void 0;
      this.H();
    });
  }
  H() {
    this.v?.();
    this.v = void 0;
    this.a({ is: "leave" });
    this.h?.leave();
    this.l = void 0;
    this.Ra?.();
    this.Ra = void 0;
    this.Ta();
  }
  Gb(isLeft) {
    if (!isLeft || this.h?.hasFollowers) this.a({ is: "sleep" });
    this.h?.leave();
    this.l = void 0;
  }
  // --- one step after another ---
  a(input) {
    this.jb.push(input);
    if (this.Oa) return;
    this.Oa = true;
    try {
      for (let next; next = this.jb.shift(); ) {
        const effects = this.b.step(next, Date.now());
        this.Ib();
        for (const effect of effects) this.Ga(effect);
      }
    } finally {
      this.Oa = false;
    }
  }
  Ib() {
    clearTimeout(this.s);
    const { deadline } = this.b;
    if (deadline < Infinity) this.s = setTimeout(() => this.a({ is: "tick" }), Math.min(deadline - Date.now() + 1, timerMaxMs));
  }
  Ga(effect) {
    switch (effect.do) {
      case "send":
        return this.r?.send(effect.lines);
      case "dial":
        return this.ya();
      case "drop":
        this.r?.close(effect.code);
        this.r = void 0;
        return;
      case "token":
        return this.Jb(effect.reason);
      case "reply":
        return this.J.get(effect.ref)?.reply(effect);
      case "begun":
        return this.I.begun(effect.name, effect.ok, effect.error);
      case "push":
        return this.x(effect.line);
      case "steal":
        return this.h?.steal();
      case "state":
        return this.Ta();
    }
  }
  Jb(reason) {
    const { token } = this.k;
    const get = async () => typeof token === "function" ? token(reason) : token;
    get().then(
      (token2) => this.a({ is: "token", token: token2 }),
      (error) => this.a({ is: "token", error: { type: "urn:godwit:client:token", title: "no token was to be had: " + (error?.message ?? error) } })
    );
  }
  x(line) {
    const isWanted = this.I.push(line);
    if (line.message) this.d("message", message(line.message));
    if (this.h?.isLeader && (isWanted || line.message)) this.h.answer(void 0, [line]);
  }
  ya() {
    this.r?.close(4e3);
    if (this.h && !this.h.isLeader) {
      this.r = { send: (lines) => this.h?.ask(lines), close: () => {
      } };
      this.a({ is: "ready", kind: "tab" });
      return;
    }
    const around = {
      url: this.url + "connect",
      fetch: this.k.fetch ?? globalThis.fetch,
      WebSocket: this.k.WebSocket ?? globalThis.WebSocket,
      session: () => {
        const { resume } = this.b;
        return resume ? resume.session + "." + resume.secret : "";
      }
    };
    const kinds = this.E();
    const known = this.q ?? remembered(this.url);
    const first = kinds.find((kind) => kind === known);
    const order = first ? [first, ...kinds.filter((kind) => kind !== first)] : kinds;
    const dialer = new Dialer(order, !!first && this.nb++ % 3 < 2, around, {
      ready: (kind) => this.r === dialer && this.a({ is: "ready", kind }),
      received: (lines) => this.r === dialer && this.a({ is: "received", lines }),
      lost: (why) => this.r === dialer && this.a({ is: "lost", ...why })
    });
    this.r = dialer;
  }
  nb = 0;
  E() {
    const hasSocket = !!(this.k.WebSocket ?? globalThis.WebSocket);
    return (this.k.transports ?? ["websocket", "stream", "sse", "poll"]).filter((kind) => kind !== "websocket" || hasSocket);
  }
  // --- other tabs ---
  Hb(name) {
    return new Tabs(name, randomId(), {
      follow: (follow) => {
        if (!follow) this.l = void 0;
        else this.l ??= { state: "connecting", retryAt: 0, transport: "" };
        for (const follower of this.V.values()) follower.end();
        this.V.clear();
        this.a({ is: "follow", follow });
        this.a({ is: "use" });
      },
      leader: () => this.a({ is: "lost" }),
      received: (lines) => this.a({ is: "received", lines }),
      shared: (shared) => {
        this.l = shared;
        this.b.resume = shared.resume;
        this.Ta();
      },
      commands: (from, lines) => {
        let follower = this.V.get(from);
        if (!follower) this.V.set(from, follower = this.Kb(from));
        this.v?.();
        this.v = void 0;
        follower.take(lines);
      },
      left: (from) => {
        this.V.get(from)?.end();
        this.V.delete(from);
        this.Aa();
      }
    });
  }
  Kb(id) {
    return new Follower({
      fan: this.I,
      answer: (lines) => this.h?.answer(id, lines),
      ask: (verb, body, reply) => this.mb(verb, body, reply),
      forget: (ref) => this.Sa(ref),
      welcome: () => {
        this.ob();
        return { ...this.b.resume, user: this.b.user };
      }
    });
  }
  ob() {
    const { state, retryAt, kind, user, resume } = this.b;
    this.h?.share({ state, retryAt, transport: kind, user, resume });
  }
  Ta() {
    const { kind, resume } = this.b;
    if (kind && kind !== "tab") {
      this.nb = 0;
      if (this.q !== kind) remember(this.url, this.q = kind);
    }
    this.pb(kind);
    if (this.h?.isLeader) this.ob();
    const all = [this.state, this.transport, this.retryAt?.getTime(), resume?.session].join();
    if (all === this.kb) return;
    this.kb = all;
    const { state } = this;
    const before = this.L;
    this.L = state;
    this.d("state", state);
    if (state === "open" && before !== "open") this.d("open", this);
    if (state !== "open" && before === "open") this.d("close", this.error);
    if ((state === "waiting" || state === "closed") && before !== state && this.error) this.d("error", this.error);
  }
  // What carries the session is replaced by a WebSocket when that gets through.
  pb(kind) {
    if (this.Pa || kind === "" || kind === "tab" || kind === "websocket" || !this.E().includes("websocket")) return;
    this.Pa = later(this.Qa, () => {
      this.Pa = void 0;
      this.Qa = Math.min(this.Qa * 2, upgradeMaxMs);
      this.r?.tryBetter?.();
      this.pb(this.b.kind);
    });
  }
};
function later(ms, then) {
  const timer = setTimeout(then, Math.min(ms, timerMaxMs));
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
