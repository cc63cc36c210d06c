// The library's side: its parts (all, favourites, trash), its boards, and the import of folders.

import { ask } from "./api.js";
import { make, setAttribute, setText, text } from "./dom.js";
import { attempt } from "./library_actions.js";
import { askSure, askText, menu } from "./library_dialogs.js";
import { toast } from "./toasts.js";
import { icon } from "./viewer_icons.js";

const LOOK_MS = 500; // between two looks at how far an import is

const VIEWS = [
  ["all", "picture", "all_pictures", {}],
  ["favourites", "heart", "favourites", { favourite: "true" }],
  ["trash", "trash", "trash", { deleted: "true" }],
];

/** Events: "chosen" (another part is shown), "grown" (an import brought pictures in). */
export class Side extends EventTarget {
  boards = [];
  #chosen = "all";
  #watching = false;

  constructor() {
    super();
    this.views = make("div", { className: "lib-views" });
    this.shelf = make("div", { className: "lib-boards" });
    const plus = make("button", { type: "button", className: "lib-plus", title: text("new_board") }, icon("plus"));
    setAttribute(plus, "aria-label", text("new_board"));
    plus.addEventListener("click", () => this.create());
    const heading = make("div", { className: "lib-heading" }, make("h3", { textContent: text("boards") }), plus);
    this.element = make("nav", { className: "lib-side" }, this.views, heading, this.shelf, this.#importer());
    setAttribute(this.element, "aria-label", text("library_views"));
    for (const [name, sign, key] of VIEWS) this.views.append(this.#entry(name, sign, text(key)));
    this.#mark();
  }

  /** What of the library is shown: the part of the query that stands for it. */
  get filter() {
    const view = VIEWS.find(([name]) => name === this.#chosen);
    return view ? view[3] : { board: this.#chosen };
  }

  get isTrash() {
    return this.#chosen === "trash";
  }

  /** The chosen part: "all", "favourites", "trash" or "board". */
  get kind() {
    return this.board ? "board" : this.#chosen;
  }

  get board() {
    return this.boards.find(({ id }) => id === this.#chosen) ?? null;
  }

  choose(name) {
    if (name === this.#chosen) return;
    this.#chosen = name;
    this.#mark();
    this.dispatchEvent(new Event("chosen"));
  }

  /** Ask for the boards as they are now. */
  async load() {
    const found = await ask("boards").catch(() => null);
    if (!found) return;
    this.boards = found.boards;
    this.#drawBoards();
  }

  /** Show the import to administrators, and go on showing one that runs. */
  async allowImport() {
    const { caller } = await ask("status").catch(() => ({}));
    this.importer.hidden = !caller?.is_admin;
    if (caller?.is_admin) this.#follow(false);
  }

  async create() {
    const name = await askText({ title: text("new_board"), label: text("board_name"), accept: text("create") });
    if (!name) return null;
    const board = await attempt(() => ask("boards", { body: { name } }));
    if (!board) return null;
    await this.load();
    toast(text("board_made", { name }), "note");
    return board;
  }

  #entry(name, sign, words) {
    const button = make("button", { type: "button", className: "lib-entry" }, icon(sign), make("span", { textContent: words }));
    button.dataset.name = name;
    button.addEventListener("click", () => this.choose(name));
    return button;
  }

  #drawBoards() {
    const rows = this.boards.map((board) => {
      const entry = this.#entry(board.id, "board", board.name);
      entry.title = board.name;
      entry.append(make("small", { textContent: String(board.count ?? "") }));
      const more = make("button", { type: "button", className: "lib-more", title: text("board_menu", board) }, icon("more"));
      setAttribute(more, "aria-label", text("board_menu", board));
      more.addEventListener("click", () => this.#menu(board, more));
      return make("div", { className: "lib-board" }, entry, more);
    });
    this.shelf.replaceChildren(...rows);
    if (!this.board && !VIEWS.some(([name]) => name === this.#chosen)) this.choose("all");
    this.#mark();
  }

  #mark() {
    for (const entry of this.element.querySelectorAll(".lib-entry")) {
      setAttribute(entry, "aria-current", String(entry.dataset.name === this.#chosen));
    }
  }

  #menu(board, anchor) {
    menu(anchor, [
      { label: text("rename"), act: () => this.#rename(board) },
      { label: text("delete"), act: () => this.#delete(board) },
    ]);
  }

  async #rename(board) {
    const title = text("rename_board");
    const name = await askText({ title, label: text("board_name"), value: board.name, accept: text("rename") });
    if (!name || name === board.name) return;
    await attempt(() => ask(`boards/${encodeURIComponent(board.id)}`, { method: "PATCH", body: { name } }));
    await this.load();
  }

  async #delete(board) {
    const body = text("delete_board_sure", board);
    if (!(await askSure({ title: text("delete_board"), body, accept: text("delete") }))) return;
    await attempt(() => ask(`boards/${encodeURIComponent(board.id)}`, { method: "DELETE" }));
    await this.load();
  }

  #importer() {
    this.start = make("button", { type: "button", className: "lib-entry" }, icon("import"), make("span", { textContent: text("import_folder") }));
    this.start.addEventListener("click", () => this.#import());
    this.state = make("span", { role: "status" });
    const stop = make("button", { type: "button", className: "lib-more", title: text("import_stop") }, icon("close"));
    setAttribute(stop, "aria-label", text("import_stop"));
    stop.addEventListener("click", () => attempt(() => ask("library/import", { method: "DELETE" })));
    this.bar = make("progress", { "aria-label": text("import_folder") });
    this.running = make("div", { className: "lib-importing", hidden: true }, this.state, stop, this.bar);
    this.importer = make("div", { className: "lib-import", hidden: true }, this.start, this.running);
    return this.importer;
  }

  async #import() {
    const asked = { title: text("import_title"), body: text("import_body"), label: text("import_path"), accept: text("import_start") };
    const folder = await askText(asked);
    if (!folder) return;
    const begun = await attempt(() => ask("library/import", { body: { folder } }));
    if (begun) this.#follow(true);
  }

  /** Show how far the import is until it ends; `fresh` ones end with a message. */
  async #follow(fresh) {
    if (this.#watching) return;
    this.#watching = true;
    let seen = fresh;
    for (;;) {
      const now = await ask("library/import").catch(() => null);
      const runs = now?.state === "running";
      this.running.hidden = !runs;
      this.start.hidden = runs;
      if (!runs) {
        if (seen && now) this.#ended(now);
        break;
      }
      seen = true;
      this.#progress(now);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    this.#watching = false;
  }

  #progress({ done = 0, total = null }) {
    setText(this.state, text(total ? "import_running" : "import_counting", { done, total }));
    if (total) Object.assign(this.bar, { max: total, value: done });
    else this.bar.removeAttribute("value");
  }

  #ended({ added = 0, skipped = 0, error = null }) {
    if (error) toast(error.message ?? error);
    else toast(text(skipped ? "import_skipped" : "import_done", { count: added, skipped }), "note");
    this.dispatchEvent(new Event("grown"));
  }
}
