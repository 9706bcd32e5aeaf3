import { Card, code } from "./card.js";
import { Live, randomID } from "./live.js";

const HISTORY = 50;
const SHOWN_MAX = 200;
const TEXT_MAX = 2000;
const PENDING_MS = 300; // a message that takes longer to come back is shown as on its way

/** startChat makes the card of two clients in one channel. */
export function startChat() {
  const card = new Card("chat", (transport) => code("chat", transport, "chat", `{ last: ${HISTORY} }`,
    `chat.on("message", (m) => show(m.data)); button.onclick = () => chat.publish(input.value)`));
  for (const side of ["left", "right"]) new Pane(card, side);
  return card;
}

// Pane is one client: its name, what it sees, and what it says.
class Pane {
  #id;
  #root;
  #log;
  #name;
  #input;
  #channel;
  #pending = new Map(); // id → the item of a message that has not come back yet

  constructor(card, side) {
    this.#root = card.demo.querySelector(`[data-testid=chat-${side}]`);
    this.#log = this.#root.querySelector(".log");
    this.#name = this.#root.querySelector(".name");
    this.#id = remembered(`chat-${side}-id`, randomID);
    this.#name.value = remembered(`chat-${side}-name`, newName);
    this.#input = this.#root.querySelector("form input");
    this.#channel = card.add(new Live("chat", { transport: card.transport, last: HISTORY }));
    this.#channel.addEventListener("message", ({ detail }) => this.#receive(detail));
    this.#channel.addEventListener("status", ({ detail: { state } }) => {
      // A screen reader hears what is new, once: not the history, and not from both panes.
      if (side === "left" && state === "open") this.#log.setAttribute("aria-live", "polite");
    });
    this.#root.querySelector("form").addEventListener("submit", (e) => {
      e.preventDefault();
      this.#say(this.#input.value.trim());
    });
    this.#name.addEventListener("input", () => {
      remember(`chat-${side}-name`, this.#name.value);
      this.#showName();
    });
    this.#showName();
  }

  #showName() {
    const avatar = this.#root.querySelector(".avatar");
    avatar.textContent = initial(this.#name.value);
    avatar.dataset.hue = hue(this.#name.value);
  }

  async #say(text) {
    if (text === "") return;
    const id = randomID();
    const message = { id, from: this.#id, name: this.#name.value.trim() || "someone", text };
    this.#input.value = "";
    this.#pending.set(id, null);
    setTimeout(() => {
      if (this.#pending.has(id)) this.#pending.set(id, this.#append(item(message, "pending mine")));
    }, PENDING_MS);
    try {
      await this.#channel.publish(JSON.stringify(message));
    } catch (error) {
      this.#pending.get(id)?.remove();
      this.#pending.delete(id);
      this.#append(notice(`Not sent: ${error.message}.`));
      this.#input.value ||= text;
    }
  }

  #receive({ position, text, bytes }) {
    const message = parse(text ?? decode(bytes));
    this.#pending.get(message.id)?.remove();
    this.#pending.delete(message.id);
    const li = item(message, message.from === this.#id ? "mine" : "");
    li.dataset.position = position;
    this.#append(li);
  }

  #append(li) {
    const log = this.#log;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(li);
    while (log.children.length > SHOWN_MAX) log.firstElementChild.remove();
    if (atEnd || li.classList.contains("mine")) log.scrollTop = log.scrollHeight;
    return li;
  }
}

// Who a pane is lasts as long as its tab, over reloads; without storage, until then.
function remembered(key, make) {
  let value;
  try {
    value = sessionStorage.getItem(key) ?? make();
  } catch {
    return make();
  }
  remember(key, value);
  return value;
}

const people = [
  "Ada", "Linus", "Grace", "Alan", "Radia", "Ken", "Barbara", "Dennis", "Hedy", "Tim", "Katherine", "Vint",
  "Margaret", "Rob", "Joan", "Donald", "Frances", "Niklaus", "Sophie", "Leslie", "Jean", "Edsger", "Karen", "Brian",
];

// The tabs of a browser take names in turn, so that no two are the same person.
// Browsers begin anywhere, so that two of them seldom are.
function newName() {
  const key = "chat-names";
  let next = Math.floor(Math.random() * people.length);
  try {
    next = Number(localStorage.getItem(key) ?? next) || 0;
    localStorage.setItem(key, (next + 1) % people.length);
  } catch {
    // Without storage, anybody.
  }
  return people[next % people.length];
}

function remember(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // Forbidden or full.
  }
}

// Anybody may publish anything here. What is not a message of ours is shown as it is.
function parse(text) {
  try {
    const { id, from, name, text: said } = JSON.parse(text);
    if (typeof said === "string") return { id, from, name: String(name ?? "someone"), text: said };
  } catch {
    // Not JSON, or JSON's null: plain words, then.
  }
  return { name: "someone", text };
}

// `curl -d hello` sends bytes of no known kind, which are mostly words.
function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return `${bytes.length} bytes`;
  }
}

function item({ name, text }, kind) {
  const li = document.createElement("li");
  li.className = kind;
  const who = document.createElement("b");
  who.textContent = name.slice(0, 40);
  who.dataset.hue = hue(name);
  const what = document.createElement("span");
  what.textContent = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
  li.append(who, " ", what);
  return li;
}

function notice(text) {
  const li = document.createElement("li");
  li.className = "trouble";
  li.textContent = text;
  return li;
}

function initial(name) {
  return [...name.trim()][0]?.toUpperCase() ?? "?";
}

function hue(name) {
  let sum = 0;
  for (const c of name) sum += c.codePointAt(0);
  return sum % 6;
}
