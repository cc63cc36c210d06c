// The pictures of the library that are known here: windows of a list that may have 100,000 rows.
//
// A picture is found by its place in the list. New pictures come in at the front: what is known keeps
// its key, and `#shift` says how far the places have moved since.

import { ask } from "./api.js";

const PAGE = 120;
const MANY = 200; // from so many on, only ids are asked for where pictures are to be selected
const KEPT = 6000; // pictures; then those far from what is looked at are dropped
const NEAR = 2000;
const PAUSE_MS = 40; // while someone scrolls, only what stays in view is asked for

/**
 * Events: "renewed" (detail {fromTop}: anything may be different), "filled" (pictures became known),
 * "arrived" (detail: how many came in at the front), "failed" (detail: the error).
 */
export class Store extends EventTarget {
  total = 0;
  loaded = false;
  filter = { sort: "newest" };
  #items = new Map(); // key → picture
  #asking = new Map(); // page → AbortController
  #shift = 0;
  #first = null; // id of the picture in place 0
  #revision = null;
  #turn = 0; // grows when everything that is on its way has become old
  #wanted = [0, PAGE - 1];
  #timer = 0;
  #latest = null; // the last renewal
  #fromTop = false; // whether one that was overtaken was to begin at the top

  /** The picture in a place of the list, if it is known. */
  at(index) {
    return this.#items.get(index - this.#shift) ?? null;
  }

  /** Show another list, from its top. */
  show(filter) {
    this.filter = filter;
    this.#wanted = [0, PAGE - 1];
    return this.#renew(true);
  }

  /** Somebody changed the library, which has that revision now. */
  changed(revision) {
    if (this.loaded && revision !== this.#revision) this.#renew(false);
  }

  /** Take in again what is looked at, because something has changed. */
  renew() {
    return this.#renew(false);
  }

  /** Say which places are looked at; what is missing there is fetched. */
  want(first, last) {
    this.#wanted = [Math.max(0, first), last];
    clearTimeout(this.#timer);
    if (this.#missing().length) this.#timer = setTimeout(() => this.#fetch(), PAUSE_MS);
  }

  /** The pictures in places `first` to `last`, fetched where they are not known; null if the list changed. */
  async range(first, last) {
    const turn = this.#turn;
    const found = [];
    for (let from = Math.max(first, 0); from <= Math.min(last, this.total - 1); ) {
      const known = this.at(from);
      const more = known ? [known] : (await this.#ask(from, PAGE)).images;
      if (turn !== this.#turn) return null;
      if (!more.length) break;
      found.push(...more);
      from += more.length;
    }
    return found.slice(0, last - first + 1);
  }

  /** The ids of the pictures in places `first` to `last`; null if the list changed meanwhile. */
  async ids(first, last) {
    if (last - first < MANY) return (await this.range(first, last))?.map((image) => image.id) ?? null;
    const turn = this.#turn;
    const { ids } = await ask(`library/ids?${this.#query()}`);
    return turn === this.#turn ? ids.slice(Math.max(first, 0), last + 1) : null;
  }

  /** The picture in one place, fetched if it is not known. */
  async load(index) {
    if (index < 0 || index >= this.total) return null;
    return this.at(index) ?? (await this.range(index, index))?.[0] ?? null;
  }

  /** What is known of the pictures with these ids. */
  known(ids) {
    const wanted = new Set(ids);
    return [...this.#items.values()].filter((image) => wanted.has(image.id));
  }

  /** Change what is known of a picture. */
  patch(ids, changes) {
    const wanted = new Set(ids);
    for (const [key, image] of this.#items) {
      if (wanted.has(image.id)) this.#items.set(key, { ...image, ...changes });
    }
    this.#tell("filled");
  }

  /** Look whether pictures came in at the front; `thoroughly` also whether anything else changed. */
  async lookForNew(thoroughly = false) {
    if (!this.loaded || this.filter.sort === "oldest") return this.renew();
    const turn = this.#turn;
    let head;
    try {
      head = await this.#ask(0, PAGE);
    } catch {
      return null; // the next event looks again
    }
    if (turn !== this.#turn) return null;
    const added = head.total - this.total;
    const joins = this.total ? head.images[added]?.id === this.#first : true;
    if (added < 0 || !joins) return this.renew();
    const other = thoroughly && head.revision !== this.#revision;
    this.#shift += added;
    this.#take(0, head);
    if (added) this.#tell("arrived", added);
    return other ? this.renew() : null;
  }

  #renew(fromTop) {
    this.#latest = this.#renewOnce(fromTop);
    return this.#latest;
  }

  /** Ends when the list is as new as the last call wants it. */
  async #renewOnce(fromTop) {
    const turn = ++this.#turn;
    this.#fromTop ||= fromTop;
    for (const controller of this.#asking.values()) controller.abort();
    this.#asking.clear();
    const [first, last] = this.#wanted;
    const offsets = new Set([0]);
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page++) offsets.add(page * PAGE);
    let answers;
    try {
      answers = await Promise.all([...offsets].map(async (from) => [from, await this.#ask(from, PAGE)]));
    } catch (error) {
      if (turn !== this.#turn) return this.#latest;
      this.#tell("failed", error);
      return null;
    }
    if (turn !== this.#turn) return this.#latest;
    this.#items.clear();
    this.#shift = 0;
    for (const [from, answer] of answers) this.#take(from, answer);
    this.loaded = true;
    this.#tell("renewed", { fromTop: this.#fromTop });
    this.#fromTop = false;
    return null;
  }

  /** Pages around what is wanted that are not completely known. */
  #missing() {
    const [first, last] = this.#wanted;
    const pages = [];
    const end = Math.min(last, this.total - 1);
    for (let index = Math.max(first, 0); index <= end; index++) {
      const page = Math.floor((index - this.#shift) / PAGE);
      if (pages.at(-1) !== page && !this.at(index)) pages.push(page);
    }
    return pages;
  }

  #fetch() {
    const pages = this.#missing();
    for (const [page, controller] of this.#asking) {
      if (pages.includes(page)) continue;
      controller.abort();
      this.#asking.delete(page);
    }
    for (const page of pages) if (!this.#asking.has(page)) this.#fetchPage(page);
  }

  async #fetchPage(page) {
    const controller = new AbortController();
    this.#asking.set(page, controller);
    const turn = this.#turn;
    const [from, until] = [page * PAGE + this.#shift, (page + 1) * PAGE + this.#shift];
    const shift = this.#shift;
    try {
      const answer = await this.#ask(Math.max(from, 0), until - Math.max(from, 0), controller.signal);
      if (turn !== this.#turn || controller.signal.aborted) return;
      if (answer.revision !== this.#revision && answer.total !== this.total) {
        this.renew(); // the list moved: what is known would no longer fit together
        return;
      }
      this.#take(Math.max(from, 0) - shift + this.#shift, answer);
      this.#drop();
      this.#tell("filled");
    } catch (error) {
      if (turn === this.#turn && !controller.signal.aborted) this.#tell("failed", error);
    } finally {
      if (this.#asking.get(page) === controller) this.#asking.delete(page);
    }
  }

  #take(from, { images, total, revision }) {
    this.total = total;
    this.#revision = revision;
    images.forEach((image, i) => this.#items.set(from + i - this.#shift, image));
    if (from === 0) this.#first = images[0]?.id ?? null;
  }

  #drop() {
    if (this.#items.size <= KEPT) return;
    const [first, last] = this.#wanted.map((index) => index - this.#shift);
    for (const key of this.#items.keys()) {
      if (key < first - NEAR || key > last + NEAR) this.#items.delete(key);
    }
  }

  #ask(offset, limit, signal) {
    return ask(`library?${this.#query({ offset, limit })}`, { signal });
  }

  #query(more = {}) {
    const given = Object.entries(this.filter).filter(([, value]) => value);
    return new URLSearchParams({ ...more, ...Object.fromEntries(given) });
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
