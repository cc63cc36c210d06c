// Completion in a prompt: tags by use, styles, wildcards, embeddings and LoRAs, in a list below what is being typed.

import { ask } from "./api.js";
import { make, setAttribute, text } from "./dom.js";
import { placeOf, replaceRange } from "./editor.js";
import { queryAt } from "./prompt_edit.js";

const WAIT_MS = 90;
const MOST = 20;
const NAMES_MS = 20000; // after that the names are asked for again

/** What is done with a chosen name, by kind; a kind that is not here is not offered. */
const KINDS = {
  style: (entry, { area, range, styles }) => {
    replaceRange(area, range.start, range.end, "");
    styles.choose(entry.name);
  },
  wildcard: (entry, { area, range }) => {
    const end = range.end + (area.value.startsWith("__", range.end) ? 2 : 0);
    replaceRange(area, range.start, end, `__${entry.name}__`);
  },
  embedding: (entry, place) => write(entry.name, place),
  lora: (entry, { area, range }) => {
    const end = range.end + (area.value[range.end] === ">" ? 1 : 0);
    replaceRange(area, range.start, end, `<lora:${entry.name}:1>`);
  },
  tag: (entry, place) => write(entry.text, place),
};

const KIND_TEXTS = { style: "kind_style", wildcard: "kind_wildcard", embedding: "kind_embedding", lora: "kind_lora" };
const MOST_NAMES = 5; // beside tags; where only names can stand, as many as fit

/** Put words in the place of what was typed, and a comma behind them unless something else follows. */
function write(words, { area, range }) {
  const behind = area.value.slice(range.end);
  replaceRange(area, range.start, range.end, words + (/^\s*[,)\]}|:]/.test(behind) ? "" : ", "));
}

const known = { at: 0, names: [], tags: 0 };
let lists = 0;

/** The list of one box. It follows ARIA's combobox: the focus stays in the box. */
export class Completion {
  #timer = null;
  #asking = null;
  #entries = [];
  #active = -1;
  #range = null;
  #list = null;

  constructor(area, styles) {
    Object.assign(this, { area, styles, id: `easel_complete_${++lists}` });
    setAttribute(area, "aria-autocomplete", "list");
    area.addEventListener("blur", () => this.close());
    area.addEventListener("pointerdown", () => this.close());
    area.addEventListener("scroll", () => this.close(), { passive: true });
    addEventListener("resize", () => this.close());
  }

  /** Something was typed: look, in a moment, for what it may become. */
  typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), WAIT_MS);
  }

  /** Whether an open list took the key. */
  key(event) {
    if (!this.#list || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#activate(wrapped(this.#active + step, this.#entries.length, step));
    else if (event.key === "Enter" && this.#active >= 0) this.#take(this.#active);
    else if (event.key === "Tab") this.#take(Math.max(this.#active, 0));
    else if (event.key === "Escape") this.close();
    else return false;
    return true;
  }

  /** Show no list, and forget what was being looked for. */
  close() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#hide();
  }

  #hide() {
    this.#list?.remove();
    this.#list = null;
    this.#active = -1;
    for (const name of ["role", "aria-expanded", "aria-controls", "aria-activedescendant"]) {
      this.area.removeAttribute(name);
    }
  }

  async #look() {
    const range = { ...queryAt(this.area.value, this.area.selectionStart), end: this.area.selectionStart };
    if (!(range.query || range.kind) || this.area.selectionEnd !== range.end) return this.close();
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const entries = await this.#find(range, asking.signal);
    if (asking.signal.aborted || document.activeElement !== this.area) return;
    this.#hide(); // and no more: what was typed meanwhile is still to be looked for
    if (entries.length) this.#open(range, entries);
  }

  async #find({ query, kind }, signal) {
    try {
      if (Date.now() - known.at > NAMES_MS) Object.assign(known, await ask("names", { signal }), { at: Date.now() });
      const names = fitting(query, kind);
      if (kind) return names.slice(0, MOST);
      const path = `tags?limit=${MOST}&q=${encodeURIComponent(query.slice(0, 200))}`;
      const { tags } = known.tags ? await ask(path, { signal }) : { tags: [] };
      return [...names.slice(0, MOST_NAMES), ...tags.map((tag) => ({ kind: "tag", ...tag }))].slice(0, MOST);
    } catch {
      return []; // typing goes on without help
    }
  }

  #open(range, entries) {
    this.#range = range;
    this.#entries = entries;
    const options = entries.map((entry, index) => this.#option(entry, index));
    this.#list = make("ul", { id: this.id, role: "listbox", className: "easel-complete", "aria-label": text("suggestions") }, ...options);
    document.body.append(this.#list);
    const { left, top, bottom } = placeOf(this.area, range.start);
    const { offsetWidth: width, offsetHeight: height } = this.#list;
    const below = bottom + height + 8 < innerHeight;
    this.#list.style.left = `${Math.max(8, Math.min(left - 10, innerWidth - width - 8))}px`;
    this.#list.style.top = `${below ? bottom + 4 : Math.max(8, top - height - 4)}px`;
    const states = { role: "combobox", "aria-expanded": "true", "aria-controls": this.id };
    for (const [name, value] of Object.entries(states)) setAttribute(this.area, name, value);
  }

  #option(entry, index) {
    const words = entry.text?.replace(/\\(.)/g, "$1") ?? entry.name; // brackets without their escapes
    const name = make("span", { textContent: entry.alias ? `${entry.alias} → ${words}` : words });
    const detail = make("small", { textContent: entry.kind === "tag" ? short(entry.count) : text(KIND_TEXTS[entry.kind]) });
    const option = make("li", { id: `${this.id}_${index}`, role: "option", "aria-selected": "false" }, name, detail);
    if (entry.kind === "tag") option.dataset.category = entry.category;
    option.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the focus stays in the box
      this.#take(index);
    });
    return option;
  }

  #activate(index) {
    this.#list.children[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = index;
    const option = this.#list.children[index];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    setAttribute(this.area, "aria-activedescendant", option.id);
  }

  #take(index) {
    const entry = this.#entries[index];
    const range = this.#range;
    this.close();
    KINDS[entry.kind](entry, { area: this.area, range, styles: this.styles });
  }
}

/** Names are asked for anew: one was added or deleted. */
export function namesChanged() {
  known.at = 0;
}

/** The known names that begin so, or a part of whose path does; of one kind only if that is given. */
function fitting(query, kind) {
  const wanted = plain(query);
  if (!wanted && !kind) return [];
  const begins = (name) => plain(name).startsWith(wanted) || plain(name.split("/").at(-1)).startsWith(wanted);
  return known.names.filter((entry) => KINDS[entry.kind] && (!kind || entry.kind === kind) && begins(entry.name));
}

const plain = (name) => name.toLowerCase().replaceAll("_", " ").trim();

const wrapped = (index, count, step) => (index < 0 ? (step < 0 ? count - 1 : 0) : index % count);

/** 1234567 → "1.2M" */
function short(count) {
  if (!count) return "";
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(count);
}
