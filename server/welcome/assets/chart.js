import { Card, code } from "./card.js";
import { Live } from "./live.js";

const SHOWN = 150; // points across the chart: half a minute of the demo feed
const QUIET_MS = 3_000; // after this long without a price the card explains itself
const LABEL_MS = 5_000; // how often the spoken description follows

/** startChart makes the card of the price line. */
export function startChart() {
  const card = new Card("chart", (transport) => code("ticker", transport, "demo/ticker", `{ last: ${SHOWN} }`,
    `ticker.on("message", (m) => plot(m.data.price))`));
  new Chart(card);
  return card;
}

class Chart {
  #root;
  #canvas;
  #part;
  #prices = [];
  #count = 0;
  #frame = 0;
  #quiet = 0;
  #labelledAt = -Infinity;
  #range = null; // the prices at the lower and upper edge; follows the data smoothly
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(card) {
    this.#root = card.demo.querySelector("[data-testid=chart]");
    this.#canvas = this.#root.querySelector("canvas");
    this.#part = (name) => this.#root.querySelector(`[data-part=${name}]`);
    const channel = card.add(new Live("demo/ticker", { transport: card.transport, last: SHOWN }));
    channel.addEventListener("message", ({ detail }) => this.#receive(detail));
    channel.addEventListener("status", ({ detail: { state } }) => {
      clearTimeout(this.#quiet);
      if (state === "open") this.#expect();
    });
    new ResizeObserver(() => this.#redraw()).observe(this.#canvas);
    document.addEventListener("themechange", () => this.#redraw());
  }

  #expect() {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => (this.#part("quiet").hidden = false), QUIET_MS);
  }

  #receive({ text }) {
    const { symbol, price, change } = read(text);
    if (!Number.isFinite(price)) return;
    this.#prices.push(price);
    if (this.#prices.length > SHOWN) this.#prices.shift();
    this.#root.dataset.points = this.#part("points").textContent = ++this.#count;
    this.#part("symbol").textContent = String(symbol ?? "").slice(0, 12);
    this.#part("price").textContent = price.toFixed(2);
    this.#tellChange(change);
    this.#part("quiet").hidden = true;
    this.#expect();
    this.#label(price);
    this.#redraw();
  }

  #tellChange(change) {
    const part = this.#part("change");
    const known = Number.isFinite(change);
    part.textContent = known ? `${change < 0 ? "▼" : "▲"} ${Math.abs(change).toFixed(2)}` : "";
    part.classList.toggle("down", known && change < 0);
  }

  #label(price) {
    const now = performance.now();
    if (now - this.#labelledAt < LABEL_MS) return;
    this.#labelledAt = now;
    const [low, high] = [Math.min(...this.#prices), Math.max(...this.#prices)].map((p) => p.toFixed(2));
    this.#canvas.setAttribute(
      "aria-label",
      `Line of the last ${this.#prices.length} prices, from ${low} to ${high}, now ${price.toFixed(2)}`,
    );
  }

  #redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#draw()) this.#redraw();
    });
  }

  // #draw paints the line and reports whether it is still moving.
  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const c = this.#canvas.getContext("2d");
    c.scale(scale, scale);
    if (this.#prices.length < 2 || width === 0) return false;

    const style = getComputedStyle(this.#root);
    const color = (name) => style.getPropertyValue(name).trim();
    const moving = this.#follow();
    const [low, high] = this.#range;
    const right = width - 58; // the scale is beside the line, not under it
    const top = 14;
    const bottom = height - 14;
    const x = (i) => right - ((this.#prices.length - 1 - i) * right) / (SHOWN - 1);
    const y = (price) => bottom - ((price - low) / (high - low)) * (bottom - top);

    c.font = `12px ${color("--mono")}`;
    c.textBaseline = "middle";
    c.lineWidth = 1;
    for (const price of gridLines(low, high)) {
      const at = Math.round(y(price)) + 0.5;
      c.strokeStyle = color("--line");
      c.beginPath();
      c.moveTo(0, at);
      c.lineTo(right, at);
      c.stroke();
      c.fillStyle = color("--muted");
      c.fillText(price.toFixed(2), right + 12, at);
    }

    const accent = color("--accent");
    const line = new Path2D();
    this.#prices.forEach((price, i) => line.lineTo(x(i), y(price)));
    const area = new Path2D(line);
    area.lineTo(right, height);
    area.lineTo(x(0), height);
    const fade = c.createLinearGradient(0, top, 0, height);
    fade.addColorStop(0, color("--accent-veil"));
    fade.addColorStop(1, "transparent");
    c.fillStyle = fade;
    c.fill(area);
    c.strokeStyle = accent;
    c.lineWidth = 2;
    c.lineJoin = "round";
    c.stroke(line);

    const last = y(this.#prices.at(-1));
    c.fillStyle = accent;
    c.globalAlpha = 0.18;
    c.beginPath();
    c.arc(right, last, 9, 0, 2 * Math.PI);
    c.fill();
    c.globalAlpha = 1;
    c.beginPath();
    c.arc(right, last, 4, 0, 2 * Math.PI);
    c.fill();
    return moving;
  }

  // #follow brings the range nearer to what the prices need, so that the line does
  // not jump when an extreme enters or leaves.
  #follow() {
    const low = Math.min(...this.#prices);
    const high = Math.max(...this.#prices);
    const margin = Math.max((high - low) * 0.12, 0.05);
    const wanted = [low - margin, high + margin];
    if (!this.#range || this.#still.matches) this.#range = wanted;
    const far = wanted.map((w, i) => w - this.#range[i]);
    this.#range = this.#range.map((r, i) => r + far[i] * 0.12);
    return Math.max(...far.map(Math.abs)) > (high - low) * 0.005;
  }
}

// Anybody may publish here too, and the kind of a price is anybody's guess.
function read(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

// gridLines are the round prices between low and high, about five of them.
function gridLines(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((s) => s * power >= rough);
  const lines = [];
  for (let price = Math.ceil(low / step) * step; price <= high; price += step) lines.push(price);
  return lines;
}
