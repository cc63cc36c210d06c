// Painting a mask over a picture with mouse, pen or finger: strokes that can be undone.
//
// The layer is as large as the picture, up to a limit; strokes are kept as points in its pixels and
// drawn anew when one is taken back. What was painted before a reload comes as a picture, below them.

const MOST_PIXELS = 2048 * 2048; // of the layer; masks are given at the picture's own size
const COLOUR = "#e6248c";
const FIRST_SIZE = 10;

/** Event: "change" (something was painted, or taken back). */
export class Painter extends EventTarget {
  #strokes = []; // {erase, width, points}, or {clear: true}
  #undone = [];
  #below = null; // a canvas with what was painted earlier
  #stroke = null;
  #on = false;
  #pointer = null; // where it was last

  erasing = false;
  size = FIRST_SIZE; // the brush's diameter in percent of the picture's longer side

  /** `ring` is an element that shows the brush where the pointer is. */
  constructor(canvas, ring) {
    super();
    Object.assign(this, { canvas, ring, context: canvas.getContext("2d", { willReadFrequently: true }) });
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => this.#end(event));
    canvas.addEventListener("pointerleave", () => (ring.hidden = true));
  }

  /** Whether the pointer paints. */
  get on() {
    return this.#on;
  }

  set on(wanted) {
    if (this.#on === wanted) return;
    this.#on = wanted;
    this.canvas.classList.toggle("on", wanted);
    this.ring.hidden = true;
  }

  /** Where the pointer was last: {clientX, clientY}; null before it was here. */
  get pointer() {
    return this.#pointer;
  }

  get canUndo() {
    return this.#strokes.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Whether there may be something on the layer. */
  get isTouched() {
    const { strokes, below } = this.#shown();
    return below !== null || strokes.some(({ erase }) => !erase);
  }

  /** Begin anew over a picture of this size. */
  reset({ width, height }) {
    const share = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
    this.full = { width, height };
    this.canvas.width = Math.max(1, Math.round(width * share));
    this.canvas.height = Math.max(1, Math.round(height * share));
    this.#strokes = [];
    this.#undone = [];
    this.#below = null;
  }

  /** Take over a mask that was given earlier: white is painted. */
  load(picture) {
    const { width, height } = this.canvas;
    const layer = new OffscreenCanvas(width, height);
    const context = layer.getContext("2d");
    context.drawImage(picture, 0, 0, width, height);
    const pixels = context.getImageData(0, 0, width, height);
    const { data } = pixels;
    for (let i = 0; i < data.length; i += 4) data[i + 3] = Math.min(data[i], data[i + 3]);
    context.putImageData(pixels, 0, 0);
    tint(context, COLOUR);
    this.#strokes = [];
    this.#undone = [];
    this.#below = layer;
    this.#draw();
  }

  undo() {
    this.#pass(this.#strokes, this.#undone);
  }

  redo() {
    this.#pass(this.#undone, this.#strokes);
  }

  clear() {
    if (this.isTouched) this.#add({ clear: true });
  }

  /** The mask as a PNG of the picture's size, white on black; null where nothing is painted. */
  async mask() {
    if (!this.isTouched || !this.#isPainted()) return null;
    const out = new OffscreenCanvas(this.full.width, this.full.height);
    const context = out.getContext("2d");
    context.drawImage(this.canvas, 0, 0, out.width, out.height);
    tint(context, "#fff");
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, out.width, out.height);
    return out.convertToBlob({ type: "image/png" });
  }

  /** Let the stroke that is being painted be none. */
  cancel() {
    if (!this.#stroke) return;
    this.#stroke = null;
    this.#draw();
  }

  /** Show the brush as large as it is now: its own size has changed, or the canvas'. */
  showBrush() {
    if (!this.ring.hidden) this.#follow(this.#pointer);
  }

  #isPainted() {
    const { width, height } = this.canvas;
    const { data } = this.context.getImageData(0, 0, width, height);
    for (let i = 3; i < data.length; i += 4) if (data[i] > 127) return true;
    return false;
  }

  #pass(from, to) {
    if (!from.length) return;
    to.push(from.pop());
    this.#draw();
    this.#tell();
  }

  #add(stroke) {
    this.#strokes.push(stroke);
    this.#undone = [];
    this.#draw();
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }

  /** What counts: since the layer was cleared last. */
  #shown() {
    const cleared = this.#strokes.findLastIndex(({ clear }) => clear);
    return { strokes: this.#strokes.slice(cleared + 1), below: cleared < 0 ? this.#below : null };
  }

  #draw() {
    const { strokes, below } = this.#shown();
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (below) this.context.drawImage(below, 0, 0);
    for (const stroke of strokes) this.#line(stroke, stroke.points);
  }

  #line({ erase, width }, points) {
    const { context } = this;
    context.save();
    Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: width, strokeStyle: COLOUR, fillStyle: COLOUR });
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.beginPath(); // a line without length is not drawn: a dot is
    context.arc(...points[0], width / 2, 0, 2 * Math.PI);
    context.fill();
    context.beginPath();
    context.moveTo(...points[0]);
    for (const point of points) context.lineTo(...point);
    context.stroke();
    context.restore();
  }

  // ---- the pointer

  get #diameter() {
    return Math.max(1, (this.size / 100) * Math.max(this.canvas.width, this.canvas.height));
  }

  #place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((clientX - box.left) * this.canvas.width) / box.width,
      ((clientY - box.top) * this.canvas.height) / box.height,
    ];
  }

  #begin(event) {
    if (!this.#on || this.#stroke || event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true }); // keys mean the painting then
    this.canvas.setPointerCapture(event.pointerId);
    const erase = this.erasing || event.pointerType === "pen" && event.buttons === 32;
    this.#stroke = { erase, width: this.#diameter, points: [this.#place(event)] };
    this.#line(this.#stroke, this.#stroke.points);
  }

  #move(event) {
    if (!this.#on) return;
    this.#follow(event);
    if (!this.#stroke || !event.isPrimary) return;
    const events = event.getCoalescedEvents?.() ?? [];
    const last = this.#stroke.points.at(-1);
    const points = (events.length ? events : [event]).map((one) => this.#place(one));
    this.#stroke.points.push(...points);
    this.#line(this.#stroke, [last, ...points]);
  }

  #end(event) {
    if (!this.#stroke || !event.isPrimary) return;
    const stroke = this.#stroke;
    this.#stroke = null;
    this.#add(stroke);
  }

  #follow({ clientX, clientY, pointerType }) {
    this.#pointer = { clientX, clientY, pointerType };
    const box = this.canvas.getBoundingClientRect();
    const side = (this.#diameter * box.width) / this.canvas.width;
    this.ring.hidden = pointerType === "touch";
    const outer = this.ring.parentElement.getBoundingClientRect();
    Object.assign(this.ring.style, { width: `${side}px`, height: `${side}px`, left: `${clientX - outer.left}px`, top: `${clientY - outer.top}px` });
  }
}

/** Give what is on a canvas one colour. */
function tint(context, colour) {
  context.save();
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.restore();
}
