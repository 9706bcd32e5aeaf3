const WIDTH = 3.5; // of a stroke, in CSS pixels on a board 640 wide
const BOARD_WIDTH = 640;

// Drawing paints strokes, whose points are between 0 and 1 on both axes, on two
// canvases: finished ones are painted once on the lower, and those still growing
// again every frame on the upper.
export class Drawing {
  #finished;
  #live;
  #strokes = new Map(); // id → stroke, in order
  #previews = new Map(); // id → { tab, color, points }
  #frame = 0;

  constructor(finished, live) {
    this.#finished = finished;
    this.#live = live;
    new ResizeObserver(() => this.#fit()).observe(live);
    document.addEventListener("themechange", () => this.#fit());
  }

  /** count is how many finished strokes there are. */
  get count() {
    return this.#strokes.size;
  }

  /** ratio is width by height. */
  get ratio() {
    return this.#live.clientWidth / this.#live.clientHeight;
  }

  /** add paints a finished stroke, instead of its preview if it had one. */
  add(stroke) {
    this.#previews.delete(stroke.id);
    this.#scheduleLive();
    if (this.#strokes.has(stroke.id)) return;
    this.#strokes.set(stroke.id, stroke);
    paint(this.#finished, stroke);
  }

  /** preview shows a stroke of tab that still grows; more adds to what is shown of it. */
  preview(tab, { id, color, points }, more = false) {
    if (this.#strokes.has(id)) return;
    const before = more ? (this.#previews.get(id)?.points ?? []) : [];
    this.#previews.set(id, { tab, color, points: before.concat(points) });
    this.#scheduleLive();
  }

  /** forget drops what a tab began and will not finish. */
  forget(tab) {
    for (const [id, preview] of this.#previews) if (preview.tab === tab) this.#previews.delete(id);
    this.#scheduleLive();
  }

  clear() {
    this.#strokes.clear();
    this.#fit();
  }

  #fit() {
    for (const canvas of [this.#finished, this.#live]) {
      canvas.width = canvas.clientWidth * devicePixelRatio;
      canvas.height = canvas.clientHeight * devicePixelRatio;
    }
    for (const stroke of this.#strokes.values()) paint(this.#finished, stroke);
    for (const preview of this.#previews.values()) paint(this.#live, preview);
  }

  #scheduleLive() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#live.getContext("2d").clearRect(0, 0, this.#live.width, this.#live.height);
      for (const preview of this.#previews.values()) paint(this.#live, preview);
    });
  }
}

// paint draws through the middles of neighbouring points, with the points
// themselves as control points: a line without corners at every sample.
function paint(canvas, { color, points }) {
  const c = canvas.getContext("2d");
  const at = ([x, y]) => [x * canvas.width, y * canvas.height];
  c.strokeStyle = getComputedStyle(canvas).getPropertyValue(`--hue-${color}`).trim();
  c.lineWidth = (WIDTH * canvas.width) / BOARD_WIDTH;
  c.lineCap = c.lineJoin = "round";
  c.beginPath();
  c.moveTo(...at(points[0]));
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = at(points[i]);
    const [nextX, nextY] = at(points[i + 1]);
    c.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  c.lineTo(...at(points.at(-1))); // also makes a dot of a single point
  c.stroke();
}
