// The result pane: what the shown job is doing, its preview, its pictures and what they were made with.

import { byId, duration, fillTexts, make, setAttribute, setText, text, whenPresent } from "./dom.js";
import { ended, kindOf, percentOf } from "./jobs.js";
import { favourite, remove, sendMenu } from "./library_actions.js";
import { copyPicture, copyText, deleted, fileName, pictureUrl } from "./picture.js";
import { Stage } from "./stage.js";

const MOST_PLACEHOLDERS = 24;
const PROMPTS = ["prompt", "negative_prompt"];

export { pictureUrl };

export class Results {
  #selected = null; // index of the chosen picture, null to follow the job
  #job = null;
  #stopping = null; // "interrupting" or "skipping", until the job moves on

  /** One pane for all `tabs` with a form: the one that is open has it. */
  constructor(tabs, jobs, viewer) {
    Object.assign(this, { tabs, jobs, viewer, stage: new Stage(() => this.#soon()) });
    jobs.addEventListener("change", () => this.#soon());
    addEventListener("storage", ({ key }) => key === "easel.deleted" && this.#soon());
    whenPresent("easel_results_title", () => this.#attach());
    for (const tab of tabs) {
      for (const name of ["interrupt", "skip"]) whenPresent(`${tab}_${name}`, () => this.#soon());
    }
  }

  /** The pictures of the shown job that were not deleted. */
  get images() {
    return (this.#job?.images ?? []).filter((image) => !deleted.has(image));
  }

  /** The picture that is chosen or was finished last. */
  get picture() {
    const images = this.images;
    return images.find((image) => image.index === this.#selected) ?? images.at(-1) ?? null;
  }

  /** Choose a picture of the shown job by its index. */
  select(index) {
    this.#selected = index;
    this.#soon();
  }

  /** Say that a stop was asked for, until the job has ended or gone on. */
  stopping(what) {
    this.#stopping = { what, image: this.#job?.progress?.image };
    this.#soon();
  }

  #attach() {
    fillTexts(byId("easel_results"));
    const acts = {
      easel_picture: () => this.#enlarge(),
      easel_use_seed: () => this.onReuse?.({ seed: this.picture.seed }),
      easel_reuse_all: () => this.#reuse(),
      easel_reuse_prompt: () => this.#reuse(PROMPTS),
      easel_copy: () => copyText(this.picture.infotext),
      easel_copy_picture: () => copyPicture(this.picture),
      easel_favourite: () => favourite([this.picture.id], !this.picture.favourite),
      easel_upscale: () => this.#upscale(),
      easel_send: () => sendMenu(byId("easel_send"), this.picture),
      easel_delete: () => this.#remove(),
      easel_again: () => this.onAgain?.(this.#job),
    };
    for (const [id, act] of Object.entries(acts)) byId(id).addEventListener("click", act);
    const hints = { use_seed: "use_seed_hint", reuse_all: "reuse_all_hint", reuse_prompt: "reuse_prompt_hint" };
    for (const [id, hint] of Object.entries(hints)) setAttribute(byId(`easel_${id}`), "title", text(hint));
    byId("txt2img_gallery").addEventListener("keydown", (event) => this.#arrow(event));
    this.#soon();
  }

  #enlarge() {
    const images = this.images;
    this.viewer.open(images, images.indexOf(this.picture), (index) => this.select(index));
  }

  /** The request that draws the shown picture, and no other. */
  async #request() {
    const picture = this.picture;
    const { request, cells } = await this.jobs.whole(this.#job.id);
    return { ...request, ...cells?.[picture.index], seed: picture.seed, batch_count: 1, batch_size: 1 };
  }

  /** Draw the picture once more, with a second pass. */
  async #upscale() {
    const known = Object.entries(await this.#request()).filter(([, value]) => value !== null);
    this.onUpscale?.(Object.fromEntries(known));
  }

  /** Put what the picture was made with into the form: everything, or some fields. */
  async #reuse(only = null) {
    const all = await this.#request();
    const chosen = Object.entries(all).filter(([name]) => !only || only.includes(name));
    this.onReuse?.(Object.fromEntries(chosen));
  }

  async #remove() {
    const { picture, images } = this;
    const next = images[images.indexOf(picture) + 1];
    if (!(await remove([picture.id]))) return;
    this.#selected = next?.index ?? null;
    this.#soon();
  }

  #soon() {
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(() => {
      this.scheduled = false;
      this.#draw();
    }, 16);
  }

  #draw() {
    const job = this.jobs.shown();
    if (job?.id !== this.#job?.id) {
      this.#selected = null;
      this.#stopping = null;
    }
    this.#job = job;
    if (job) this.jobs.wantWhole(job);
    if (!job || ended(job) || job.progress?.image !== this.#stopping?.image) this.#stopping = null;
    this.#drawButtons(job);
    this.viewer.grown(this.images);
    if (!byId("easel_results_title")) return;
    this.#drawStatus(job);
    const preview = job && !ended(job) && this.#selected === null ? this.jobs.preview(job) : null;
    this.stage.draw({ job, preview, picture: this.picture, headline: headline(job) });
    this.#drawThumbnails(job);
    this.#drawCaption(job);
  }

  #drawButtons(job) {
    const active = Boolean(job) && !ended(job);
    for (const tab of this.tabs) {
      const [interrupt, skip] = [byId(`${tab}_interrupt`), byId(`${tab}_skip`)];
      if (interrupt) interrupt.disabled = !active || this.#stopping?.what === "interrupting";
      if (skip) skip.disabled = !active || job.state !== "running" || Boolean(this.#stopping);
    }
    setAttribute(document.documentElement, "data-easel-state", job?.state ?? "idle");
  }

  #drawStatus(job) {
    const line = this.#stopping ? text(this.#stopping.what) : headline(job);
    setText(byId("easel_state"), line);
    setAttribute(byId("easel_state"), "title", line);
    setText(byId("easel_detail"), details(job, this.jobs.waiting()));
    const percent = job ? percentOf(job) : 0;
    const bar = byId("easel_progress");
    setAttribute(bar, "aria-valuenow", String(percent));
    bar.classList.toggle("busy", job?.state === "running" && percent === 0);
    bar.firstElementChild.style.width = `${percent}%`;
  }

  #drawThumbnails(job) {
    const shelf = byId("txt2img_gallery");
    const images = this.images;
    const active = Boolean(job) && !ended(job);
    const expected = active ? Math.min(job.progress?.images ?? 0, MOST_PLACEHOLDERS) : 0;
    const count = Math.max(expected, (images.at(-1)?.index ?? -1) + 1);
    const wanted = count > 1 ? range(count, images, active) : [];
    const keys = wanted.map(({ image, index }) => (image ? `${job.id}/${image.id}` : `${job.id}#${index}`));
    const old = new Map([...shelf.children].map((node) => [node.dataset.key, node]));
    const nodes = wanted.map((slot, i) => old.get(keys[i]) ?? this.#thumbnail(slot, keys[i], count));
    if (nodes.some((node, i) => shelf.children[i] !== node) || shelf.children.length !== nodes.length) {
      shelf.replaceChildren(...nodes);
    }
    const chosen = this.#selected ?? (job && ended(job) ? this.picture?.index : null);
    for (const node of nodes) setAttribute(node, "aria-pressed", String(Number(node.dataset.index) === chosen));
  }

  #thumbnail({ image, index }, key, count) {
    const number = index + 1;
    const node = make("button", { type: "button", disabled: !image });
    Object.assign(node.dataset, { key, index });
    setAttribute(node, "aria-label", text(image ? "picture" : "pending_picture", { number, count }));
    if (!image) return node;
    const img = make("img", { alt: "", loading: "lazy", decoding: "async", src: pictureUrl(image) });
    img.addEventListener("error", () => node.classList.add("gone"));
    node.append(img);
    node.addEventListener("click", () => this.select(index));
    return node;
  }

  #arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const here = event.target.closest("button");
    if (!step || !here) return;
    event.preventDefault();
    const ready = [...here.parentElement.querySelectorAll("button:not(:disabled)")];
    const next = ready[ready.indexOf(here) + step];
    if (!next) return;
    next.focus();
    this.select(Number(next.dataset.index));
  }

  #drawCaption(job) {
    const picture = this.picture;
    byId("easel_caption").classList.toggle("empty", !picture);
    setText(byId("easel_infotext"), picture?.infotext ?? job?.prompt ?? "");
    if (!picture) return;
    const request = job?.request;
    const isDrawn = !request || kindOf(request) !== "upscale";
    for (const id of ["easel_reuse_all", "easel_use_seed", "easel_reuse_prompt"]) byId(id).hidden = !isDrawn;
    byId("easel_upscale").hidden = !request || kindOf(request) !== "txt2img" || Boolean(request.hires);
    const link = byId("easel_download");
    setAttribute(link, "href", `${pictureUrl(picture)}?download=true`);
    setAttribute(link, "download", fileName(picture));
    setAttribute(byId("easel_favourite"), "aria-pressed", String(Boolean(picture.favourite)));
  }
}

function headline(job) {
  if (!job) return text("idle");
  if (job.state === "queued") {
    const position = job.position ?? 0;
    return position > 0 ? text("queued_at", { position: position + 1 }) : text("queued_next");
  }
  if (job.state === "running") {
    return job.progress?.step ? text("running") : job.progress?.phase || text("starting");
  }
  const count = job.images.length;
  if (job.state === "failed") return text(count ? "failed" : "failed_title", { message: job.error?.message ?? "" });
  if (job.state === "cancelled") return text(count ? "cancelled_kept" : "cancelled", { count });
  if (!job.finished || !job.started) return text("done");
  const seconds = duration(job.finished - job.started);
  return text(count === 1 ? "done_one" : "done_many", { count, seconds });
}

function details(job, waiting) {
  const parts = [];
  const p = job?.state === "running" ? job.progress : null;
  if (p?.steps) {
    if (p.images > 1) parts.push(text("image_of", { image: Math.min(p.image + 1, p.images), images: p.images }));
    parts.push(text("step", { step: p.step, steps: p.steps }));
    if (p.seconds_per_step) parts.push(speed(p.seconds_per_step));
    if (p.seconds_left) parts.push(text("left", { seconds: duration(p.seconds_left) }));
  }
  const others = waiting - (job?.state === "queued" ? 1 : 0);
  if (others > 0) parts.push(text("more_jobs", { count: others }));
  return parts.join(" · ");
}

function speed(secondsPerStep) {
  if (secondsPerStep > 1) return text("slow_speed", { speed: secondsPerStep.toFixed(1) });
  const rate = 1 / secondsPerStep;
  return text("speed", { speed: rate < 10 ? rate.toFixed(1) : Math.round(rate) });
}

function range(count, images, pending) {
  const byIndex = new Map(images.map((image) => [image.index, image]));
  const slots = Array.from({ length: count }, (_, index) => ({ index, image: byIndex.get(index) }));
  return pending ? slots : slots.filter((slot) => slot.image);
}
