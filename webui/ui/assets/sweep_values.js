// Typing the values of an axis that are names: a list below offers those that fit what is typed.

import { make, setAttribute, text } from "./dom.js";

const MOST = 12;
let lists = 0;

/** A name as it stands in a list with commas. */
export const quoted = (name) => (/[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

/** What stands before the value being typed, and that value: commas within quotes divide nothing. */
export function lastValue(typed) {
  let start = 0;
  let inside = false;
  for (let i = 0; i < typed.length; i++) {
    if (typed[i] === '"') inside = !inside;
    else if (typed[i] === "," && !inside) start = i + 1;
  }
  return [typed.slice(0, start), typed.slice(start).trim().replace(/^"/, "")];
}

/** It follows ARIA's combobox: the focus stays in the box. */
export class ValueList {
  #list = null;
  #active = -1;
  #shown = [];

  /** `names()` are all there are to choose from. */
  constructor(input, names) {
    Object.assign(this, { input, names, id: `easel_values_${++lists}` });
    setAttribute(input, "aria-autocomplete", "list");
    input.addEventListener("input", () => this.#look());
    input.addEventListener("focus", () => this.#look());
    input.addEventListener("blur", () => this.#close());
    input.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Write these names into the box. */
  fill(names) {
    this.#write(names.map(quoted).join(", "));
  }

  #look() {
    this.#close();
    const [before, typed] = lastValue(this.input.value);
    const wanted = typed.toLowerCase();
    const names = this.names();
    if (names.includes(typed)) return;
    const left = names.filter((name) => !before.includes(quoted(name)) && name.toLowerCase().includes(wanted));
    this.#shown = left.slice(0, MOST);
    if (this.#shown.length) this.#open();
  }

  #open() {
    const options = this.#shown.map((name, index) => {
      const option = make("li", { id: `${this.id}_${index}`, role: "option", "aria-selected": "false" }, make("span", { textContent: name }));
      option.addEventListener("pointerdown", (event) => {
        event.preventDefault(); // the focus stays in the box
        this.#take(index);
      });
      return option;
    });
    this.#list = make("ul", { id: this.id, role: "listbox", className: "easel-complete", "aria-label": text("suggestions") }, ...options);
    document.body.append(this.#list);
    const { left, top, bottom } = this.input.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#list;
    const below = bottom + height + 8 < innerHeight;
    this.#list.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    this.#list.style.top = `${below ? bottom + 4 : Math.max(8, top - height - 4)}px`;
    const states = { role: "combobox", "aria-expanded": "true", "aria-controls": this.id };
    for (const [name, value] of Object.entries(states)) setAttribute(this.input, name, value);
  }

  #close() {
    this.#list?.remove();
    this.#list = null;
    this.#active = -1;
    for (const name of ["role", "aria-expanded", "aria-controls", "aria-activedescendant"]) this.input.removeAttribute(name);
  }

  #key(event) {
    if (!this.#list || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#activate((this.#active + step + this.#shown.length + (this.#active < 0 && step < 0 ? 1 : 0)) % this.#shown.length);
    else if (event.key === "Enter" && this.#active >= 0) this.#take(this.#active);
    else if (event.key === "Escape") this.#close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #activate(index) {
    this.#list.children[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = index;
    const option = this.#list.children[index];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    setAttribute(this.input, "aria-activedescendant", option.id);
  }

  #take(index) {
    const [before] = lastValue(this.input.value);
    this.#write(`${before}${before ? " " : ""}${quoted(this.#shown[index])}`);
  }

  #write(value) {
    this.#close();
    this.input.value = value;
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.input.focus();
    this.#close();
  }
}
