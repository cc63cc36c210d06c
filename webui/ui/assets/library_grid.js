// The grid: a scroll container of the list's true height in which only the rows in sight exist.
//
// A scroll event asks for one animation frame and does nothing else. Pictures that arrive while
// somebody looks further down fill rows of their own above (`#gap`), so nothing in sight moves.

import { address } from "./api.js";
import { make, setAttribute, text } from "./dom.js";
import { pictureUrl } from "./picture.js";
import { icon } from "./viewer_icons.js";

const GAP = 6;
const OVERSCAN = 3; // rows kept above and below
const FEWEST_COLUMNS = 3;
const SPOKEN_CHARACTERS = 120;

/**
 * `state` says of a picture whether it is selected. Events: "pick" (detail {index, event, on}), where `on`
 * is "cell", "check", "heart" or "open"; "double" (detail index); "top" (looked at again).
 */
export class Grid extends EventTarget {
  columns = 1;
  active = 0;
  size = 168;
  #cell = 0;
  #rows = new Map(); // row number → element
  #gap = { after: 0, size: 0 };
  #frame = 0;
  #changed = true; // else only the rows have to be drawn that come into sight
  #width = 0;
  #range = ""; // the rows that were drawn last

  constructor(store, isSelected) {
    super();
    Object.assign(this, { store, isSelected });
    this.sizer = make("div", { className: "lib-sizer", role: "presentation" });
    this.element = make(
      "div",
      { id: "library_grid", className: "lib-grid", role: "grid", tabIndex: 0, "aria-multiselectable": "true" },
      this.sizer,
    );
    setAttribute(this.element, "aria-label", text("library"));
    this.element.addEventListener("scroll", () => this.#nextFrame(), { passive: true });
    this.element.addEventListener("click", (event) => this.#clicked(event));
    this.element.addEventListener("dblclick", (event) => this.#doubled(event));
    this.element.addEventListener("dragstart", (event) => this.#dragged(event));
    new ResizeObserver(() => this.#measure()).observe(this.element);
  }

  get #rowHeight() {
    return this.#cell + GAP;
  }

  /** How many rows fit into sight, at least one. */
  get rowsInSight() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.#rowHeight));
  }

  /** How many pictures arrived above what is looked at. */
  get arrived() {
    return this.#gap.after;
  }

  /** Set the wished width of a cell, in CSS pixels. */
  resize(size) {
    this.size = size;
    this.#width = 0;
    this.#measure();
  }

  /** Everything may be different; it is drawn at once, so that no count stands over another list. */
  renewed(fromTop) {
    this.#gap = { after: 0, size: 0 };
    if (fromTop) {
      this.element.scrollTop = 0;
      this.active = 0;
    }
    this.active = Math.max(0, Math.min(this.active, this.store.total - 1));
    this.#changed = true;
    this.#draw();
  }

  /** `count` pictures came in at the front. */
  shifted(count) {
    this.active += this.store.total > count ? count : 0;
    if (this.element.scrollTop < 1) {
      this.soon();
      return;
    }
    const before = (this.#gap.after + this.#gap.size) / this.columns;
    const after = this.#gap.after + count;
    this.#gap = { after, size: (this.columns - (after % this.columns)) % this.columns };
    const rows = (this.#gap.after + this.#gap.size) / this.columns - before;
    this.#grow();
    this.element.scrollTop += rows * this.#rowHeight;
    this.#changed = true;
    this.#draw();
  }

  /** Draw in the next frame what may have changed. */
  soon() {
    this.#changed = true;
    this.#nextFrame();
  }

  #nextFrame() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Make a picture the active one and bring it into sight. */
  go(index) {
    this.active = Math.max(0, Math.min(index, this.store.total - 1));
    const top = Math.floor(this.#slot(this.active) / this.columns) * this.#rowHeight;
    const view = this.element;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + this.#rowHeight > view.scrollTop + view.clientHeight) {
      view.scrollTop = top + this.#rowHeight - view.clientHeight;
    }
    this.soon();
  }

  toTop() {
    this.element.scrollTop = 0;
    this.soon();
  }

  #slot(index) {
    return index < this.#gap.after ? index : index + this.#gap.size;
  }

  /** The place in the list that a slot of the grid shows, null where it stays empty. */
  #index(slot) {
    const { after, size } = this.#gap;
    if (slot < after) return slot;
    const index = slot - size;
    return slot < after + size || index >= this.store.total ? null : index;
  }

  #measure() {
    const width = this.element.clientWidth;
    if (!width || width === this.#width) {
      this.soon();
      return;
    }
    const first = this.#firstInSight();
    this.#width = width;
    const fit = Math.floor((width + GAP) / (this.size + GAP));
    this.columns = Math.max(FEWEST_COLUMNS, fit);
    this.#cell = Math.floor((width - GAP * (this.columns - 1)) / this.columns);
    this.#gap = { after: 0, size: 0 };
    this.element.style.setProperty("--lib-cell", `${this.#cell}px`);
    this.element.style.setProperty("--lib-columns", this.columns);
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.#grow();
    this.element.scrollTop = Math.floor(first / this.columns) * this.#rowHeight;
    this.soon();
  }

  #firstInSight() {
    if (!this.#cell) return 0;
    return this.#index(Math.ceil(this.element.scrollTop / this.#rowHeight) * this.columns) ?? 0;
  }

  get #rowCount() {
    return Math.ceil((this.store.total + this.#gap.size) / this.columns);
  }

  #grow() {
    const rows = this.#rowCount;
    const height = `${Math.max(0, rows * this.#rowHeight - GAP)}px`;
    if (this.sizer.style.height !== height) this.sizer.style.height = height;
    setAttribute(this.element, "aria-rowcount", String(rows));
    setAttribute(this.element, "aria-colcount", String(this.columns));
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.#cell) return;
    const view = this.element;
    const [top, height] = [view.scrollTop, view.clientHeight];
    if (this.#gap.after && top < 1) {
      this.#gap = { after: 0, size: 0 };
      this.#changed = true;
    }
    const rows = this.#rowCount;
    const first = Math.max(0, Math.floor(top / this.#rowHeight) - OVERSCAN);
    const last = Math.min(rows - 1, Math.ceil((top + height) / this.#rowHeight) + OVERSCAN);
    const [all, range] = [this.#changed, `${first}-${last}`];
    if (!all && range === this.#range) return;
    this.#changed = false;
    this.#range = range;
    if (all) this.#grow();
    for (const [number, row] of this.#rows) {
      if (number < first || number > last) this.#leave(number, row);
    }
    for (let number = first; number <= last; number++) if (all || !this.#rows.has(number)) this.#drawRow(number);
    const inSight = view.querySelector(`#lib_cell_${this.active}`);
    if (inSight) setAttribute(view, "aria-activedescendant", inSight.id);
    else view.removeAttribute("aria-activedescendant");
    if (rows) this.store.want(first * this.columns - this.#gap.size, (last + 1) * this.columns - 1);
    this.dispatchEvent(new Event("drawn"));
  }

  /** Take a row away, and with it what it was still loading. */
  #leave(number, row) {
    for (const image of row.querySelectorAll("img")) if (!image.complete) image.removeAttribute("src");
    row.remove();
    this.#rows.delete(number);
  }

  #drawRow(number) {
    let row = this.#rows.get(number);
    if (!row) {
      const cells = Array.from({ length: this.columns }, () => make("div", { className: "lib-cell" }));
      row = make("div", { className: "lib-row", role: "row", "aria-rowindex": String(number + 1) }, ...cells);
      row.style.transform = `translateY(${number * this.#rowHeight}px)`;
      this.#rows.set(number, row);
      const below = [...this.sizer.children].find((other) => Number(other.ariaRowIndex) > number + 1);
      this.sizer.insertBefore(row, below ?? null);
    }
    for (let column = 0; column < this.columns; column++) {
      this.#drawCell(row.children[column], this.#index(number * this.columns + column), column);
    }
  }

  #drawCell(cell, index, column) {
    const image = index === null ? null : this.store.at(index);
    if (cell.dataset.id !== (image?.id ?? "")) {
      cell.dataset.id = image?.id ?? "";
      cell.replaceChildren(...(image ? [this.#thumbnail(image, cell), ...controls()] : []));
      cell.classList.toggle("lib-broken", Boolean(image?.missing));
    }
    cell.hidden = index === null;
    if (index === null) {
      cell.removeAttribute("id");
      cell.removeAttribute("role");
      return;
    }
    cell.id = `lib_cell_${index}`;
    setAttribute(cell, "role", "gridcell");
    setAttribute(cell, "aria-colindex", String(column + 1));
    setAttribute(cell, "aria-selected", String(Boolean(image) && this.isSelected(image.id)));
    setAttribute(cell, "aria-label", image ? spoken(image) : "");
    cell.classList.toggle("lib-active", index === this.active);
    cell.classList.toggle("lib-loved", Boolean(image?.favourite));
  }

  #thumbnail(image, cell) {
    if (image.missing) return broken();
    const size = this.#cell * devicePixelRatio > 280 ? 512 : 256;
    const url = image.thumbnail ?? `/api/v1/images/${encodeURIComponent(image.id)}/thumbnail`;
    const source = address(url);
    source.searchParams.set("size", String(size));
    const img = make("img", { alt: "", loading: "lazy", decoding: "async", src: source.href });
    img.addEventListener("load", () => img.classList.add("lib-here"), { once: true });
    img.addEventListener("error", () => {
      if (!img.isConnected || !img.hasAttribute("src")) return;
      cell.classList.add("lib-broken");
      img.replaceWith(broken());
    });
    return img;
  }

  #clicked(event) {
    const cell = event.target.closest(".lib-cell");
    if (!cell?.dataset.id) return;
    const index = Number(cell.id.replace("lib_cell_", ""));
    const on = event.target.closest("[data-on]")?.dataset.on ?? "cell";
    this.dispatchEvent(new CustomEvent("pick", { detail: { index, event, on } }));
  }

  /** What is dragged is the picture, not its thumbnail. */
  #dragged(event) {
    const cell = event.target.closest?.(".lib-cell");
    const image = cell?.dataset.id ? this.store.at(Number(cell.id.replace("lib_cell_", ""))) : null;
    if (!image) return;
    event.dataTransfer.clearData();
    event.dataTransfer.setData("text/uri-list", pictureUrl(image));
    event.dataTransfer.effectAllowed = "copy";
  }

  #doubled(event) {
    const cell = event.target.closest(".lib-cell");
    if (!cell?.dataset.id || event.target.closest("[data-on]")) return;
    this.dispatchEvent(new CustomEvent("double", { detail: Number(cell.id.replace("lib_cell_", "")) }));
  }
}

function controls() {
  const one = (on, sign, hint) => {
    const button = make("button", { type: "button", tabIndex: -1, className: `lib-${on}`, title: text(hint) });
    setAttribute(button, "aria-label", text(hint));
    button.dataset.on = on;
    button.append(icon(sign));
    return button;
  };
  return [
    one("check", "check", "select_picture"),
    one("heart", "heart", "favourite_hint"),
    one("open", "enlarge", "open_picture"),
  ];
}

function broken() {
  return make("span", { className: "lib-missing" }, icon("broken"), text("file_missing"));
}

function spoken(image) {
  const prompt = (image.prompt ?? image.infotext?.split("\n")[0] ?? "").slice(0, SPOKEN_CHARACTERS);
  const parts = [text("cell_name", { ...image, prompt: prompt || text("cell_empty_prompt") })];
  if (image.favourite) parts.push(text("cell_favourite"));
  if (image.missing) parts.push(text("file_missing"));
  return parts.join(", ");
}
