// The library's tab: grid, search, boards, and what can be done with what is selected.
//
// Nothing is built or asked for before the tab is first shown.

import { make, memory, setAttribute, setText, text, whenPresent } from "./dom.js";
import { emptyTrash, favourite, pack, pictures, remove, restore, sendMenu, sortInto, tag, toSend, undo } from "./library_actions.js";
import { askSure, askText, menu } from "./library_dialogs.js";
import { Grid } from "./library_grid.js";
import { SearchBox, valuesOf } from "./library_search.js";
import { Selection } from "./library_selection.js";
import { Side } from "./library_side.js";
import { ListSource } from "./library_source.js";
import { Store } from "./library_store.js";
import { toast } from "./toasts.js";
import { icon } from "./viewer_icons.js";

const PLACE = "easel_library";
const NEWS_MS = 400; // pictures that arrive close together are looked for once
const EMPTY = {
  all: ["empty_library", "empty_library_body"],
  favourites: ["empty_favourites", "empty_favourites_body"],
  trash: ["empty_trash", "empty_trash_body"],
  board: ["empty_board", "empty_board_body"],
  search: ["empty_search", "empty_search_body"],
};
const SIZES = { min: 96, max: 320, step: 8, value: 168 };

/** `viewer` shows pictures large; `link` tells of new ones. */
export class Library {
  #host = null;
  #inSight = null; // observes whether the tab is shown
  #built = false;
  #shown = false;
  #stale = false;
  #news = 0;
  #changes = 0;

  constructor(viewer, link) {
    this.viewer = viewer;
    addEventListener("resize", () => this.#fitHeight());
    whenPresent(PLACE, (host) => this.#attach(host));
    link.addEventListener("library", ({ detail }) => this.#soonChanged(detail));
    link.addEventListener("event", ({ detail }) => detail.kind === "image" && this.#soonNews());
    link.addEventListener("online", ({ detail }) => detail && this.#soonNews());
  }

  #attach(host) {
    this.#host = host;
    host.style.minHeight = "1px"; // else an empty one would never be in sight
    if (this.root) host.append(this.root);
    this.#inSight?.disconnect();
    this.#inSight = new IntersectionObserver((seen) => this.#visible(seen.at(-1).isIntersecting));
    this.#inSight.observe(host);
  }

  #visible(shown) {
    this.#shown = shown;
    if (!shown) return;
    if (!this.#built) {
      this.#build();
      this.#host.append(this.root);
      this.#query();
      this.side.load();
      this.side.allowImport();
    } else if (this.#stale) {
      this.#stale = false;
      this.store.lookForNew(true);
      this.side.load();
    }
    this.#fitHeight();
  }

  /** As tall as the window lets it be below the tabs. */
  #fitHeight() {
    if (!this.root || !this.#shown) return;
    const top = this.#host.getBoundingClientRect().top + scrollY;
    this.root.style.height = `${Math.max(420, innerHeight - top - 16)}px`;
  }

  #build() {
    this.#built = true;
    this.store = new Store();
    this.selection = new Selection(this.store);
    this.grid = new Grid(this.store, (id) => this.selection.has(id));
    this.side = new Side();
    this.search = new SearchBox(() => this.#query(), () => this.side.boards);
    const main = make("div", { className: "lib-main" }, this.#toolbar(), this.#stage());
    this.root = make("section", { className: "lib" }, this.side.element, main);
    this.root.dataset.ownKeys = "";
    setAttribute(this.root, "aria-label", text("library"));
    this.#listen();
  }

  #listen() {
    const { store, grid, side, selection } = this;
    store.addEventListener("renewed", ({ detail }) => this.#renewed(detail.fromTop));
    store.addEventListener("filled", () => grid.soon());
    store.addEventListener("arrived", ({ detail }) => this.#arrived(detail));
    store.addEventListener("failed", ({ detail }) => this.#failed(detail));
    side.addEventListener("chosen", () => this.#query());
    side.addEventListener("grown", () => store.renew());
    selection.addEventListener("change", () => this.#drawSelection());
    grid.addEventListener("pick", ({ detail }) => this.#picked(detail));
    grid.addEventListener("double", ({ detail }) => this.#open(detail));
    grid.addEventListener("drawn", () => this.#drawNews());
    grid.element.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("keydown", (event) => this.#undoKey(event));
    pictures.addEventListener("changed", ({ detail }) => this.#changed(detail));
    for (const kind of ["removed", "restored"]) {
      pictures.addEventListener(kind, ({ detail }) => this.#moved(detail.ids));
    }
    pictures.addEventListener("sorted", () => this.#moved([]));
  }

  #toolbar() {
    this.count = make("span", { className: "lib-count", role: "status" });
    this.order = make("select", {}, ...["newest", "oldest"].map((value) => make("option", { value, textContent: text(value) })));
    setAttribute(this.order, "aria-label", text("sort"));
    this.order.addEventListener("change", () => this.#query());
    const size = make("input", { type: "range", ...SIZES, title: text("thumbnail_size") });
    setAttribute(size, "aria-label", text("thumbnail_size"));
    size.value = memory.get("library.size", SIZES.value);
    this.grid.resize(Number(size.value));
    size.addEventListener("input", () => {
      this.grid.resize(Number(size.value));
      memory.set("library.size", Number(size.value));
    });
    this.forGood = make("button", { type: "button", className: "lib-button lib-for-good", textContent: text("empty_the_trash"), hidden: true });
    this.forGood.addEventListener("click", () => this.#emptyTrash());
    return make("div", { className: "lib-bar" }, this.search.element, this.count, this.forGood, this.order, size);
  }

  async #emptyTrash() {
    const asked = { title: text("empty_the_trash"), body: text("empty_the_trash_sure"), accept: text("empty_the_trash") };
    if (await askSure(asked)) await emptyTrash();
  }

  #stage() {
    this.newer = make("button", { type: "button", className: "lib-newer", hidden: true, title: text("new_pictures_hint") }, icon("up"), make("span"));
    this.newer.addEventListener("click", () => this.grid.toTop());
    this.empty = make("div", { className: "lib-empty", hidden: true }, icon("picture"), make("strong"), make("span"));
    const again = make("button", { type: "button", className: "lib-button", textContent: text("try_again"), hidden: true });
    again.addEventListener("click", () => this.store.renew());
    this.empty.append(again);
    return make("div", { className: "lib-stage" }, this.grid.element, this.newer, this.empty, this.#bulkBar());
  }

  #bulkBar() {
    const one = (name, sign, key, act, hint = key) => {
      const button = make("button", { type: "button", className: `lib-do-${name}`, title: text(hint) }, icon(sign), make("span", { textContent: text(key) }));
      setAttribute(button, "aria-label", text(hint));
      button.addEventListener("click", () => act(button));
      return button;
    };
    this.chosen = make("strong", { role: "status" });
    this.actions = {
      favourite: one("favourite", "heart", "favourite", () => this.#favourite()),
      board: one("board", "board", "add_to_board", (button) => this.#boardMenu(button)),
      unboard: one("unboard", "board", "remove_from_board", () => this.#unboard()),
      tag: one("tag", "tag", "add_tag", () => this.#tag()),
      compare: one("compare", "compare", "compare", () => this.#compare(), "compare_hint"),
      send: one("send", "send", "send_hint", (button) => this.#sendMenu(button)),
      export: one("export", "save", "export", () => pack(this.selection.ids), "export_hint"),
      restore: one("restore", "restore", "restore", () => this.#restore()),
      delete: one("delete", "trash", "delete", () => this.#delete()),
    };
    const none = one("none", "close", "select_none", () => this.#selectNone());
    this.bulk = make("div", { className: "lib-bulk", role: "toolbar", hidden: true }, this.chosen, ...Object.values(this.actions), none);
    setAttribute(this.bulk, "aria-label", text("selection"));
    return this.bulk;
  }

  // ---- what is shown

  #query() {
    this.selection.clear();
    const filter = { ...this.side.filter, q: this.search.query, sort: this.order.value };
    this.root.classList.toggle("lib-in-trash", this.side.isTrash);
    return this.store.show(filter);
  }

  #renewed(fromTop) {
    this.grid.renewed(fromTop);
    this.#drawCount();
  }

  #arrived(count) {
    this.selection.shifted(count);
    if (this.source) this.source.offset += count;
    this.grid.shifted(count);
    this.#drawCount();
  }

  #failed(error) {
    if (this.store.loaded) toast(error.message);
    this.#drawEmpty(this.store.loaded ? null : ["library_failed", error.message]);
    this.empty.querySelector("button").hidden = this.store.loaded;
  }

  #soonNews() {
    if (!this.#built) return;
    if (!this.#shown && !this.viewer.isOpen) {
      this.#stale = true;
      return;
    }
    this.#news ||= setTimeout(() => {
      this.#news = 0;
      this.store.lookForNew();
    }, NEWS_MS);
  }

  /** Somebody changed the library, perhaps on another page. */
  #soonChanged(revision) {
    if (!this.#built) return;
    clearTimeout(this.#changes);
    this.#changes = setTimeout(() => {
      this.#stale ||= !this.#shown;
      if (this.#shown) this.store.changed(revision);
    }, NEWS_MS);
  }

  #drawCount() {
    const { total } = this.store;
    const count = total.toLocaleString(document.documentElement.lang || undefined);
    setText(this.count, text(total === 1 ? "picture_count_one" : "picture_count", { count }));
    const [title, body] = EMPTY[this.search.query ? "search" : this.side.kind];
    this.#drawEmpty(total ? null : [title, text(body)]);
    this.empty.querySelector("button").hidden = true;
    this.forGood.hidden = !total || !this.side.isTrash;
  }

  #drawEmpty(words) {
    this.empty.hidden = !words;
    if (!words) return;
    setText(this.empty.querySelector("strong"), text(words[0]));
    setText(this.empty.querySelector("span"), words[1]);
  }

  #drawNews() {
    const count = this.grid.arrived;
    this.newer.hidden = !count;
    if (count) setText(this.newer.lastElementChild, text("new_pictures", { count }));
  }

  #drawSelection() {
    const { size } = this.selection;
    this.bulk.hidden = !size;
    this.root.classList.toggle("lib-selecting", size > 0);
    setText(this.chosen, text("selected", { count: size.toLocaleString() }));
    const trash = this.side.isTrash;
    const { restore: back, compare, unboard, ...rest } = this.actions;
    for (const button of Object.values(rest)) button.hidden = trash;
    back.hidden = !trash;
    compare.hidden = size !== 2;
    rest.send.hidden ||= size !== 1;
    unboard.hidden = trash || !this.side.board;
    this.grid.soon();
  }

  // ---- what was done elsewhere

  #changed({ ids, changes }) {
    this.store.patch(ids, changes);
    if (this.store.filter.favourite || /\bfav:/.test(this.store.filter.q ?? "")) this.store.renew();
  }

  #moved(ids) {
    this.selection.forget(ids);
    this.side.load();
    return this.store.renew();
  }

  // ---- picking

  #picked({ index, event, on }) {
    const image = this.store.at(index);
    this.grid.go(index);
    if (!image) return;
    if (on === "heart") favourite([image.id], !image.favourite);
    else if (on === "open") this.#open(index);
    else if (event.shiftKey) this.selection.extend(index);
    else if (on === "check" || event.ctrlKey || event.metaKey) this.selection.toggle(index);
    else if (event.pointerType === "touch" && !this.selection.size) this.#open(index);
    else if (event.pointerType === "touch") this.selection.toggle(index);
    else this.selection.only(index);
  }

  #key(event) {
    if (event.isComposing || event.altKey) return;
    const act = this.#command(event) ?? this.#step(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #command(event) {
    const { grid, selection } = this;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (control) return key === "a" ? () => selection.all() : null;
    return {
      Enter: () => this.#open(grid.active),
      " ": () => selection.toggle(grid.active),
      Escape: selection.size ? () => this.#selectNone() : () => {},
      Delete: () => this.#delete(),
      f: () => this.#favourite(),
    }[key];
  }

  #step(event) {
    const { grid } = this;
    const page = grid.columns * grid.rowsInSight;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns, PageUp: -page, PageDown: page };
    const step = steps[event.key];
    const to = { Home: 0, End: this.store.total - 1 }[event.key] ?? (step && grid.active + step);
    if (to === undefined) return null;
    return () => {
      const from = grid.active;
      if (Math.abs(step) !== grid.columns || (to >= 0 && to < this.store.total)) grid.go(to);
      if (event.shiftKey) this.selection.extend(grid.active, from);
    };
  }

  #undoKey(event) {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches("input")) return;
    event.preventDefault();
    undo();
  }

  #selectNone() {
    this.selection.clear();
    this.grid.element.focus({ preventScroll: true });
  }

  /** The selected pictures, else the active one. */
  #targets() {
    if (this.selection.size) return this.selection.ids;
    const image = this.store.at(this.grid.active);
    return image ? [image.id] : [];
  }

  // ---- doing

  #favourite() {
    const ids = this.#targets();
    if (!ids.length || this.side.isTrash) return;
    const known = this.store.known(ids);
    favourite(ids, !known.every((image) => image.favourite));
  }

  #delete() {
    const ids = this.#targets();
    if (ids.length && !this.side.isTrash) remove(ids);
  }

  #restore() {
    restore(this.#targets());
  }

  #unboard() {
    if (this.side.board) sortInto(this.#targets(), "remove_from_board", this.side.board);
  }

  #boardMenu(anchor) {
    const ids = this.#targets();
    const add = (board) => board && sortInto(ids, "add_to_board", board);
    const items = this.side.boards.map((board) => ({ label: board.name, sign: "board", act: () => add(board) }));
    const fresh = { label: text("new_board"), sign: "plus", act: async () => add(await this.side.create()) };
    menu(anchor, [...items, fresh]);
  }

  async #tag() {
    const ids = this.#targets();
    const suggestions = this.search.facets().then(({ tags = [] }) => valuesOf(tags).map(({ value }) => value));
    const title = text("tag_pictures");
    const name = await askText({ title, label: text("tag_name"), accept: text("add_tag"), suggestions });
    if (name) tag(ids, name);
  }

  #sendMenu(anchor) {
    const [image] = this.store.known(this.selection.ids);
    if (!image) return;
    const send = async (what) => {
      const found = await toSend(image, what);
      if (found) this.viewer.send(found);
    };
    sendMenu(anchor, image, { send });
  }

  #compare() {
    const [left, right] = this.store.known(this.selection.ids);
    if (right) this.viewer.compare.open(left, right);
  }

  #open(index) {
    this.source = new ListSource(this.store, this.side.isTrash);
    this.viewer.open(this.source, index, (_, image, at) => this.grid.go(at + this.source.offset));
  }
}
