import { Card, code } from "./card.js";
import { Live, randomID } from "./live.js";
import { Drawing } from "./drawing.js";

const MOVES = "demo/board/moves"; // every frame, worth nothing a moment later
const STROKES = "demo/board"; // finished strokes, worth keeping
const STROKES_LAST = 1000;
const STROKE_POINTS_MAX = 1500; // longer ones go on as a new stroke
const CURSOR_MS = 15_000; // a cursor that is silent for so long has gone
const STEP = 0.015; // how far an arrow key moves; with Shift four times as far
const COLORS = 6;

// Waders, so that a cursor has a name to tell it by.
const birds = ["Avocet", "Curlew", "Dunlin", "Knot", "Plover", "Ruff", "Sanderling", "Snipe", "Stint", "Turnstone"];

/** startBoard makes the card of the shared drawing board. */
export function startBoard() {
  const card = new Card("board", (transport) => code("moves", transport, MOVES, "",
    `moves.on("message", (m) => showCursor(m.data)); board.onpointermove = ({ x, y }) => moves.publish({ tab, x, y })`));
  new Board(card);
  return card;
}

class Board {
  #tab = randomID();
  #name = pick(birds);
  #color = Math.floor(Math.random() * COLORS);
  #root;
  #part;
  #drawing;
  #cursors;
  #moves;
  #strokes;
  #pen = null; // the stroke being drawn: { id, points, sent }
  #at = { x: 0.5, y: 0.5 };
  #moved = false; // since the last movement was published
  #sending = false;
  #frame = 0;

  constructor(card) {
    this.#root = card.demo.querySelector("[data-testid=board]");
    this.#root.dataset.tab = this.#tab;
    this.#root.dataset.strokes = 0;
    this.#part = (name) => card.demo.querySelector(`[data-part=${name}]`);
    this.#part("me").textContent = `You are ${this.#name}`;
    this.#part("me").dataset.hue = this.#color;
    this.#drawing = new Drawing(this.#part("strokes"), this.#part("live"));
    this.#cursors = new Cursors(card.demo.querySelector("[data-testid=board-cursors]"), (tab) =>
      this.#drawing.forget(tab),
    );

    this.#moves = card.add(new Live(MOVES, { transport: card.transport }), { ephemeral: true });
    this.#moves.addEventListener("message", ({ detail }) => this.#receiveMove(read(detail.text)));
    this.#strokes = card.add(new Live(STROKES, { transport: card.transport, last: STROKES_LAST }));
    this.#strokes.addEventListener("message", ({ detail }) => this.#receive(read(detail.text)));

    this.#listenToPointer();
    this.#listenToKeys();
    card.demo.querySelector("[data-testid=board-clear]").addEventListener("click", () => {
      this.#publish({ clear: true });
    });
    addEventListener("pagehide", () => this.#leave());
  }

  #listenToPointer() {
    const board = this.#root;
    const follow = (e) => {
      const box = board.getBoundingClientRect();
      // A fast hand moves several times within a frame; every place of it counts.
      const moves = e.getCoalescedEvents?.() ?? [];
      for (const move of moves.length > 0 ? moves : [e]) {
        this.#move((move.clientX - box.left) / box.width, (move.clientY - box.top) / box.height);
      }
    };
    board.addEventListener("pointerdown", (e) => {
      if (e.button !== 0 || !e.isPrimary) return;
      board.setPointerCapture(e.pointerId);
      this.#lift();
      this.#cursors.hideOwn();
      follow(e);
      this.#lower();
    });
    board.addEventListener("pointermove", (e) => e.isPrimary && follow(e));
    board.addEventListener("pointerup", (e) => e.isPrimary && this.#lift());
    board.addEventListener("pointercancel", (e) => e.isPrimary && this.#lift());
  }

  #listenToKeys() {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    this.#root.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      if (e.key in directions) {
        const [dx, dy] = directions[e.key];
        const step = e.shiftKey ? 4 * STEP : STEP;
        this.#move(this.#at.x + dx * step, this.#at.y + dy * step * this.#drawing.ratio);
      } else if (e.key === " ") {
        if (!e.repeat) this.#pen ? this.#lift() : this.#lower();
        this.#part("said").textContent = this.#pen ? "Pen down" : "Pen up";
      } else if (e.key === "Escape") {
        this.#lift();
      } else {
        return;
      }
      e.preventDefault();
      this.#cursors.showOwn(this.#at, this.#color, this.#pen !== null);
    });
    this.#root.addEventListener("blur", () => {
      this.#lift();
      this.#cursors.hideOwn();
    });
  }

  #move(x, y) {
    this.#at = { x: round(x), y: round(y) };
    this.#moved = true;
    if (this.#pen) this.#extend();
    this.#schedule();
  }

  #lower() {
    this.#part("empty").hidden = true;
    this.#pen = { id: randomID(), points: [], sent: 0 };
    this.#extend();
    this.#schedule();
  }

  #extend() {
    const { id, points } = this.#pen;
    points.push([this.#at.x, this.#at.y]);
    this.#drawing.preview(this.#tab, { id, color: this.#color, points });
    if (points.length < STROKE_POINTS_MAX) return;
    this.#lift();
    this.#lower();
  }

  #lift() {
    if (!this.#pen) return;
    const { id, points } = this.#pen;
    this.#pen = null;
    this.#publish({ stroke: { id, tab: this.#tab, color: this.#color, points } });
    this.#schedule();
  }

  // A stroke waits for the connection if there is none, and stays on our own board.
  #publish(value) {
    this.#strokes.publish(JSON.stringify(value)).catch((error) => {
      this.#part("said").textContent = `Not sent: ${error.message}`;
    });
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#publishMove();
    });
  }

  // At most one movement a frame, and the next only when the last was taken: over
  // POST that paces us at what the connection can do. Movements are never queued.
  async #publishMove() {
    if (!this.#moved || this.#sending || this.#moves.state !== "open") return;
    this.#moved = false;
    this.#sending = true;
    const move = { tab: this.#tab, name: this.#name, color: this.#color, ...this.#at };
    if (this.#pen) {
      const { id, points, sent } = this.#pen;
      move.stroke = { id, points: points.slice(Math.max(0, sent - 1)) };
      this.#pen.sent = points.length;
    }
    await this.#moves.publish(move).catch(() => {});
    this.#sending = false;
    if (this.#moved) this.#schedule();
  }

  #leave() {
    if (this.#moves.state === "open") this.#moves.publish({ tab: this.#tab, gone: true }).catch(() => {});
  }

  #receiveMove({ tab, name, color, x, y, gone, stroke }) {
    if (typeof tab !== "string" || tab === this.#tab) return;
    if (gone) return this.#cursors.remove(tab);
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    this.#cursors.show(tab, { name, x, y, color: hue(color) });
    const points = pointsOf(stroke?.points);
    if (points.length > 0) this.#drawing.preview(tab, { id: stroke.id, color: hue(color), points }, true);
  }

  #receive({ stroke, clear }) {
    if (clear) this.#drawing.clear();
    const points = pointsOf(stroke?.points);
    if (points.length > 0) this.#drawing.add({ id: stroke.id, tab: stroke.tab, color: hue(stroke.color), points });
    this.#root.dataset.strokes = this.#drawing.count;
    this.#part("empty").hidden = this.#drawing.count > 0;
  }
}

// Cursors are the other tabs' places, and our own while it is moved by keys.
class Cursors {
  #root;
  #gone;
  #known = new Map(); // tab → { element, timer }
  #own = null;

  constructor(root, gone) {
    this.#root = root;
    this.#gone = gone;
  }

  show(tab, { name, x, y, color }) {
    let cursor = this.#known.get(tab);
    if (!cursor) {
      cursor = { element: this.#make(color, name), timer: 0 };
      cursor.element.dataset.tab = tab;
      this.#known.set(tab, cursor);
    }
    place(cursor.element, x, y);
    clearTimeout(cursor.timer);
    cursor.timer = setTimeout(() => this.remove(tab), CURSOR_MS);
  }

  remove(tab) {
    const cursor = this.#known.get(tab);
    if (!cursor) return;
    clearTimeout(cursor.timer);
    cursor.element.remove();
    this.#known.delete(tab);
    this.#gone(tab);
  }

  showOwn({ x, y }, color, down) {
    this.#own ??= this.#make(color, "You");
    this.#own.classList.add("own");
    this.#own.classList.toggle("down", down);
    place(this.#own, x, y);
  }

  hideOwn() {
    this.#own?.remove();
    this.#own = null;
  }

  #make(color, name) {
    const svg = "http://www.w3.org/2000/svg";
    const element = document.createElement("div");
    element.className = "cursor";
    element.dataset.hue = color;
    const arrow = document.createElementNS(svg, "svg");
    arrow.setAttribute("viewBox", "0 0 16 18");
    const path = document.createElementNS(svg, "path");
    path.setAttribute("d", "M1 1l13.500 6.500-6 1.700-3 5.800z");
    arrow.append(path);
    const label = document.createElement("span");
    label.textContent = String(name ?? "").slice(0, 16);
    element.append(arrow, label);
    this.#root.append(element);
    return element;
  }
}

function place(element, x, y) {
  element.dataset.x = x;
  element.dataset.y = y;
  element.style.left = `${clamp(x) * 100}%`;
  element.style.top = `${clamp(y) * 100}%`;
}

function read(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // anybody may publish anything here
  }
}

function pointsOf(points) {
  if (!Array.isArray(points)) return [];
  return points.filter((p) => Array.isArray(p) && p.length === 2 && p.every(Number.isFinite));
}

function hue(color) {
  return Number.isInteger(color) && color >= 0 && color < COLORS ? color : 0;
}

function clamp(n) {
  return Math.min(1, Math.max(0, n));
}

function round(n) {
  return Math.round(clamp(n) * 1e4) / 1e4;
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}
