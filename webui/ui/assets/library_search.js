// The search box: words and `key:value`, with suggestions of what there is.

import { ask } from "./api.js";
import { make, setAttribute, text } from "./dom.js";
import { icon } from "./viewer_icons.js";

const PAUSE_MS = 150;
const MOST = 9;
const OLD_MS = 30000; // then what there is to suggest is asked for again
const LIST = "library_suggestions";
/** Key → name of the list in the answer of `library/facets`, null where nothing is listed. */
const KEYS = {
  model: "models",
  sampler: "samplers",
  size: "sizes",
  lora: "loras",
  tag: "tags",
  board: "boards",
  seed: null,
  date: null,
  after: null,
  before: null,
  fav: null,
};
const FIXED = { fav: [{ value: "yes" }] };

/** `changed(query)` is called when typing pauses; `boards()` are the boards there are. */
export class SearchBox {
  #facets = {};
  #asked = 0;
  #timer = 0;
  #list = null;
  #chosen = -1;

  constructor(changed, boards) {
    Object.assign(this, { changed, boards });
    this.input = make("input", { type: "text", role: "combobox", autocomplete: "off", spellcheck: false, placeholder: text("search_pictures") });
    for (const [name, value] of [["aria-expanded", "false"], ["aria-controls", LIST], ["aria-autocomplete", "list"], ["aria-label", text("search")]]) {
      setAttribute(this.input, name, value);
    }
    this.clear = make("button", { type: "button", className: "lib-clear", title: text("clear_search"), hidden: true }, icon("close"));
    setAttribute(this.clear, "aria-label", text("clear_search"));
    this.element = make("div", { className: "lib-search" }, icon("search"), this.input, this.clear);
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("focus", () => this.#load());
    this.input.addEventListener("click", () => this.#suggest());
    this.input.addEventListener("blur", () => this.#close());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.clear.addEventListener("click", () => this.set(""));
  }

  get query() {
    return this.input.value.trim();
  }

  set(query) {
    this.input.value = query;
    this.#typed();
    this.#close();
    this.input.focus();
  }

  /** What there is, by list name. */
  async facets() {
    await this.#load();
    return this.#facets;
  }

  #typed() {
    this.clear.hidden = !this.input.value;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.changed(this.query), PAUSE_MS);
    this.#suggest();
  }

  async #load() {
    if (performance.now() - this.#asked < OLD_MS && this.#asked) return;
    this.#asked = performance.now();
    try {
      this.#facets = await ask("library/facets");
    } catch {
      this.#asked = 0; // suggestions are a help, not a need
    }
  }

  /** The word the caret is in: where it begins and what it says so far. */
  #word() {
    const caret = this.input.selectionStart ?? this.input.value.length;
    const [said] = this.input.value.slice(0, caret).match(/(?:[^\s"]|"[^"]*"?)*$/);
    return { from: caret - said.length, until: caret, said };
  }

  async #suggest() {
    await this.#load();
    const { said } = this.#word();
    const boards = this.boards().map(({ name, count }) => ({ value: name, count }));
    const options = said ? suggestions(said, { ...this.#facets, boards }) : [];
    if (!options.length || document.activeElement !== this.input) this.#close();
    else this.#open(options);
  }

  #open(options) {
    this.#list?.remove();
    this.#chosen = -1;
    const items = options.map(({ insert, label, count }, i) => {
      const item = make("li", { id: `${LIST}_${i}`, role: "option", "aria-selected": "false" }, make("span", { textContent: label }));
      if (count !== undefined) item.append(make("small", { textContent: String(count) }));
      item.addEventListener("pointerdown", (event) => {
        event.preventDefault(); // the focus stays in the box
        this.#take(insert);
      });
      item.dataset.insert = insert;
      return item;
    });
    this.#list = make("ul", { id: LIST, role: "listbox", "aria-label": text("suggestions") }, ...items);
    this.element.append(this.#list);
    setAttribute(this.input, "aria-expanded", "true");
  }

  #close() {
    this.#list?.remove();
    this.#list = null;
    setAttribute(this.input, "aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #choose(step) {
    const items = [...this.#list.children];
    this.#chosen = (this.#chosen + step + items.length + (this.#chosen < 0 && step < 0 ? 1 : 0)) % items.length;
    items.forEach((item, i) => setAttribute(item, "aria-selected", String(i === this.#chosen)));
    setAttribute(this.input, "aria-activedescendant", items[this.#chosen].id);
  }

  #take(insert) {
    const { from, until } = this.#word();
    const { value } = this.input;
    const rest = value.slice(until).trimStart();
    const space = insert.endsWith(":") ? "" : " ";
    this.input.value = value.slice(0, from) + insert + space + rest;
    const caret = from + insert.length + space.length;
    this.input.setSelectionRange(caret, caret);
    this.#typed();
  }

  #key(event) {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (this.#list && step) this.#choose(step);
    else if (this.#list && event.key === "Escape") this.#close();
    else if (this.#list && this.#chosen >= 0 && ["Enter", "Tab"].includes(event.key)) {
      this.#take(this.#list.children[this.#chosen].dataset.insert);
    } else if (event.key === "Escape" && this.input.value) this.set("");
    else if (event.key === "Enter") this.#close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** What may stand in place of the word `said`: values of its key, or keys that begin so. */
function suggestions(said, facets) {
  const [, minus, key, begun] = said.match(/^(-?)(\w+):"?([^"]*)$/) ?? [];
  if (key === undefined) {
    const word = said.replace(/^-/, "").toLowerCase();
    const sign = said.startsWith("-") ? "-" : "";
    const keys = Object.keys(KEYS).filter((name) => word && name.startsWith(word));
    return keys.map((name) => ({ insert: `${sign}${name}:`, label: `${name}:` }));
  }
  if (!(key in KEYS)) return [];
  const low = begun.toLowerCase();
  const values = FIXED[key] ?? valuesOf(facets[KEYS[key]] ?? []);
  const fitting = values.filter(({ value }) => value.toLowerCase().includes(low) && value !== begun);
  return fitting.slice(0, MOST).map(({ value, count }) => ({ insert: `${minus}${key}:${quoted(value)}`, label: value, count }));
}

/** Facets as {value, count}. */
export function valuesOf(list) {
  return list.map((entry) => {
    if (typeof entry !== "object") return { value: String(entry) };
    return { value: String(entry.value ?? entry.name), count: entry.count };
  });
}

const quoted = (value) => (/[\s":]/.test(value) ? `"${value.replaceAll('"', "")}"` : value);
