// The bar above the form that holds the fields and settings its user wants at hand. The form's
// controls are moved, not copied: each has one place, its state and its errors are the same in both.

import { byId, make, memory, setAttribute, text, whenPresent } from "./dom.js";
import { quickControls } from "./form_quick_settings.js";
import { toast } from "./toasts.js";

const FIRST = ["checkpoint"];
const NEVER = ["prompt", "negative_prompt"];
const SETTING = "setting:";

export class QuickSettings {
  #marks = new Map();
  #settings = null; // a promise of controls by name
  #controls = new Map();

  constructor(form) {
    this.form = form;
    whenPresent("easel_quick_fields", () => this.#place());
    whenPresent("easel_quick_edit", (button) => button.addEventListener("click", () => this.#open()));
    for (const name of this.#names()) whenPresent(form.fields[name].id, () => this.#place());
    if (this.picked.some((name) => name.startsWith(SETTING))) this.#loadSettings();
  }

  get picked() {
    const kept = memory.get("quick", FIRST);
    if (!Array.isArray(kept)) return FIRST;
    return kept.filter((name) => typeof name === "string" && (this.#names().includes(name) || name.startsWith(SETTING)));
  }

  /** The server's settings, asked for once; without them the bar holds fields only. */
  async #loadSettings() {
    this.#settings ??= quickControls();
    try {
      this.#controls = await this.#settings;
      this.#place();
    } catch (error) {
      this.#settings = null;
      toast(error.message);
    }
  }

  #element(name) {
    if (name.startsWith(SETTING)) return this.#controls.get(name.slice(SETTING.length))?.element;
    return byId(this.form.fields[name].id);
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
    const blocks = picked.map((name) => this.#element(name)).filter(Boolean);
    for (const other of bar.querySelectorAll(".easel-quick-setting")) if (!blocks.includes(other)) other.remove();
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
    const rows = this.#names().map((name) => this.#row(name, this.form.fields[name].label));
    const checks = make("div", { className: "easel-checks" }, ...rows);
    dialog.append(make("header", {}, title, close), checks);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    this.#listSettings(checks);
  }

  async #listSettings(checks) {
    await this.#loadSettings();
    let group = "";
    for (const [name, control] of this.#controls) {
      if (control.group !== group) checks.append(make("h3", { textContent: control.group }));
      group = control.group;
      checks.append(this.#row(SETTING + name, control.label));
    }
  }

  #row(name, label) {
    const box = make("input", { type: "checkbox", checked: this.picked.includes(name) });
    setAttribute(box, "name", name);
    box.addEventListener("change", () => {
      const others = this.picked.filter((other) => other !== name);
      this.#pick(box.checked ? [...others, name] : others);
    });
    return make("label", {}, box, make("span", { textContent: label }));
  }
}
