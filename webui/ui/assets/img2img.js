// The picture that image to image starts from, and its mask. Both are sent to the server when they
// are put in; what is remembered, and what goes into the request, are the ids it gave them.

import { address, ask } from "./api.js";
import { byId, fillTexts, make, memory, setAttribute, setText, text, whenPresent } from "./dom.js";
import { fitting, sizeFor } from "./form_size.js";
import { takeChosen, takePictures } from "./intake.js";
import { Painter } from "./painter.js";
import { followKeys } from "./painter_keys.js";
import { PainterZoom } from "./painter_zoom.js";
import { toast } from "./toasts.js";

const MODES = ["img2img", "inpaint", "upload"];
const MOST_BYTES = 64 * 1024 * 1024;
const PATIENCE_MS = 120000;
const SAVE_MS = 700;
const KEY = "start";
const BRUSHES = [0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50]; // sizes that keys choose
// A picture of more than so many times the checkpoint's native area is drawn smaller, unless asked for.
const LARGE = 2.25;

export class StartPicture {
  #picture = null; // {id, width, height}
  #painted = null; // id of the painted mask
  #given = null; // {id, width, height} of a mask that came as a picture
  #mode = "img2img";
  #filled = null; // the size that was filled in for a picture
  #unsaved = false;
  #saving = Promise.resolve();
  #putting = null; // the picture that is being put in
  #timer = null;
  #dressed = () => {};

  constructor(form) {
    this.form = form;
    this.ready = new Promise((resolve) => (this.#dressed = resolve));
    form.prepareWith((request) => ({ ...request, ...this.asked() }));
    form.awaitBefore(() => this.#putting);
    form.awaitBefore(() => this.#save());
    form.addEventListener("refused", ({ detail }) => this.#complain(["init_image", "mask"].includes(detail.field)));
    whenPresent("img2img_start", (element) => this.#dress(element));
    whenPresent(`${form.tab}_detect_image_size_btn`, (button) => {
      setAttribute(button, "aria-label", text("fit_size_hint"));
      button.addEventListener("click", () => this.#fit(true));
    });
  }

  /** What the request says of the pictures. */
  asked() {
    if (!this.#picture) return {};
    const mask = { img2img: null, inpaint: this.#painted, upload: this.#given?.id }[this.#mode];
    return { init_image: this.#picture.id, ...(mask ? { mask } : {}) };
  }

  /** "img2img", "inpaint" (the mask is painted) or "upload" (it is a picture). */
  set mode(mode) {
    this.#mode = mode;
    this.#remember();
    this.ready.then(() => this.#show());
  }

  /** Start from a picture's file; `exact`: at its size, whatever the form's is. */
  put(file, { exact = false } = {}) {
    return (this.#putting = this.#put(file, exact));
  }

  async #put(file, exact) {
    await this.ready;
    const picture = await this.#try(() => this.#send(file));
    if (!picture) return;
    await this.#start(picture);
    await this.#fit(exact, true);
  }

  /** Start from what a request started from: pictures that the server has. */
  async take({ init_image: id, mask }) {
    await this.ready;
    await this.#load({ picture: { id }, painted: mask, mode: mask ? "inpaint" : "img2img" });
  }

  // ---- pictures

  async #send(file) {
    if (file.size > MOST_BYTES) throw new Error(text("start_too_large"));
    const body = file.slice(0, file.size, "application/octet-stream");
    return (await ask("inputs", { body, patience: PATIENCE_MS })).input;
  }

  async #try(act) {
    const box = byId("img2img_start");
    box?.setAttribute("aria-busy", "true");
    try {
      return await act();
    } catch (error) {
      toast(error.message);
      return null;
    } finally {
      box?.removeAttribute("aria-busy");
    }
  }

  /** Show a picture, without a mask. */
  async #start(picture) {
    this.#picture = picture;
    this.#painted = this.#given = null;
    this.#unsaved = false;
    clearTimeout(this.#timer);
    if (picture) this.painter.reset(picture);
    this.zoom.fit();
    this.#complain(false);
    this.#remember();
    this.#show();
  }

  /** Show pictures that the server was given earlier; those that it has no more are forgotten. */
  async #load({ picture, painted, given, mode, filled }) {
    const [shown, mask, other] = await Promise.all([picture?.id, painted, given?.id].map(fetched));
    if (shown) {
      await this.#start({ id: picture.id, width: shown.width, height: shown.height });
      if (mask) this.painter.load(mask);
      this.#painted = mask ? painted : null;
      this.#given = other ? { id: given.id, width: other.width, height: other.height } : null;
    }
    this.#filled = filled ?? null;
    this.mode = MODES.includes(mode) ? mode : "img2img";
  }

  #remember() {
    const [picture, painted, given] = [this.#picture, this.#painted, this.#given];
    memory.set(KEY, { picture, painted, given, mode: this.#mode, filled: this.#filled });
  }

  /** Give the form the picture's size; of itself only where nobody has chosen another. */
  async #fit(exact, itself = false) {
    if (!this.#picture) return toast(text("start_none"), "note");
    const { width, height } = await this.form.read();
    const native = this.form.native ?? 512;
    const isFilled = width === this.#filled?.width && height === this.#filled?.height;
    const untouched = !width || !height || (width === native && height === native) || isFilled;
    if (itself && !exact && !untouched) return;
    const { width: across, height: down } = this.#picture;
    const isLarge = across * down > LARGE * native * native;
    const [w, h] = isLarge && !exact ? sizeFor([across, down], native) : fitting([across, down]);
    this.#filled = { width: w, height: h };
    this.#remember();
    this.form.set(this.#filled);
  }

  // ---- the mask

  #painting() {
    this.#unsaved = true;
    this.#show();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save().catch(() => {}), SAVE_MS); // said on submission
  }

  /** Send what was painted since it was sent last. */
  #save() {
    clearTimeout(this.#timer);
    this.#saving = this.#saving.catch(() => {}).then(async () => {
      if (!this.#unsaved) return;
      this.#unsaved = false;
      const of = this.#picture;
      try {
        const mask = await this.painter.mask();
        const id = mask && (await this.#send(mask)).id;
        if (of !== this.#picture) return;
        this.#painted = id;
        this.#remember();
      } catch (error) {
        this.#unsaved = true;
        throw error;
      }
    });
    return this.#saving;
  }

  async #putMask(file) {
    const given = await this.#try(() => this.#send(file));
    if (!given) return;
    this.#given = given;
    this.#remember();
    this.#show();
  }

  // ---- what is shown

  #dress(element) {
    fillTexts(element);
    const canvas = make("canvas", { id: "img2img_mask", tabIndex: -1, "aria-label": text("paint_canvas"), role: "img" });
    const frame = byId("img2maskimg");
    const layer = frame.querySelector(".easel-start-layer");
    layer.append(canvas);
    this.painter = new Painter(canvas, frame.querySelector(".easel-brush"));
    this.painter.addEventListener("change", () => this.#painting());
    this.zoom = new PainterZoom(frame, layer);
    this.zoom.addEventListener("grab", () => this.painter.cancel());
    this.zoom.addEventListener("zoom", () => {
      this.painter.showBrush();
      this.#showBrush();
    });
    this.parts = {
      element,
      frame,
      image: frame.querySelector("img"),
      brush: byId("img2img_brush"),
      mask: byId("img_inpaint_mask"),
    };
    this.parts.image.alt = text("start_title");
    this.#wire(element);
    this.#dressed();
    const kept = memory.get(KEY, {});
    this.#show();
    if (kept && typeof kept === "object") this.#load(kept);
  }

  #wire(element) {
    const { painter, zoom } = this;
    const [file, maskFile] = [byId("img2img_file"), byId("img2img_mask_file")];
    const acts = {
      choose: () => file.click(),
      replace: () => file.click(),
      remove: () => this.#start(null),
      chooseMask: () => maskFile.click(),
      removeMask: () => {
        this.#given = null;
        this.#remember();
      },
      brush: () => (painter.erasing = false),
      eraser: () => (painter.erasing = true),
      undo: () => painter.undo(),
      redo: () => painter.redo(),
      clear: () => painter.clear(),
      zoomIn: () => zoom.step(1),
      zoomOut: () => zoom.step(-1),
      zoomFit: () => zoom.fit(),
    };
    element.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.dataset.act) acts[button.dataset.act]();
      if (button?.dataset.mode) this.mode = button.dataset.mode;
      if (button) this.#show();
    });
    const size = element.querySelector(".easel-brush-size input");
    size.addEventListener("input", () => (painter.size = Number(size.value)));
    const resize = (sizes, isNext) => {
      painter.size = sizes.find(isNext) ?? painter.size;
      painter.showBrush();
      this.#showBrush();
    };
    followKeys(element, this.parts.frame, {
      isOn: () => painter.on,
      hold: (held) => (zoom.holding = held),
      acts: {
        ...acts,
        zoomIn: () => zoom.step(1, painter.pointer),
        zoomOut: () => zoom.step(-1, painter.pointer),
        smaller: () => resize(BRUSHES.toReversed(), (one) => one < painter.size),
        larger: () => resize(BRUSHES, (one) => one > painter.size),
      },
    });
    takeChosen(maskFile, ([mask]) => this.#putMask(mask));
    takePictures(element, {
      input: file,
      take: ([picture], target) => {
        const isMask = this.#mode === "upload" && this.parts.mask.contains(target);
        return isMask ? this.#putMask(picture) : this.put(picture);
      },
    });
  }

  #show() {
    if (!this.painter) return;
    const { element, frame, image, brush, mask } = this.parts;
    const picture = this.#picture;
    setAttribute(element, "data-mode", this.#mode);
    byId(`${this.form.tab}_settings`)?.classList.toggle("easel-inpaint", this.#mode !== "img2img");
    for (const button of element.querySelectorAll(".easel-modes button")) {
      setAttribute(button, "aria-pressed", String(button.dataset.mode === this.#mode));
    }
    byId("img2img_image").hidden = Boolean(picture);
    frame.hidden = !picture;
    for (const bar of element.querySelectorAll(".easel-start-bar")) bar.hidden = !picture;
    if (picture) {
      image.src = urlOf(picture.id);
      frame.style.setProperty("--ratio", (picture.width / picture.height).toFixed(5));
    } else image.removeAttribute("src");
    setText(byId("img2img_start_size"), picture ? text("picture_size", picture) : "");
    this.painter.on = this.zoom.on = Boolean(picture) && this.#mode === "inpaint";
    brush.hidden = !this.painter.on;
    mask.hidden = !picture || this.#mode !== "upload";
    this.#showBrush();
    this.#showMask(mask);
  }

  #showBrush() {
    const { painter, zoom } = this;
    const bar = this.parts.brush;
    const button = (act) => bar.querySelector(`[data-act="${act}"]`);
    setAttribute(button("brush"), "aria-pressed", String(!painter.erasing));
    setAttribute(button("eraser"), "aria-pressed", String(painter.erasing));
    button("undo").disabled = !painter.canUndo;
    button("redo").disabled = !painter.canRedo;
    button("clear").disabled = !painter.isTouched;
    button("zoomOut").disabled = button("zoomFit").disabled = zoom.fits;
    bar.querySelector("input").value = painter.size;
  }

  #showMask(bar) {
    const [given, image] = [this.#given, bar.querySelector("img")];
    image.hidden = !given;
    if (given) image.src = urlOf(given.id);
    setText(byId("img2img_mask_state"), given ? text("picture_size", given) : text("mask_none"));
    bar.querySelector('[data-act="removeMask"]').hidden = !given;
  }

  #complain(wrong) {
    byId("img2img_start")?.classList.toggle("easel-start-wrong", wrong);
    if (wrong) byId("img2img_start")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}

const urlOf = (id) => address(`inputs/${encodeURIComponent(id)}`).href;

/** A picture that the server was given, ready to be drawn; null when it has it no more. */
async function fetched(id) {
  if (typeof id !== "string" || !id) return null;
  try {
    return await createImageBitmap(await ask(`inputs/${encodeURIComponent(id)}`, { patience: PATIENCE_MS, fresh: true }));
  } catch {
    return null;
  }
}
