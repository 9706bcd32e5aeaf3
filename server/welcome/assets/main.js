import { startBoard } from "./board.js";
import { startChart } from "./chart.js";
import { startChat } from "./chat.js";
import { copyButton, here, show } from "./code.js";

for (const code of document.querySelectorAll("code[data-copy]")) {
  show(code, here(code.textContent));
  const line = document.createElement("span");
  line.className = "line";
  code.replaceWith(line);
  line.append(code, copyButton(code));
}

const cards = [startChat(), startBoard(), startChart()];

// The line for a long poll names where the chat is now, so that it waits as promised.
const poll = document.querySelector("code[data-since]");
const pollText = poll.textContent;
cards[0].addEventListener("state", tellPosition);
cards[0].addEventListener("message", tellPosition);

function tellPosition() {
  const { position } = cards[0];
  if (position !== "") show(poll, pollText.replace("POSITION", position));
}

// The line at the top is about all of them, and the only one that is read aloud.
const status = document.querySelector("[data-testid=status]");
const part = (name) => status.querySelector(`[data-part=${name}]`);
part("host").textContent = location.host;

function describe() {
  const states = cards.map((card) => card.state);
  const state = ["waiting", "connecting", "open"].find((s) => states.includes(s)) ?? "open";
  // Trying again is not worth a word of its own every time.
  if (status.dataset.state === state || (status.dataset.state === "waiting" && state === "connecting")) return;
  status.dataset.state = state;
  part("state").textContent = {
    connecting: "Connecting to",
    open: "Connected to",
    waiting: "No answer; trying again at",
  }[state];
}

// Every message that arrives anywhere on the page is a ripple in the water.
const RIPPLE_MS = 2400;
const RIPPLE_EVERY_MS = 350;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const ripples = document.querySelector("[data-part=ripples]");
let rippledAt = -Infinity;

function ripple() {
  const now = performance.now();
  if (still.matches || document.hidden || now - rippledAt < RIPPLE_EVERY_MS) return;
  rippledAt = now;
  const ring = document.createElementNS("http://www.w3.org/2000/svg", "ellipse");
  for (const [name, value] of Object.entries({ cx: 224, cy: 352, rx: 150, ry: 22 })) {
    ring.setAttribute(name, value);
  }
  ripples.append(ring);
  const spread = [
    { transform: "scale(0.08)", opacity: 0.9 },
    { transform: "scale(1)", opacity: 0 },
  ];
  ring.animate(spread, { duration: RIPPLE_MS, easing: "cubic-bezier(0.2, 0.6, 0.3, 1)" }).finished.then(
    () => ring.remove(),
  );
}

for (const card of cards) {
  card.addEventListener("state", describe);
  card.addEventListener("message", ripple);
}
describe();
