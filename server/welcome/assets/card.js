import { copyButton, here, show } from "./code.js";

const states = { connecting: "Connecting", open: "Live", waiting: "Reconnecting" };
const names = { websocket: "WebSocket", sse: "Server-sent events", poll: "Long polling" };
const worstFirst = ["waiting", "connecting", "open"];
const areTabsApart = !navigator.locks; // over http, on another machine

/** code is what a card does, in three lines: name is the variable of the channel, and use what is done with it. */
export function code(name, transport, channel, options, use) {
  const way = transport === "websocket" ? "" : `, { transports: ["${transport}"] }`;
  return `const { Godwit } = await import("http://127.0.0.1:8000/client.mjs")
const ${name} = new Godwit("http://127.0.0.1:8000"${way}).channel("${channel}"${options && ", " + options})
${use}`;
}

// Card is what the demonstrations share: the switch between transports, what the
// connection is doing, the code it takes, and word of a gap. It tells "state" when
// its state changes and "message" when a channel of it received something.
export class Card extends EventTarget {
  #channels = [];
  #status;
  #snippet;
  #codeFor;
  #limit;
  #notice;

  /** snippet gives the code for a transport. */
  constructor(id, snippet) {
    super();
    const root = document.querySelector(`[data-card=${id}]`);
    const controls = document.getElementById("controls").content.cloneNode(true);
    this.demo = root.querySelector("[data-slot=demo]");
    this.#codeFor = snippet;
    this.#status = controls.querySelector(".status");
    this.#status.dataset.testid = `status-${id}`;
    this.#limit = controls.querySelector("[data-part=limit]");
    this.#notice = controls.querySelector(".notice");
    this.#notice.dataset.testid = `gap-${id}`;
    this.#notice.querySelector("button").addEventListener("click", () => (this.#notice.hidden = true));

    const group = controls.querySelector("fieldset");
    group.dataset.testid = `transport-${id}`;
    for (const radio of group.querySelectorAll("input")) radio.name = `transport-${id}`;
    group.addEventListener("change", (e) => this.#use(e.target.value));
    root.querySelector("[data-slot=controls]").replaceWith(controls);

    const shown = document.getElementById("snippet").content.cloneNode(true);
    this.#snippet = shown.querySelector("code");
    shown.querySelector(".snippet").append(copyButton(this.#snippet));
    this.demo.append(shown);

    // A browser may restore the choice of before a reload.
    this.transport = group.querySelector("input:checked").value;
    this.#describe();
  }

  /** state is the worst of its channels'. */
  get state() {
    return worstFirst.find((state) => this.#channels.some((c) => c.state === state));
  }

  /** position is how far its first channel has been read. */
  get position() {
    return this.#channels[0].position;
  }

  /** add makes channel one of the card's. ephemeral: nobody minds a gap in it. */
  add(channel, { ephemeral = false } = {}) {
    this.#channels.push(channel);
    channel.addEventListener("status", () => {
      this.#describe();
      this.dispatchEvent(new Event("state"));
    });
    if (!ephemeral) channel.addEventListener("gap", ({ detail }) => this.#tellGap(detail));
    channel.addEventListener("message", () => this.dispatchEvent(new Event("message")));
    return channel;
  }

  #use(transport) {
    this.transport = transport;
    for (const channel of this.#channels) channel.transport = transport;
    this.#describe();
  }

  #describe() {
    const state = this.state ?? "connecting";
    this.#status.dataset.state = state;
    this.#status.dataset.transport = this.transport;
    this.#status.querySelector("[data-part=state]").textContent = `${states[state]} · ${names[this.transport]}`;
    this.#limit.hidden = this.transport === "websocket" || !areTabsApart;
    const code = here(this.#codeFor(this.transport));
    if (this.#snippet.textContent !== code) show(this.#snippet, code);
  }

  #tellGap({ from, to }) {
    const restarted = !from || !to || from.split(":")[0] !== to.split(":")[0];
    this.#notice.querySelector("p").textContent = restarted
      ? "The history from before was lost: the server was restarted. Everything since then is here."
      : "You were away for longer than the history reaches. Everything it still holds is here.";
    this.#notice.hidden = false;
  }
}
