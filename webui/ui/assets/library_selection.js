// Which pictures are selected: by id, so that it outlives scrolling and what arrives.

import { attempt } from "./library_actions.js";

/** Event: "change". */
export class Selection extends EventTarget {
  #ids = new Set();
  #anchor = null; // place in the list from which Shift extends
  #turn = 0;

  constructor(store) {
    super();
    this.store = store;
  }

  get ids() {
    return [...this.#ids];
  }

  get size() {
    return this.#ids.size;
  }

  has(id) {
    return this.#ids.has(id);
  }

  clear() {
    this.#anchor = null;
    this.#set(new Set());
  }

  /** Select one picture and nothing else. */
  only(index) {
    const image = this.store.at(index);
    if (!image) return;
    this.#anchor = index;
    this.#set(new Set([image.id]));
  }

  toggle(index) {
    const image = this.store.at(index);
    if (!image) return;
    this.#anchor = index;
    const next = new Set(this.#ids);
    if (!next.delete(image.id)) next.add(image.id);
    this.#set(next);
  }

  /** Select everything between the anchor (or `from`, where there is none) and a place. */
  extend(index, from = index) {
    this.#anchor ??= from;
    const [first, last] = [Math.min(this.#anchor, index), Math.max(this.#anchor, index)];
    return this.#range(first, last);
  }

  all() {
    this.#anchor = 0;
    return this.#range(0, this.store.total - 1);
  }

  async #range(first, last) {
    const turn = ++this.#turn;
    const found = await attempt(() => this.store.ids(first, last));
    if (found && turn === this.#turn) this.#set(new Set(found));
  }

  /** Pictures came in at the front. */
  shifted(count) {
    if (this.#anchor !== null) this.#anchor += count;
  }

  forget(ids) {
    const next = new Set(this.#ids);
    for (const id of ids) next.delete(id);
    if (next.size !== this.#ids.size) this.#set(next);
  }

  #set(next) {
    this.#turn += 1;
    this.#ids = next;
    this.dispatchEvent(new Event("change"));
  }
}
