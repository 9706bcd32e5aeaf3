// One channel for a card of this page. Godwit's own client does the work; what is added here is that the
// visitor may choose a transport, and change it without missing anything.
import { Godwit } from "../client.mjs";

const url = new URL(".", document.baseURI); // a proxy may have put us below a path
const RETRY_MS = 5_000; // after the server has refused a channel
const OUTBOX_MAX = 100;

// All cards share the connection of a transport, and so do all tabs: a browser keeps six to a server over HTTP/1.1.
const connections = {};

function connection(transport) {
  connections[transport] ??= new Godwit(url, { transports: [transport], tabs: transport, queue: OUTBOX_MAX });
  return connections[transport];
}

/**
 * Live is a channel over the transport that was chosen for it. Its events, all with the facts in `detail`:
 *
 *   status   { state, transport }: "connecting", "open", or "waiting" to try again
 *   message  { position, text } or { position, bytes }
 *   gap      { from, to }: positions whose publications the server no longer has
 */
export class Live extends EventTarget {
  #name;
  #last;
  #transport;
  #channel = null;
  #end = new AbortController(); // of listening over the transport before
  #hasBegun = false;

  /** last is how much history to begin with. */
  constructor(name, { transport = "websocket", last = 0 } = {}) {
    super();
    this.#name = name;
    this.#last = last;
    this.#transport = transport;
    // Listeners added right after the constructor hear the first status too.
    queueMicrotask(() => this.#listen());
  }

  get name() {
    return this.#name;
  }
  get state() {
    const { state } = connection(this.#transport);
    if (state === "open") return this.#hasBegun ? "open" : "connecting";
    return state === "waiting" || state === "closed" ? "waiting" : "connecting";
  }
  /** The last position seen, "" before the first answer. */
  get position() {
    return this.#channel?.position ?? "";
  }
  get transport() {
    return this.#transport;
  }
  set transport(transport) {
    if (transport === this.#transport) return;
    this.#transport = transport;
    this.#listen();
  }

  /** publish is kept when the server has accepted what was published, a text or a value. */
  publish(data) {
    return this.#channel.publish(data);
  }

  #listen() {
    this.#end.abort();
    this.#end = new AbortController();
    const { signal } = this.#end;
    const since = this.position;
    const godwit = connection(this.#transport);
    this.#hasBegun = false;
    this.#channel = godwit.channel(this.#name, since ? { since } : { last: this.#last });
    this.#channel.on("subscribed", () => this.#tellStatus((this.#hasBegun = true)), { signal });
    this.#channel.on("message", (message) => this.#receive(message), { signal });
    this.#channel.on("gap", ({ from, to }) => this.#tell("gap", { from, to }), { signal });
    this.#channel.on("error", () => setTimeout(() => signal.aborted || this.#listen(), RETRY_MS), { signal });
    godwit.on("state", () => this.#tellStatus(), { signal });
    this.#tellStatus();
  }

  #receive({ position, data }) {
    const content = data instanceof Uint8Array ? { bytes: data } : { text: typeof data === "string" ? data : JSON.stringify(data) };
    this.#tell("message", { position, ...content });
  }

  #tellStatus() {
    this.#tell("status", { state: this.state, transport: this.#transport });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** randomID is unique enough for a tab or a message. crypto.randomUUID wants https. */
export function randomID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(16).padStart(2, "0")).join("");
}
