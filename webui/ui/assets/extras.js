// The Extras tab: pictures go to the server, a job enlarges them, and what it made is shown beside what it began with.

import { address, ask } from "./api.js";
import { byId, fillTexts, make, memory, phrase, setAttribute, setText, text, whenPresent } from "./dom.js";
import { ownPicture, takePictures } from "./intake.js";
import { ended, percentOf } from "./jobs.js";
import { openTab } from "./library_actions.js";
import { pictureUrl } from "./picture.js";
import { toast } from "./toasts.js";

const MOST_PICTURES = 100;
const MOST_BYTES = 64 * 1024 * 1024;
const FEW = 8; // pictures that are loaded before they are scrolled to
const PATIENCE_MS = 120000;
const LANCZOS = "Lanczos";
const NONE = "None";

let tab = null;

/** Open the Extras tab with one more picture: its address on this server, or its file. */
export function sendToExtras(picture) {
  openTab("extras");
  return tab?.add([picture]);
}

export class Extras {
  #pictures = []; // {file, url, id: its promise once it is being sent}
  #job = null; // the job that is shown
  #ended = null; // id of the job whose end was told last
  #busy = false; // between the button and the job
  #drawn = ""; // the pictures that the result list shows

  constructor(jobs, viewer) {
    Object.assign(this, { jobs, viewer });
    tab = this;
    whenPresent("easel_extras", (element) => this.#dress(element));
    whenPresent("easel_extras_upscaler", () => this.#askUpscalers());
    jobs.addEventListener("change", () => this.#follow());
    jobs.addEventListener("ended", ({ detail }) => {
      this.#ended = detail.id;
    });
    this.#resume(memory.get("extras_job", null));
  }

  /** Take up pictures: files, or addresses on this server. */
  async add(given) {
    for (const one of given) {
      try {
        const file = one instanceof Blob ? one : await ownPicture(new URL(one, document.baseURI).href);
        if (file.size > MOST_BYTES) throw new Error(text("extras_too_large"));
        if (this.#pictures.length >= MOST_PICTURES) throw new Error(text("extras_too_many", { most: MOST_PICTURES }));
        this.#pictures.push({ file, url: URL.createObjectURL(file), id: null });
      } catch (error) {
        toast(error.message);
      }
    }
    this.#drawPictures();
  }

  get #form() {
    return byId("easel_extras_form");
  }

  #dress(element) {
    fillTexts(element);
    const form = this.#form;
    const file = byId("easel_extras_file");
    byId("easel_extras_choose").addEventListener("click", () => file.click());
    byId("easel_extras_clear").addEventListener("click", () => this.#drop([...this.#pictures]));
    byId("easel_extras_stop").addEventListener("click", () => this.#stop());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    form.addEventListener("change", () => this.#chooseMode());
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    takePictures(element, { input: file, take: (files) => this.add(files), marked: byId("easel_extras_drop") });
    this.#fill(memory.get("extras", {}));
    this.#drawn = "";
    this.#drawPictures();
    this.#draw();
  }

  // ---- the form

  async #askUpscalers() {
    try {
      const { upscalers, problems } = await ask("upscalers");
      const kept = memory.get("extras", {});
      const best = upscalers.find((one) => one.model)?.name ?? LANCZOS;
      const names = upscalers.map((one) => one.name);
      choose(byId("easel_extras_upscaler"), names, [kept.upscaler, best]);
      choose(byId("easel_extras_upscaler_2"), names, [kept.upscaler_2, NONE]);
      const box = byId("easel_extras_problems");
      box.replaceChildren(...problems.map(({ message }) => make("p", { textContent: message })));
      box.hidden = !problems.length;
    } catch (error) {
      toast(error.message);
    }
  }

  /** What the form says, by the request's names; a field of the other mode is left out. */
  #values() {
    const values = { upscaler: this.#form.upscaler.value, upscaler_2: this.#form.upscaler_2.value };
    const names = this.#mode === "by" ? ["scale", "max_side"] : ["width", "height"];
    for (const name of [...names, "visibility"]) values[name] = this.#form[name].valueAsNumber;
    if (this.#mode === "to") values.crop = this.#form.crop.checked;
    return values;
  }

  #fill({ mode, ...values }) {
    const form = this.#form;
    if (mode) form.mode.value = mode;
    for (const [name, value] of Object.entries(values)) {
      const field = form.elements[name];
      if (field?.type === "checkbox") field.checked = value === true;
      else if (field?.type === "number" && Number.isFinite(value)) field.value = value;
    }
    this.#chooseMode();
  }

  get #mode() {
    return this.#form.mode.value;
  }

  #chooseMode() {
    for (const part of this.#form.querySelectorAll("[data-mode]")) {
      part.hidden = part.dataset.mode !== this.#mode;
      for (const field of part.querySelectorAll("input")) field.disabled = part.hidden;
    }
  }

  // ---- the pictures

  #drop(pictures) {
    for (const { url } of pictures) URL.revokeObjectURL(url);
    this.#pictures = this.#pictures.filter((one) => !pictures.includes(one));
    this.#drawPictures();
    byId("easel_extras_choose").focus();
  }

  #drawPictures() {
    const list = byId("easel_extras_pictures");
    if (!list) return;
    const rows = this.#pictures.map((one, index) => {
      const label = text("extras_remove", { number: index + 1 });
      const button = make("button", { type: "button", title: label, "aria-label": label, textContent: "×" });
      button.addEventListener("click", () => this.#drop([one]));
      return make("li", {}, make("img", { src: one.url, alt: one.file.name ?? "" }), button);
    });
    list.replaceChildren(...rows);
    byId("easel_extras_clear").hidden = !rows.length;
  }

  /** The id of a picture on the server; it is sent once, and again when that failed. */
  #sent(one) {
    const body = one.file.slice(0, one.file.size, "application/octet-stream");
    one.id ??= ask("inputs", { body, patience: PATIENCE_MS }).then(({ input }) => input.id);
    return one.id.catch((error) => {
      one.id = null;
      throw error;
    });
  }

  // ---- the job

  async #start() {
    if (this.#busy || !this.#form.reportValidity()) return;
    if (!this.#pictures.length) return toast(text("extras_no_picture"), "note");
    this.#busy = true;
    this.#draw();
    try {
      const values = this.#values();
      memory.set("extras", { ...memory.get("extras", {}), ...values, mode: this.#mode });
      const images = [];
      for (const one of this.#pictures) images.push(await this.#sent(one));
      await this.#submit({ ...values, images });
    } catch (error) {
      toast(error.message);
    } finally {
      this.#busy = false;
      this.#draw();
    }
  }

  async #submit(body) {
    try {
      const { job } = await ask("upscale", { body });
      await this.#resume(job.id);
      const { id, state, error } = this.#job;
      // One that failed at once ended before the page knew it, which is told by nobody else.
      if (state === "failed" && this.#ended !== id) toast(error?.message ?? text("failed_title"));
    } catch (error) {
      if (error.status === 404 && error.field === "images") for (const one of this.#pictures) one.id = null;
      throw error; // a picture that is not kept any more is sent again with the next try
    }
  }

  /** Show a job, from now on. */
  async #resume(id) {
    if (!id) return;
    try {
      this.jobs.keepApart(id);
      this.#job = await this.jobs.whole(id);
      memory.set("extras_job", id);
    } catch (error) {
      if (error.status === 404) memory.set("extras_job", null);
    }
    this.#draw();
  }

  #follow() {
    const known = this.#job && this.jobs.list().find((job) => job.id === this.#job.id);
    if (!known || known === this.#job) return;
    this.#job = { ...this.#job, ...known, request: this.#job.request };
    this.#draw();
  }

  async #stop() {
    try {
      const action = this.#job.state === "queued" ? "cancel" : "interrupt";
      await ask(`jobs/${encodeURIComponent(this.#job.id)}/${action}`, { body: {} });
    } catch (error) {
      if (error.status !== 409) toast(error.message); // 409: it has just ended by itself
    }
  }

  #draw() {
    if (!byId("easel_extras_state")) return;
    const job = this.#job;
    const running = Boolean(job) && !ended(job);
    byId("easel_extras_start").disabled = this.#busy;
    byId("easel_extras_stop").hidden = !running;
    const bar = byId("easel_extras_progress");
    bar.hidden = !running;
    if (running) bar.value = percentOf(job);
    setText(byId("easel_extras_state"), this.#busy ? text("extras_sending") : headline(job));
    this.#drawResults(job);
  }

  #drawResults(job) {
    const images = job?.images ?? [];
    const drawn = [job?.id, ...images.map((image) => image.id)].join(" ");
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    byId("easel_extras_results").replaceChildren(...images.map((image) => this.#result(job, image)));
  }

  #result(job, image) {
    const loading = job.images.length > FEW ? "lazy" : "eager";
    const picture = make("img", { loading, src: pictureUrl(image), alt: text("extras_result", image) });
    const show = make("button", { type: "button", className: "show", "aria-label": text("extras_show", image) }, picture);
    show.addEventListener("click", () => this.viewer.open(this.#job.images, this.#job.images.indexOf(image), () => {}));
    const compare = make("button", { type: "button", className: "lib-button", textContent: text("extras_compare") });
    compare.addEventListener("click", () => this.viewer.compare.open(before(job, image), image));
    const size = make("span", { textContent: `${image.width} × ${image.height}` });
    return make("li", {}, show, make("div", { className: "facts" }, size, compare));
  }
}

/** The picture that another was made of, as the comparison wants it. */
function before(job, image) {
  const id = job.request.images[image.index];
  const [width, height] = job.request.sizes[image.index];
  return { url: address(`inputs/${id}`).href, seed: -1, width, height, infotext: "" };
}

/** Put names into a list; of `wanted` the first that is among them is chosen. */
function choose(select, names, wanted) {
  select.replaceChildren(...names.map((name) => make("option", { value: name, textContent: phrase(name) })));
  select.value = wanted.find((name) => names.includes(name)) ?? names[0];
  setAttribute(select, "data-ready", "");
}

/** What the job is doing, or what came of it. */
function headline(job) {
  if (!job) return text("extras_empty");
  if (job.state === "queued") return text("extras_waiting");
  if (job.state === "failed") return job.error?.message ?? text("failed_title");
  if (job.state === "cancelled") return text("extras_stopped", { count: job.images.length });
  if (job.state === "done") return text("extras_done", { count: job.images.length });
  const { image, images, step, steps, phase } = job.progress;
  if (!steps) return phase || text("extras_running", { image: 1, images: job.request.images.length, step: 0, steps: 0 });
  return text("extras_running", { image: image + 1, images, step, steps });
}
