// Zooming into the picture a mask is painted over: its frame stays, the layer inside grows and moves.
// Ctrl and the wheel, a pinch on a trackpad, and two fingers zoom; the middle button, or the left one
// while the space bar is held, and two fingers move.

import { bounded, distance, middle, wheelRatio, zoomedAbout } from "./zooming.js";

const MOST = 16; // times the size at which the whole picture is seen
const STEP = 1.5; // times for a button or a key
const WHOLE = { x: 0, y: 0, scale: 1 };

/** Events: "zoom" (another part is shown), "grab" (the picture is being moved: nobody paints). */
export class PainterZoom extends EventTarget {
  #on = false;
  #at = WHOLE; // in widths and heights of the frame
  #hands = new Map(); // the pointers that may move the picture, as they were last
  #moving = false;

  constructor(frame, layer) {
    super();
    Object.assign(this, { frame, layer });
    const first = { capture: true }; // before the painter
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.#down(event), first);
    frame.addEventListener("pointermove", (event) => this.#move(event), first);
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => this.#up(event), first);
    frame.addEventListener("mousedown", (event) => this.#on && event.button === 1 && event.preventDefault()); // no scrolling
    addEventListener("blur", () => (this.holding = false));
  }

  /** Whether there is anything to zoom into; without, the whole picture is shown. */
  set on(wanted) {
    this.#on = wanted;
    if (!wanted) this.fit();
  }

  /** Whether the next press moves the picture. */
  get holding() {
    return this.frame.classList.contains("holding");
  }

  set holding(held) {
    this.frame.classList.toggle("holding", held);
  }

  get fits() {
    return this.#at.scale === 1;
  }

  fit() {
    this.#hands.clear();
    this.#moves(false);
    this.#show(WHOLE);
  }

  /** Zoom by a step: in with 1, out with -1; about the pointer where it is over the picture. */
  step(direction, pointer = null) {
    this.#zoom(STEP ** direction, pointer && this.frame.matches(":hover") ? this.#place(pointer) : [0.5, 0.5]);
  }

  #zoom(ratio, place) {
    const { scale } = this.#at;
    const wanted = Math.min(MOST, Math.max(1, scale * ratio));
    this.#show({ ...zoomedAbout(this.#at, wanted / scale, place), scale: wanted });
  }

  #pan([fromX, fromY], [toX, toY]) {
    const { x, y, scale } = this.#at;
    this.#show({ x: x + toX - fromX, y: y + toY - fromY, scale });
  }

  #show({ x, y, scale }) {
    this.#at = { x: bounded(x, 1, scale), y: bounded(y, 1, scale), scale };
    this.layer.style.transform = `translate(${this.#at.x * 100}%, ${this.#at.y * 100}%) scale(${scale})`;
    this.dispatchEvent(new Event("zoom"));
  }

  #place({ clientX, clientY }) {
    const box = this.frame.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  }

  #moves(moving) {
    this.#moving = moving;
    this.frame.classList.toggle("moving", moving);
    if (moving) this.dispatchEvent(new Event("grab"));
  }

  // ---- the pointers

  #wheel(event) {
    if (!this.#on || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.#zoom(wheelRatio(event), this.#place(event));
  }

  #down(event) {
    const grabs = event.button === 1 || (event.button === 0 && this.holding);
    if (!this.#on || !(grabs || event.pointerType === "touch")) return;
    this.#hands.set(event.pointerId, event);
    if (!grabs && this.#hands.size < 2) return; // a finger alone paints
    event.preventDefault();
    event.stopPropagation();
    this.frame.setPointerCapture(event.pointerId);
    this.#moves(true);
  }

  #move(event) {
    const before = this.#hands.get(event.pointerId);
    if (!before) return;
    this.#hands.set(event.pointerId, event);
    if (!this.#moving) return;
    event.stopPropagation();
    const other = [...this.#hands.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    if (!other) return this.#pan(this.#place(before), this.#place(event));
    const now = this.#place(middle(event, other));
    this.#pan(this.#place(middle(before, other)), now);
    this.#zoom(distance(event, other) / (distance(before, other) || 1), now);
  }

  #up(event) {
    if (!this.#hands.delete(event.pointerId) || this.#hands.size) return;
    if (this.#moving) this.#moves(false);
  }
}
