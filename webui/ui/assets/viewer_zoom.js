// Zoom and pan of one picture in a stage: fit, 100 %, wheel, pinch and drag.

import { bounded, distance, middle, wheelRatio, zoomedAbout } from "./zooming.js";

const MOST = 16;
const SWIPE_PX = 60;
const CLICK_PX = 5;
const MARGINS = { x: 64, y: 10 }; // beside a fitted picture, where the buttons are
const NARROW = matchMedia("(max-width: 860px)");

/** Events: "zoom" (detail {scale, fits}), "swipe" (detail 1 or -1), "outside" (a click beside the picture). */
export class Zoom extends EventTarget {
  #size = [1, 1]; // of the picture, in its own pixels
  #at = { x: 0, y: 0, scale: 1 };
  #fits = true;
  #pointers = new Map();
  #start = null;

  constructor(stage, image) {
    super();
    Object.assign(this, { stage, image });
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => this.#up(event));
    stage.addEventListener("dblclick", (event) => event.target === image && this.toggle(event));
    new ResizeObserver(() => (this.#fits ? this.fit() : this.#apply())).observe(stage);
  }

  get fits() {
    return this.#fits;
  }

  /** A picture of other size is shown: fitted, at once. */
  show(width, height) {
    this.#size = [width || 1, height || 1];
    Object.assign(this.image.style, { width: `${width}px`, height: `${height}px` });
    this.#pointers.clear();
    this.fit();
  }

  fit() {
    this.#fits = true;
    this.#at = { x: 0, y: 0, scale: this.#fitScale() };
    this.#apply();
  }

  /** Fit ⇄ 100 %, around a pointer's place or the middle. */
  toggle(event) {
    if (!this.#fits) this.fit();
    else this.#zoomTo(this.#fitScale() === 1 ? 2 : 1, this.#place(event), true);
  }

  /** Zoom by a factor around the middle. */
  by(factor) {
    this.#zoomTo(this.#at.scale * factor, this.#place());
  }

  /** Move the picture by CSS pixels. */
  pan(x, y) {
    this.#at.x += x;
    this.#at.y += y;
    this.#apply();
  }

  #fitScale() {
    const { clientWidth, clientHeight } = this.stage;
    const { x, y } = NARROW.matches ? { x: 0, y: 0 } : MARGINS;
    const scale = Math.min((clientWidth - 2 * x) / this.#size[0], (clientHeight - 2 * y) / this.#size[1]);
    return scale > 0 ? scale : 1;
  }

  /** A place in the stage: that of an event, or the middle. */
  #place(event) {
    const box = this.stage.getBoundingClientRect();
    if (event?.clientX === undefined) return [box.width / 2, box.height / 2];
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #zoomTo(wanted, place, mayShrink = false) {
    const fit = this.#fitScale();
    const least = mayShrink ? Math.min(fit, wanted) : fit;
    const scale = Math.max(least, Math.min(wanted, Math.max(MOST, fit * 4)));
    this.#at = { ...zoomedAbout(this.#at, scale / this.#at.scale, place), scale };
    this.#fits = scale === fit;
    this.#apply();
  }

  #apply() {
    const { clientWidth, clientHeight } = this.stage;
    const at = this.#at;
    at.x = bounded(at.x, clientWidth, this.#size[0] * at.scale);
    at.y = bounded(at.y, clientHeight, this.#size[1] * at.scale);
    this.image.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
    this.image.style.imageRendering = at.scale >= 3 && !this.#fits ? "pixelated" : "";
    this.stage.classList.toggle("zoomed", !this.#fits);
    this.dispatchEvent(new CustomEvent("zoom", { detail: { scale: at.scale, fits: this.#fits } }));
  }

  #wheel(event) {
    event.preventDefault();
    this.#zoomTo(this.#at.scale * wheelRatio(event), this.#place(event));
  }

  #down(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (this.#pointers.size === 1) this.#start = { event, moved: false, on: event.target };
    else this.#start.moved = true;
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.#pointers.values()].filter((p) => p.pointerId !== event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (distance(this.#start.event, event) > CLICK_PX) this.#start.moved = true;
    if (others.length) this.#pinch(before, event, others[0]);
    else if (!this.#fits && this.#start.moved) this.pan(event.clientX - before.clientX, event.clientY - before.clientY);
  }

  #pinch(before, now, other) {
    const ratio = distance(now, other) / (distance(before, other) || 1);
    this.#zoomTo(this.#at.scale * ratio, this.#place(middle(now, other)));
  }

  #up(event) {
    const known = this.#pointers.delete(event.pointerId);
    if (!known || this.#pointers.size || event.type === "pointercancel") return;
    const { event: began, moved, on } = this.#start;
    const [x, y] = [event.clientX - began.clientX, event.clientY - began.clientY];
    if (!moved && on !== this.image) this.dispatchEvent(new Event("outside"));
    else if (this.#fits && Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) {
      this.dispatchEvent(new CustomEvent("swipe", { detail: x < 0 ? 1 : -1 }));
    }
  }
}
