// What a picture was made with, beside it: prompt, negative prompt, and every parameter.

import { make, setAttribute, text } from "./dom.js";
import { told } from "./library_actions.js";
import { copyText } from "./picture.js";

export class InfoPanel {
  #image = null;

  constructor() {
    this.body = make("div", { className: "facts" });
    this.copy = make("button", { type: "button", className: "lib-button", textContent: text("copy_infotext") });
    this.copy.addEventListener("click", () => copyText(this.#image.infotext));
    this.element = make("aside", { className: "info", hidden: true, tabIndex: 0 }, this.body, this.copy);
    setAttribute(this.element, "aria-label", text("infotext"));
  }

  /** Open or close it; true when it is open now. */
  toggle() {
    this.element.hidden = !this.element.hidden;
    if (!this.element.hidden && this.#image) this.#draw();
    return !this.element.hidden;
  }

  show(image) {
    this.#image = image;
    if (!this.element.hidden) this.#draw();
  }

  #draw() {
    const image = this.#image;
    const { prompt, negative, pairs } = told(image);
    const parts = [];
    if (prompt) parts.push(make("div", { className: "prompt", textContent: prompt }));
    if (negative) parts.push(make("div", { className: "negative", textContent: `− ${negative}` }));
    if (!image.infotext) parts.push(make("div", { textContent: text("no_infotext") }));
    const rows = [...pairs, ...extras(image)];
    const list = rows.flatMap(([key, value]) => [make("dt", { textContent: key }), make("dd", { textContent: value })]);
    this.body.replaceChildren(...parts, make("dl", {}, ...list));
    this.copy.hidden = !image.infotext;
  }
}

function extras(image) {
  const pairs = [];
  if (image.tags?.length) pairs.push([text("tag_name"), image.tags.join(", ")]);
  return pairs;
}
