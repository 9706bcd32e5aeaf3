// One channel of a Godwit server, over whichever transport is wanted.
//
//   const chat = new Channel("chat", { transport: "sse", last: 50 });
//   chat.addEventListener("message", ({ detail }) => show(detail.text));
//   chat.publish("hello");
//
// A page of history says where the channel is; from then on a transport is only
// ever asked for what came after the last position seen. That makes a broken
// connection, a change of transport and a laptop waking up the same thing:
// connect again, lose nothing, repeat nothing.

const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 10_000;
const STABLE_MS = 5_000; // open for this long, and the next loss retries quickly again
const REQUEST_MS = 10_000;
const WAIT_SECONDS = 25; // a long poll is answered within this
const OUTBOX_MAX = 100;
const STREAMS_MAX = 5; // of the six connections to a server that browsers keep over HTTP/1.1

/**
 * Channel is a client of one channel. It connects when it is made and keeps
 * itself connected until close(). Its events, all with the facts in `detail`:
 *
 *   status   { state, transport }: "connecting", "open", "waiting" to try again, or
 *            "queued" until another tab or channel gives up its connection
 *   message  { position, text, replay } or { position, bytes, replay };
 *            replay marks the history that was there before us
 *   gap      { from, to }: positions whose publications the server no longer has
 */
export class Channel extends EventTarget {
  #name;
  #last;
  #transport;
  #state = "connecting";
  #position = "";
  #attempt = null; // the connection being made or in use
  #openedAt = 0;
  #losses = 0; // in a row, with nothing stable between
  #timer = 0;
  #outbox = [];
  #page = new AbortController(); // ends the listeners on window and document

  /** last is how much history to begin with, at least 1. */
  constructor(name, { transport = "websocket", last = 1 } = {}) {
    super();
    this.#name = name;
    this.#last = last;
    this.#transport = transport;
    const signal = this.#page.signal;
    // After a change of network an open socket may be dead without knowing it.
    addEventListener("online", () => this.#connect(), { signal });
    document.addEventListener(
      "visibilitychange",
      () => {
        if (!document.hidden && this.#state === "waiting") this.#connect();
      },
      { signal },
    );
    // Listeners added right after the constructor hear the first status too.
    queueMicrotask(() => signal.aborted || this.#connect());
  }

  get name() {
    return this.#name;
  }
  get state() {
    return this.#state;
  }
  /** The last position seen, "" before the first answer. */
  get position() {
    return this.#position;
  }
  get url() {
    const path = this.#name.split("/").map(encodeURIComponent).join("/");
    return new URL(`channels/${path}`, document.baseURI).href; // a proxy may have put us below a path
  }

  get transport() {
    return this.#transport;
  }
  set transport(transport) {
    if (!(transport in transports)) throw new RangeError(`no transport ${transport}`);
    if (transport === this.#transport) return;
    this.#transport = transport;
    this.#losses = 0;
    this.#connect();
  }

  /**
   * publish sends a text. While there is no connection it waits its turn. The
   * promise is kept once the text has left, or been accepted where the transport
   * says so; it is broken when the server refuses it or too many are waiting.
   */
  publish(text) {
    if (this.#state === "open") return this.#send(text);
    if (this.#outbox.length >= OUTBOX_MAX) {
      return Promise.reject(new Error("too many messages are waiting for the connection"));
    }
    return new Promise((sent, failed) => this.#outbox.push({ text, sent, failed }));
  }

  close() {
    this.#page.abort();
    clearTimeout(this.#timer);
    this.#attempt?.end();
    this.#attempt = null;
    for (const { failed } of this.#outbox.splice(0)) failed(new Error("the channel was closed"));
  }

  async #connect() {
    clearTimeout(this.#timer);
    this.#attempt?.end();
    const attempt = (this.#attempt = new Attempt());
    this.#enter("connecting");
    // What an attempt says after it was replaced is nobody's business.
    const ours = (f) => (arg) => attempt === this.#attempt && f(arg);
    try {
      if (this.#position === "") await this.#begin(attempt.signal, ours);
      if (attempt !== this.#attempt) return;
      if (this.#transport !== "websocket") {
        await turn(attempt.signal, ours(() => this.#enter("queued")));
        if (attempt !== this.#attempt) return;
        if (this.#state === "queued") this.#enter("connecting");
      }
      attempt.send = transports[this.#transport]({
        url: this.url,
        signal: attempt.signal,
        from: () => this.#from(),
        open: ours(() => this.#opened()),
        publication: ours((p) => this.#receive(p, false)),
        gap: ours((gap) => this.#gap(gap)),
        reached: ours((position) => (this.#position = position ?? "")),
        retrying: ours(() => this.#enter("waiting")), // the transport tries again itself
        lost: ours(() => this.#lost()),
      });
    } catch {
      ours(() => this.#lost())();
    }
  }

  async #begin(signal, ours) {
    const query = { last: this.#last, limit: this.#last };
    const page = await readPage(this.url, { query, signal });
    ours(() => {
      for (const p of page.publications) this.#receive(p, true);
      this.#position = page.position ?? "";
    })();
  }

  // Where to go on from. A server that keeps no history may have no position to name.
  #from() {
    return this.#position === "" ? { last: this.#last } : { since: this.#position };
  }

  #opened() {
    this.#openedAt = performance.now();
    this.#enter("open");
    for (const { text, sent, failed } of this.#outbox.splice(0)) {
      this.#send(text).then(sent, failed);
    }
  }

  // Full jitter: anywhere between at once and twice as long as the last time, so
  // that the clients of a restarted server do not all come back together.
  #lost() {
    const stable = this.#state === "open" && performance.now() - this.#openedAt > STABLE_MS;
    this.#losses = stable ? 1 : this.#losses + 1;
    const most = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.#losses);
    this.#attempt?.end();
    this.#attempt = null;
    this.#timer = setTimeout(() => this.#connect(), Math.random() * most);
    this.#enter("waiting");
  }

  #receive({ position, data, data_base64 }, replay) {
    if (!follows(position, this.#position)) return;
    this.#position = position;
    const content =
      data_base64 !== undefined
        ? { bytes: Uint8Array.from(atob(data_base64), (c) => c.charCodeAt(0)) }
        : { text: typeof data === "string" ? data : JSON.stringify(data) };
    this.#tell("message", { position, replay, ...content });
  }

  #gap({ from = this.#position, to } = {}) {
    if (to) this.#position = to; // the same gap is not announced twice
    this.#tell("gap", { from, to });
  }

  #send(text) {
    return this.#attempt?.send?.(text) ? Promise.resolve() : this.#post(text);
  }

  // A POST whose answer was lost may have been accepted: the same key again makes
  // the second try harmless.
  async #post(text) {
    const headers = { "Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": randomID() };
    for (let retry = 0; ; retry++) {
      try {
        const signal = AbortSignal.timeout(REQUEST_MS);
        const response = await fetch(this.url, { method: "POST", body: text, headers, signal });
        if (response.ok) return;
        throw new Refused(await explain(response));
      } catch (error) {
        if (error instanceof Refused || retry === 2) throw error;
        await new Promise((done) => setTimeout(done, Math.random() * 1000));
      }
    }
  }

  #enter(state) {
    this.#state = state;
    this.#tell("status", { state, transport: this.#transport });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// Attempt is one try at being connected; end() gives back whatever it holds.
class Attempt {
  #abort = new AbortController();
  send = null; // text → whether it was taken
  get signal() {
    return this.#abort.signal;
  }
  end() {
    this.#abort.abort();
  }
}

class Refused extends Error {}

/**
 * turn waits until one of few streams may be opened, which is given back when
 * signal aborts. Browsers keep six connections to a server over HTTP/1.1, all tabs
 * together: more streams would leave none for a message to be sent, or for another
 * tab to load. Where there are no locks (pages over http that are not of this
 * machine), each is on its own.
 */
async function turn(signal, queued) {
  const [page] = performance.getEntriesByType("navigation");
  if (!navigator.locks || /^h[23]/.test(page?.nextHopProtocol)) return;
  const { held } = await navigator.locks.query();
  if (held.filter(({ name }) => name.startsWith("godwit-stream-")).length >= STREAMS_MAX) queued();
  await new Promise((granted, failed) => {
    const others = new AbortController();
    const either = AbortSignal.any([signal, others.signal]);
    for (let i = 0; i < STREAMS_MAX; i++) {
      const hold = () => {
        if (either.aborted) return; // one of the others was first
        others.abort();
        granted();
        return new Promise((end) => signal.addEventListener("abort", end));
      };
      navigator.locks.request(`godwit-stream-${i}`, { signal: either }, hold).catch(failed);
    }
  });
}

// Each transport follows a channel from from() until its signal aborts or it
// reports lost(). One that can carry publications returns how.
const transports = {
  websocket({ url, signal, from, open, publication, gap, lost }) {
    const query = new URLSearchParams({ envelope: 1, ...from() });
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}?${query}`);
    socket.onopen = open;
    socket.onmessage = ({ data }) => {
      const envelope = JSON.parse(data);
      envelope.gap ? gap(envelope.gap) : publication(envelope);
    };
    socket.onclose = lost;
    signal.addEventListener("abort", () => socket.close(1000));
    return (text) => {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(text);
      return true;
    };
  },

  // An EventSource reconnects by itself after a broken connection, and gives up
  // for good on an answer that is not 200: only then is it lost to us.
  sse({ url, signal, from, open, publication, gap, retrying, lost }) {
    const source = new EventSource(`${url}?${new URLSearchParams(from())}`);
    source.onopen = open;
    source.onmessage = (e) => publication({ position: e.lastEventId, data: e.data });
    source.addEventListener("binary", (e) =>
      publication({ position: e.lastEventId, data_base64: e.data }),
    );
    source.addEventListener("gap", (e) => gap(JSON.parse(e.data)));
    source.onerror = () => (source.readyState === EventSource.CLOSED ? lost() : retrying());
    signal.addEventListener("abort", () => source.close());
  },

  poll({ url, signal, from, open, publication, gap, reached, lost }) {
    const follow = async () => {
      // The first answer comes at once, so that we know the server is there.
      for (let wait = 0; !signal.aborted; wait = WAIT_SECONDS) {
        const page = await readPage(url, { query: from(), signal, wait });
        if (page.gap) gap();
        page.publications.forEach(publication);
        reached(page.position);
        if (wait === 0) open();
      }
    };
    follow().catch(lost);
  },
};

async function readPage(url, { query, signal, wait = 0 }) {
  const headers = { Accept: "application/json" };
  if (wait > 0) headers.Prefer = `wait=${wait}`;
  const request = new AbortController();
  const stop = () => request.abort();
  const timer = setTimeout(stop, wait * 1000 + REQUEST_MS);
  signal.addEventListener("abort", stop);
  try {
    const response = await fetch(`${url}?${new URLSearchParams(query)}`, {
      headers,
      cache: "no-store",
      signal: request.signal,
    });
    if (!response.ok) throw new Error(await explain(response));
    return await response.json();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

// Errors are problem+json (RFC 9457), whose detail says what would be right.
async function explain(response) {
  const problem = await response.json().catch(() => ({}));
  return problem.detail ?? problem.title ?? `the server answered ${response.status}`;
}

// follows reports whether position comes after previous, the guard against seeing
// a publication twice. Positions are epoch:offset and epochs cannot be compared: a
// new one begins when the server has lost its history.
function follows(position, previous) {
  const [epoch, offset] = split(position);
  const [epochBefore, offsetBefore] = split(previous);
  return epoch !== epochBefore || offset > offsetBefore;
}

function split(position) {
  const colon = position.lastIndexOf(":");
  return [position.slice(0, colon), BigInt(position.slice(colon + 1) || 0)];
}

/** randomID is unique enough for a tab or a message. crypto.randomUUID wants https. */
export function randomID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) =>
    b.toString(16).padStart(2, "0"),
  ).join("");
}
