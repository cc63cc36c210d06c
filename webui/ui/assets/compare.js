// Two pictures over each other with a slider between them, and what they were made with where it differs.

import { make, setAttribute, setText, text } from "./dom.js";
import { told } from "./library_actions.js";
import { icon } from "./viewer_icons.js";

const MOST_DIFFERENCES = 6;
const LONGEST_VALUE = 60;

export class Compare {
  #dialog = null;
  #pair = [];

  constructor(urlOf) {
    this.urlOf = urlOf;
  }

  get isOpen() {
    return Boolean(this.#dialog?.open);
  }

  /** Show one picture on the left and another on the right. */
  open(left, right) {
    this.#build();
    this.#back = document.activeElement;
    this.slider.value = 50;
    this.#show([left, right]);
    this.#dialog.showModal();
    this.slider.focus();
  }

  #back = null;

  #show(pair) {
    this.#pair = pair;
    pair.forEach((image, side) => {
      this.images[side].src = this.urlOf(image);
      setText(this.captions[side], image.seed >= 0 ? text("picture_seed", image) : text("picture_size", image));
    });
    this.#slide();
    this.#describe(pair);
  }

  #slide() {
    const share = Number(this.slider.value);
    this.stage.style.setProperty("--share", `${share}%`);
    setAttribute(this.slider, "aria-valuetext", `${Math.round(share)} %`);
  }

  /** Under each side what is different about it. */
  #describe(pair) {
    const [a, b] = pair.map((image) => {
      const { prompt, negative, pairs } = told(image);
      return new Map([["", prompt], ["−", negative], ...pairs]);
    });
    const keys = [...new Set([...a.keys(), ...b.keys()])].filter((k) => a.get(k) !== b.get(k) && k !== "Version");
    [a, b].forEach((facts, side) => {
      const words = keys.slice(0, MOST_DIFFERENCES).map((key) => `${key && `${key}: `}${short(facts.get(key))}`);
      if (words.length) setText(this.captions[side], words.join(" · "));
      setAttribute(this.captions[side], "title", words.join("\n"));
    });
  }

  #drag(event) {
    const box = this.stage.getBoundingClientRect();
    this.slider.value = (100 * (event.clientX - box.left)) / box.width;
    this.#slide();
  }

  #build() {
    if (this.#dialog?.isConnected) return;
    this.images = [make("img", { alt: "", draggable: false }), make("img", { alt: "", draggable: false })];
    this.captions = [make("span", { className: "left" }), make("span", { className: "right" })];
    this.slider = make("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": text("compare_slider") });
    const handle = make("div", { className: "handle" }, make("span", {}, icon("swap")));
    const [left, right] = this.images;
    left.className = "left";
    this.stage = make("div", { className: "stage" }, right, left, this.slider, handle);
    const tools = make("div", { className: "tools" }, tool("swap", "compare_swap", () => this.#show([...this.#pair].reverse())), tool("close", "compare_end", () => this.#dialog.close()));
    const bar = make("header", {}, ...this.captions, tools);
    this.#dialog = make("dialog", { id: "easel_compare", "aria-label": text("comparison") }, bar, this.stage);
    this.slider.addEventListener("input", () => this.#slide());
    this.stage.addEventListener("pointerdown", (event) => {
      this.stage.setPointerCapture(event.pointerId);
      this.#drag(event);
      this.slider.focus();
      event.preventDefault();
    });
    this.stage.addEventListener("pointermove", (event) => event.buttons && this.#drag(event));
    this.#dialog.addEventListener("keydown", (event) => event.stopPropagation()); // not the viewer's
    this.#dialog.addEventListener("close", () => this.#back?.isConnected && this.#back.focus());
    document.body.append(this.#dialog);
  }
}

function tool(sign, hint, act) {
  const made = make("button", { type: "button", className: sign, title: text(hint), "aria-label": text(hint) }, icon(sign));
  made.addEventListener("click", act);
  return made;
}

function short(value = "–") {
  return value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value;
}
