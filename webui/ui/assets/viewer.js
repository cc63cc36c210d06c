// The full-screen view of pictures: of a job, or of the library, which loads more as one goes on.

import { Compare } from "./compare.js";
import { make, setAttribute, setText, text } from "./dom.js";
import { favourite, pictures, remove, restore, save, sendMenu, undo, toSend } from "./library_actions.js";
import { copyPicture } from "./picture.js";
import { icon } from "./viewer_icons.js";
import { InfoPanel } from "./viewer_info.js";
import { Zoom } from "./viewer_zoom.js";

const PAN_PX = 80;

/** Pictures in an array; what the viewer needs of any list of pictures. */
export class ArraySource {
  constructor(images) {
    this.images = [...images];
    this.circular = true;
  }

  get count() {
    return this.images.length;
  }

  at(index) {
    return this.images[index] ?? null;
  }

  async load(index) {
    return this.at(index);
  }

  /** Pictures were deleted; true when the list is shorter at once. */
  async removed(ids) {
    this.images = this.images.filter((image) => !ids.includes(image.id));
  }

  async restored(image, index) {
    this.images.splice(index, 0, image);
  }
}

/**
 * `urlOf(image)` is the address of a picture's file; `send({values, problems, has_parameters})` puts
 * values into the form, where there is one.
 */
export class Viewer {
  #source = null;
  #at = 0;
  #image = null;
  #dialog = null;
  #turn = 0;
  #deleted = new Map(); // id → where it was
  #back = null; // what had the focus

  constructor(urlOf, send = null) {
    Object.assign(this, { urlOf, send });
    this.compare = new Compare(urlOf);
    pictures.addEventListener("changed", ({ detail }) => this.#changed(detail));
    pictures.addEventListener("restored", ({ detail }) => this.#restored(detail.ids));
  }

  /**
   * Show pictures from number `at` on. `images` is an array or a source (see ArraySource);
   * `chosen(index, image)` is told which one is looked at.
   */
  open(images, at, chosen = () => {}) {
    const source = Array.isArray(images) ? new ArraySource(images) : images;
    if (!source.count) return;
    this.#build();
    this.#source = source;
    this.#deleted.clear();
    this.chosen = chosen;
    this.#back = document.activeElement;
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#go(Math.max(at, 0));
    this.stage.focus({ preventScroll: true });
  }

  /** The list has grown while it is looked at: the job's pictures as they are now. */
  grown(images) {
    if (!this.isOpen || !(this.#source instanceof ArraySource)) return;
    const gone = this.#deleted;
    const own = this.#source.images.some((image) => images.some(({ id }) => id === image.id));
    if (!own) return;
    this.#source.images = images.filter((image) => !gone.has(image.id));
    this.#at = Math.max(0, this.#source.images.findIndex(({ id }) => id === this.#image?.id));
    if (this.#image) this.#caption();
  }

  get isOpen() {
    return Boolean(this.#dialog?.open);
  }

  close() {
    this.#dialog?.close();
  }

  async #go(at) {
    const { count, circular } = this.#source;
    if (!count) {
      this.close();
      return;
    }
    const index = circular ? (at + count) % count : Math.max(0, Math.min(at, count - 1));
    const turn = ++this.#turn;
    const image = this.#source.at(index) ?? (await this.#source.load(index).catch(() => null));
    if (turn !== this.#turn || !image) return;
    this.#at = index;
    this.#show(image);
    if (!this.#dialog.contains(document.activeElement)) this.stage.focus({ preventScroll: true });
    this.chosen(image.index, image, index);
    for (const near of [index + 1, index - 1]) this.#preload(near);
  }

  #preload(index) {
    const known = this.#source.at(index);
    if (known && !known.missing) new Image().src = this.urlOf(known);
    else if (!known && index >= 0 && index < this.#source.count) this.#source.load(index).catch(() => null);
  }

  #show(image) {
    const other = this.#image?.id !== image.id || this.img.hidden;
    this.#image = image;
    if (other) {
      this.img.hidden = Boolean(image.missing);
      if (image.missing) this.img.removeAttribute("src");
      else this.img.src = this.urlOf(image);
      this.zoom.show(image.width, image.height);
    }
    this.gone.hidden = !image.missing;
    this.#caption();
    this.info.show(image);
  }

  #caption() {
    const image = this.#image;
    const { count, circular } = this.#source;
    const values = { number: this.#at + 1, count };
    this.img.alt = text("picture", values);
    const facts = [text("picture_size", image)];
    if (image.seed >= 0) facts.push(text("picture_seed", image));
    if (count > 1) facts.unshift(`${values.number} / ${count}`);
    setText(this.caption, facts.join(" · "));
    this.buttons.previous.hidden = count < 2 || (!circular && this.#at === 0);
    this.buttons.next.hidden = count < 2 || (!circular && this.#at === count - 1);
    this.buttons.compare.hidden = count < 2;
    this.buttons.send.hidden = !this.send;
    const loved = Boolean(image.favourite);
    setAttribute(this.buttons.favourite, "aria-pressed", String(loved));
    label(this.buttons.favourite, text(loved ? "unfavourite_hint" : "favourite_hint"));
    const trashed = Boolean(this.#source.trash);
    this.buttons.delete.hidden = trashed;
    this.buttons.restore.hidden = !trashed;
  }

  async #delete() {
    const [image, at, source] = [this.#image, this.#at, this.#source];
    if (source.trash || !(await remove([image.id]))) return;
    this.#deleted.set(image.id, { image, at });
    await this.#leave(image, at, source);
  }

  async #restore() {
    const [image, at, source] = [this.#image, this.#at, this.#source];
    await restore([image.id]);
    await this.#leave(image, at, source);
  }

  /** A picture left the list: look at what is in its place now. */
  async #leave(image, at, source) {
    await source.removed([image.id]);
    if (this.isOpen && source === this.#source) this.#go(Math.min(at, source.count - 1));
  }

  async #restored(ids) {
    const found = ids.map((id) => this.#deleted.get(id)).find(Boolean);
    if (!found || !this.isOpen) return;
    this.#deleted.delete(found.image.id);
    await this.#source.restored(found.image, found.at);
    this.#go(found.at);
  }

  #changed({ ids, changes }) {
    if (this.#source instanceof ArraySource) {
      this.#source.images = this.#source.images.map((i) => (ids.includes(i.id) ? { ...i, ...changes } : i));
    }
    if (!this.#image || !ids.includes(this.#image.id)) return;
    this.#image = { ...this.#image, ...changes };
    if (this.isOpen) this.#caption();
  }

  #sendMenu() {
    sendMenu(this.buttons.send, this.#image, { send: (what) => this.#send(what), leave: () => this.#leaveFor() });
  }

  /** Close, and let the focus go where the page goes. */
  #leaveFor() {
    this.#back = null;
    this.close();
  }

  async #send(what) {
    const found = await toSend(this.#image, what);
    if (!found) return;
    this.#leaveFor();
    this.send(found);
  }

  async #compare() {
    const { count } = this.#source;
    const other = this.#at + 1 < count ? this.#at + 1 : this.#at - 1;
    const neighbour = await this.#source.load(other).catch(() => null);
    if (neighbour) this.compare.open(this.#image, neighbour);
  }

  #toggleInfo() {
    const open = this.info.toggle();
    setAttribute(this.buttons.info, "aria-pressed", String(open));
  }

  #keys(event) {
    if (event.target !== this.#dialog && event.target.closest("dialog") !== this.#dialog) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      undo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = event.shiftKey && !this.zoom.fits ? this.#panKeys[event.key] : this.#plainKeys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #panKeys = {
    ArrowLeft: () => this.zoom.pan(PAN_PX, 0),
    ArrowRight: () => this.zoom.pan(-PAN_PX, 0),
    ArrowUp: () => this.zoom.pan(0, PAN_PX),
    ArrowDown: () => this.zoom.pan(0, -PAN_PX),
  };

  #plainKeys = {
    arrowleft: () => this.#go(this.#at - 1),
    arrowright: () => this.#go(this.#at + 1),
    home: () => this.#go(0),
    end: () => this.#go(this.#source.count - 1),
    s: () => save(this.#image),
    delete: () => this.#delete(),
    i: () => this.#toggleInfo(),
    z: () => this.zoom.toggle(),
    0: () => this.zoom.fit(),
    "+": () => this.zoom.by(1.5),
    "-": () => this.zoom.by(1 / 1.5),
    f: () => favourite([this.#image.id], !this.#image.favourite),
    c: () => copyPicture(this.#image),
    x: () => this.#compare(),
  };

  #build() {
    if (this.#dialog?.isConnected) return;
    const keys = this.#plainKeys;
    this.buttons = {
      zoom: button("zoom", "zoom", "zoom_hint", keys.z),
      info: button("info", "info", "info_hint", keys.i),
      favourite: button("favourite", "heart", "favourite_hint", keys.f),
      copy: button("copy", "copy", "copy_hint", keys.c),
      compare: button("compare", "compare", "compare_next_hint", keys.x),
      send: button("send", "send", "send_hint", () => this.#sendMenu()),
      save: button("save", "save", "save_hint", keys.s),
      delete: button("delete", "trash", "delete_hint", keys.delete),
      restore: button("restore", "restore", "restore_hint", () => this.#restore()),
      close: button("close", "close", "close_hint", () => this.close()),
      previous: button("previous", "previous", "previous_hint", keys.arrowleft),
      next: button("next", "next", "next_hint", keys.arrowright),
    };
    const { previous, next, ...tools } = this.buttons;
    setAttribute(tools.info, "aria-pressed", "false");
    this.img = make("img", { draggable: false });
    this.gone = make("span", { className: "gone", hidden: true }, icon("broken"), text("picture_gone"));
    this.percent = make("span", { className: "percent", "aria-live": "off" });
    this.stage = make("div", { className: "stage", tabIndex: -1 }, this.img, this.gone);
    this.caption = make("p", { "aria-live": "polite" });
    this.info = new InfoPanel();
    const bar = make("header", {}, this.caption, this.percent, make("div", { className: "tools", role: "toolbar", "aria-label": text("viewer_tools") }, ...Object.values(tools)));
    const middle = make("div", { className: "middle" }, make("div", { className: "view" }, this.stage, previous, next), this.info.element);
    this.#dialog = make("dialog", { id: "easel_large", "aria-label": text("viewer") }, bar, middle);
    this.#dialog.addEventListener("keydown", (event) => this.#keys(event));
    this.#dialog.addEventListener("close", () => this.#closed());
    this.#followZoom();
    document.body.append(this.#dialog);
  }

  #followZoom() {
    this.zoom = new Zoom(this.stage, this.img);
    this.zoom.addEventListener("zoom", ({ detail: { scale, fits } }) => {
      setText(this.percent, fits ? "" : `${Math.round(100 * scale)} %`);
      setAttribute(this.buttons.zoom, "aria-pressed", String(!fits));
    });
    this.zoom.addEventListener("swipe", ({ detail }) => this.#go(this.#at + detail));
    this.zoom.addEventListener("outside", () => this.close());
  }

  #closed() {
    this.#turn += 1;
    this.img.removeAttribute("src");
    this.img.hidden = true;
    this.#image = null;
    if (this.#back?.isConnected) this.#back.focus({ preventScroll: true });
  }
}

function button(name, sign, hint, act) {
  const made = make("button", { type: "button", className: name }, icon(sign));
  label(made, text(hint));
  made.addEventListener("click", act);
  return made;
}

function label(element, words) {
  setAttribute(element, "aria-label", words);
  setAttribute(element, "title", words);
}
