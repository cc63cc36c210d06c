// The queue as a list in a drawer: what is drawn, what waits, what ended. Every page of a user shows
// the same; an administrator sees everybody's jobs and may change their order, by dragging the
// handle or with the arrow keys on it.

import { ask } from "./api.js";
import { byId, duration, make, setAttribute, setText, text, whenPresent } from "./dom.js";
import { ended, kindOf, percentOf } from "./jobs.js";
import { whenDone } from "./notify.js";
import { deleted, pictureUrl } from "./picture.js";
import { Dragging } from "./drag.js";
import { toast } from "./toasts.js";

const MOST_THUMBNAILS = 4;
const ICONS = {
  queue_again: "M19 12a7 7 0 1 1-2.1-5M19 4v4h-4",
  queue_new_seed: "M5 5h14v14H5zM9 9h.01M15 15h.01M15 9h.01M9 15h.01",
  queue_cancel: "M6 6l12 12M18 6L6 18",
};

export class Queue {
  #rows = new Map(); // job id → its row
  #drawer = null;
  #shownKey = "";

  constructor(jobs, link) {
    Object.assign(this, { jobs, link });
    jobs.addEventListener("change", () => this.#soon());
    whenPresent("easel_queue_open", (chip) => {
      chip.addEventListener("click", () => this.toggle());
      this.#soon();
    });
  }

  get isOpen() {
    return Boolean(this.#drawer) && !this.#drawer.hidden;
  }

  /** Open the drawer, or close it and go back to where the focus was. */
  toggle(open = !this.isOpen) {
    this.#drawer ??= this.#build();
    if (open) this.back = document.activeElement;
    this.#drawer.hidden = !open;
    document.documentElement.toggleAttribute("data-easel-queue", open);
    setAttribute(byId("easel_queue_open"), "aria-expanded", String(open));
    this.link.everyone = open && Boolean(this.jobs.caller?.is_admin);
    this.#draw();
    if (open) this.#drawer.querySelector("h2").focus();
    else this.back?.focus?.();
  }

  /** Draw what a job asked for once more; `seed` -1 takes a new one. */
  async again(job, seed = null) {
    try {
      const { request, sweep } = await this.jobs.whole(job.id);
      const isSame = seed === null || (sweep && seed !== -1); // a script's pictures have their own
      const body = given(isSame || kindOf(request) === "upscale" ? request : { ...request, seed });
      await (sweep ? this.submit("sweeps", { request: body, ...sweep }) : this.submit(kindOf(request), body));
    } catch (error) {
      toast(error.message);
    }
  }

  /** Post a request to an address of the API, and follow its job. */
  async submit(path, body) {
    const { job } = await ask(path, { body });
    this.jobs.add(job);
    if (this.isOpen) toast(text("queue_submitted"), "note");
  }

  #soon() {
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(() => {
      this.scheduled = false;
      this.#draw();
    }, 60);
  }

  #draw() {
    const list = this.jobs.list();
    this.#drawChip(list.filter((job) => !ended(job) && this.jobs.isOwn(job)).length);
    if (!this.isOpen || this.dragging?.active) return;
    const active = list.filter((job) => !ended(job));
    this.#fill(byId("easel_queue_active"), active);
    this.#fill(byId("easel_queue_ended"), list.filter(ended));
    byId("easel_queue_none").hidden = active.length > 0;
    const kept = new Set(list.map((job) => job.id));
    for (const id of this.#rows.keys()) if (!kept.has(id)) this.#rows.delete(id);
  }

  #drawChip(count) {
    const chip = byId("easel_queue_open");
    if (!chip) return;
    const line = count ? text("queue_chip", { count }) : text("queue");
    setText(chip.querySelector("span"), line);
    const label = count ? text("queue_open", { count }) : text("queue");
    setAttribute(chip, "title", label);
    setAttribute(chip, "data-count", String(count));
  }

  #build() {
    const title = make("h2", { id: "easel_queue_title", textContent: text("queue"), tabIndex: -1 });
    const close = make("button", { type: "button", className: "close", textContent: "×", "aria-label": text("close") });
    close.addEventListener("click", () => this.toggle(false));
    const none = make(
      "div",
      { id: "easel_queue_none" },
      make("strong", { textContent: text("queue_empty_title") }),
      make("span", { textContent: text("queue_empty_body") }),
    );
    const drawer = make(
      "aside",
      { id: "easel_queue", role: "dialog", "aria-labelledby": "easel_queue_title", hidden: true },
      make("header", {}, title, close),
      make("div", { className: "scroll" }, ...section("queue_active", "easel_queue_active"), none, ...section("queue_ended", "easel_queue_ended")),
      make("p", { id: "easel_queue_said", className: "easel-sr", role: "status" }),
      whenDone(),
    );
    drawer.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle(false));
    document.body.append(drawer);
    this.dragging = new Dragging(drawer.querySelector("#easel_queue_active"), (id, place) => this.#move(id, place));
    return drawer;
  }

  #fill(shelf, jobs) {
    const rows = jobs.map((job) => this.#row(job));
    if (rows.some((row, i) => shelf.children[i] !== row) || shelf.children.length !== rows.length) {
      const focused = document.activeElement;
      shelf.replaceChildren(...rows);
      if (focused !== document.activeElement && focused?.isConnected) focused.focus();
    }
    shelf.previousElementSibling.hidden = !jobs.length;
  }

  #row(job) {
    const kind = ended(job) ? "ended" : job.state;
    let row = this.#rows.get(job.id);
    if (row?.dataset.kind !== kind) {
      row = this.#makeRow(job, kind);
      this.#rows.set(job.id, row);
    }
    const prompt = job.summary || text("queue_no_prompt");
    setText(row.querySelector(".prompt"), prompt);
    setText(row.querySelector(".facts"), this.#facts(job));
    setAttribute(row, "aria-current", String(this.jobs.shown()?.id === job.id));
    row.style.setProperty("--done", job.state === "running" ? `${percentOf(job)}%` : "0%");
    drawThumbnails(row.querySelector(".thumbs"), job, this.jobs.preview(job));
    return row;
  }

  #makeRow(job, kind) {
    const prompt = job.summary || text("queue_no_prompt");
    const show = make(
      "button",
      { type: "button", className: "show", "aria-label": text("queue_show", { prompt: prompt.slice(0, 80) }) },
      make("span", { className: "thumbs" }),
      make("span", { className: "words" }, make("span", { className: "prompt" }), make("span", { className: "facts" })),
    );
    show.addEventListener("click", () => this.#show(job.id));
    const acts = kind === "ended" ? ["queue_again", "queue_new_seed"] : ["queue_cancel"];
    const buttons = acts.map((name) => this.#button(name, job.id));
    const row = make("li", {}, show, make("span", { className: "acts" }, ...buttons));
    Object.assign(row.dataset, { kind, id: job.id });
    if (kind === "queued" && this.jobs.caller?.is_admin) row.prepend(this.#handle(job.id, prompt));
    return row;
  }

  #show(id) {
    this.jobs.watch(id);
    if (matchMedia("(max-width: 860px)").matches) this.toggle(false);
  }

  #button(name, id) {
    const button = make("button", { type: "button", title: text(name), "aria-label": text(name) }, icon(ICONS[name]));
    button.addEventListener("click", () => this.#act(name, this.jobs.list().find((job) => job.id === id)));
    return button;
  }

  #act(name, job) {
    if (!job) return;
    if (name === "queue_again") this.again(job, job.images[0]?.seed ?? null);
    else if (name === "queue_new_seed") this.again(job, -1);
    else this.#cancel(job);
  }

  async #cancel(job) {
    const action = job.state === "queued" ? "cancel" : "interrupt";
    try {
      await ask(`jobs/${encodeURIComponent(job.id)}/${action}`, { body: {} });
    } catch (error) {
      if (error.status !== 409) toast(error.message); // 409: it has just ended by itself
    }
  }

  #handle(id, prompt) {
    const label = text("queue_handle", { prompt: prompt.slice(0, 60) });
    const handle = make("button", { type: "button", className: "handle", "aria-label": label, title: text("queue_handle", { prompt: "↑ ↓" }) }, icon("M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01"));
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const waiting = this.#waiting();
      const place = waiting.findIndex((job) => job.id === id) + step;
      if (place >= 0 && place < waiting.length) this.#move(id, place);
    });
    return handle;
  }

  #waiting() {
    return this.jobs.list().filter((job) => job.state === "queued");
  }

  /** Bring a waiting job to a place; what the others' places are then, the server says. */
  async #move(id, position) {
    if (position === null) return this.#draw();
    try {
      await ask(`jobs/${encodeURIComponent(id)}/move`, { body: { position } });
      const { jobs } = await ask("jobs?state=queued&limit=500");
      this.jobs.renew(jobs);
      const values = { position: position + 1, count: jobs.length };
      setText(byId("easel_queue_said"), text("queue_moved", values));
    } catch (error) {
      if (error.status !== 409) toast(error.message);
    }
    return this.#draw();
  }

  #facts(job) {
    const parts = [stateOf(job)];
    if (!this.jobs.isOwn(job)) parts.push(text("queue_of", { owner: job.owner }));
    return parts.join(" · ");
  }
}

function section(title, id) {
  return [make("h3", { textContent: text(title), hidden: true }), make("ol", { id })];
}

function stateOf(job) {
  if (job.state === "running") return text("queue_drawing", { percent: percentOf(job) });
  if (job.state === "queued") {
    return job.position ? text("queue_place", { position: job.position + 1 }) : text("queue_next");
  }
  const count = job.images.length;
  const pictures = count === 1 ? text("queue_one_picture") : text("queue_pictures", { count });
  if (job.state === "failed") return job.error?.message ?? text("queue_failed");
  if (job.state === "cancelled") return count ? `${text("queue_cancelled")}, ${pictures}` : text("queue_cancelled");
  if (!job.finished || !job.started) return pictures;
  return text("queue_seconds", { what: pictures, seconds: duration(job.finished - job.started) });
}

function drawThumbnails(shelf, job, preview) {
  const images = job.images.filter((image) => !deleted.has(image)).slice(-MOST_THUMBNAILS);
  const urls = preview && !ended(job) ? [preview.url] : images.map(pictureUrl);
  const key = urls.join(" ");
  if (shelf.dataset.key === key) return;
  shelf.dataset.key = key;
  const pictures = urls.map((src) => make("img", { src, alt: "", decoding: "async" }));
  for (const picture of pictures) picture.addEventListener("error", () => picture.remove());
  shelf.replaceChildren(...pictures);
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  setAttribute(svg, "viewBox", "0 0 24 24");
  setAttribute(svg, "aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  setAttribute(line, "d", path);
  svg.append(line);
  return svg;
}

/** What was given of a request: what was left open stays open, and the server fills it in again. */
function given(request) {
  const filled = kindOf(request) === "upscale" ? ["sizes", "tile", "overlap"] : [];
  return Object.fromEntries(Object.entries(request).filter(([name, value]) => value !== null && !filled.includes(name)));
}
