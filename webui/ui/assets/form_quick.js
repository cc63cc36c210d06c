// The bar above the form that holds the fields and settings its user wants at hand. The form's
// controls are moved, not copied: each has one place, its state and its errors are the same in both.

import { byId, make, memory, setAttribute, text, whenPresent } from "./dom.js";
import { quickControls } from "./form_quick_settings.js";
import { toast } from "./toasts.js";

const FIRST = ["checkpoint"];
const NEVER = ["prompt", "negative_prompt"];
const SETTING = "setting:";

/** One bar for all forms: it holds controls of the form whose tab is open. */
export class QuickSettings {
  #marks = new Map(); // control → the mark where it is at home
  #settings = null; // a promise of controls by name
  #controls = new Map();

  constructor(forms, tabs) {
    Object.assign(this, { forms, tabs });
    tabs.addEventListener("opened", () => this.#place());
    whenPresent("easel_quick_fields", () => this.#place());
    whenPresent("easel_quick_edit", (button) => button.addEventListener("click", () => this.#open()));
    for (const form of forms) {
      for (const name of names(form)) whenPresent(form.fields[name].id, () => this.#place());
    }
    if (this.#kept().some((name) => name.startsWith(SETTING))) this.#loadSettings();
  }

  /** What is in the bar while this form's tab is open, in its order. */
  picked(form = this.#form) {
    return this.#kept().filter((name) => names(form).includes(name) || name.startsWith(SETTING));
  }

  get #form() {
    return this.forms.find(({ tab }) => tab === this.tabs.form);
  }

  #kept() {
    const kept = memory.get("quick", FIRST);
    return Array.isArray(kept) ? kept.filter((name) => typeof name === "string") : FIRST;
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
    return byId(this.#form.fields[name].id);
  }

  #place() {
    const bar = byId("easel_quick_fields");
    if (!bar) return;
    for (const form of this.forms) this.#sort(form, bar);
    const blocks = this.picked().map((name) => this.#element(name)).filter(Boolean);
    for (const other of bar.querySelectorAll(".easel-quick-setting")) if (!blocks.includes(other)) other.remove();
    if (blocks.some((block, i) => bar.children[i] !== block)) bar.append(...blocks);
  }

  /** Put a form's controls into the bar or back where they are at home. */
  #sort(form, bar) {
    const picked = form === this.#form ? this.picked(form) : [];
    for (const name of names(form)) {
      const block = byId(form.fields[name].id);
      if (!block) continue;
      const isHere = block.parentElement === bar;
      if (isHere && !picked.includes(name)) this.#marks.get(block)?.replaceWith(block);
      else if (!isHere && picked.includes(name)) this.#mark(block);
    }
  }

  /** Leave a mark where a control is at home. */
  #mark(block) {
    this.#marks.get(block)?.remove();
    const mark = make("span", { hidden: true });
    block.before(mark);
    this.#marks.set(block, mark);
  }

  #open() {
    const title = make("h2", { id: "easel_quick_title", textContent: text("quick_title") });
    const dialog = make("dialog", { id: "easel_quick_dialog", className: "easel-dialog easel-small", "aria-labelledby": title.id });
    const close = make("button", { type: "button", className: "easel-close", textContent: "×", "aria-label": text("close") });
    close.addEventListener("click", () => dialog.close());
    const { fields } = this.#form;
    const rows = names(this.#form).map((name) => this.#row(name, fields[name].label));
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
    const box = make("input", { type: "checkbox", checked: this.#kept().includes(name) });
    setAttribute(box, "name", name);
    box.addEventListener("change", () => {
      const others = this.#kept().filter((other) => other !== name);
      memory.set("quick", box.checked ? [...others, name] : others);
      this.#place();
    });
    return make("label", {}, box, make("span", { textContent: label }));
  }
}

const names = (form) => Object.keys(form.fields).filter((name) => !NEVER.includes(name));
