// The large view of a job's pictures: ← and → go through them, Esc closes.

import { make, setText, text } from "./dom.js";

export class Viewer {
  #images = [];
  #at = 0;
  #dialog = null;

  constructor(urlOf) {
    this.urlOf = urlOf;
  }

  /** Show `images` from number `at` on; `chosen(index)` is told which one is looked at. */
  open(images, at, chosen) {
    if (!images.length) return;
    this.#build();
    this.#images = images;
    this.chosen = chosen;
    this.#go(Math.max(at, 0));
    this.#dialog.showModal();
  }

  get isOpen() {
    return Boolean(this.#dialog?.open);
  }

  #go(at) {
    this.#at = (at + this.#images.length) % this.#images.length;
    const image = this.#images[this.#at];
    this.img.src = this.urlOf(image);
    const values = { number: this.#at + 1, count: this.#images.length };
    this.img.alt = text("picture", values);
    const many = this.#images.length > 1;
    const facts = [text("picture_size", image), text("picture_seed", image)];
    if (many) facts.unshift(`${values.number} / ${values.count}`);
    setText(this.caption, facts.join(" · "));
    this.previous.hidden = this.next.hidden = !many;
    this.chosen(image.index);
  }

  #build() {
    if (this.#dialog?.isConnected) return;
    const button = (name, sign, act) => {
      const made = make("button", { type: "button", className: name, textContent: sign, "aria-label": text(name) });
      made.addEventListener("click", act);
      return made;
    };
    this.img = make("img");
    this.caption = make("p");
    this.previous = button("previous", "‹", () => this.#go(this.#at - 1));
    this.next = button("next", "›", () => this.#go(this.#at + 1));
    const close = button("close", "×", () => this.#dialog.close());
    this.#dialog = make("dialog", { id: "easel_large" }, this.img, this.caption, this.previous, this.next, close);
    this.#dialog.addEventListener("click", ({ target }) => target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step && this.#images.length > 1) this.#go(this.#at + step);
    });
    document.body.append(this.#dialog);
  }
}
