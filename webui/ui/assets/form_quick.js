// The bar above the form that holds the fields its user wants at hand. Controls are moved, not
// copied: each has one place, its state and its errors are the same in both.

import { byId, make, memory, setAttribute, text, whenPresent } from "./dom.js";

const FIRST = ["checkpoint"];
const NEVER = ["prompt", "negative_prompt"];

export class QuickSettings {
  #marks = new Map();

  constructor(form) {
    this.form = form;
    whenPresent("easel_quick_fields", () => this.#place());
    whenPresent("easel_quick_edit", (button) => button.addEventListener("click", () => this.#open()));
    for (const name of this.#names()) whenPresent(form.fields[name].id, () => this.#place());
  }

  get picked() {
    const kept = memory.get("quick", FIRST);
    return Array.isArray(kept) ? kept.filter((name) => this.#names().includes(name)) : FIRST;
  }

  #names() {
    return Object.keys(this.form.fields).filter((name) => !NEVER.includes(name));
  }

  #pick(names) {
    memory.set("quick", names);
    this.#place();
  }

  #place() {
    const bar = byId("easel_quick_fields");
    if (!bar) return;
    const picked = this.picked;
    for (const name of this.#names()) {
      const block = byId(this.form.fields[name].id);
      if (!block) continue;
      const isHere = block.parentElement === bar;
      if (isHere && !picked.includes(name)) this.#marks.get(name)?.replaceWith(block);
      else if (!isHere && picked.includes(name)) this.#mark(name, block);
    }
    const blocks = picked.map((name) => byId(this.form.fields[name].id)).filter(Boolean);
    if (blocks.some((block, i) => bar.children[i] !== block)) bar.append(...blocks);
  }

  /** Leave a mark where a control is at home. */
  #mark(name, block) {
    this.#marks.get(name)?.remove();
    const mark = make("span", { hidden: true });
    block.before(mark);
    this.#marks.set(name, mark);
  }

  #open() {
    const title = make("h2", { id: "easel_quick_title", textContent: text("quick_title") });
    const dialog = make("dialog", { id: "easel_quick_dialog", className: "easel-dialog easel-small", "aria-labelledby": title.id });
    const close = make("button", { type: "button", className: "easel-close", textContent: "×", "aria-label": text("close") });
    close.addEventListener("click", () => dialog.close());
    const rows = this.#names().map((name) => this.#row(name));
    dialog.append(make("header", {}, title, close), make("div", { className: "easel-checks" }, ...rows));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  #row(name) {
    const box = make("input", { type: "checkbox", checked: this.picked.includes(name) });
    setAttribute(box, "name", name);
    box.addEventListener("change", () => {
      const others = this.picked.filter((other) => other !== name);
      this.#pick(box.checked ? [...others, name] : others);
    });
    return make("label", {}, box, make("span", { textContent: this.form.fields[name].label }));
  }
}
