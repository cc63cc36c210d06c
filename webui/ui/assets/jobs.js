// The jobs this browser started: what the server says of them, and which one is shown.
//
// Their ids are in the browser's storage, so a reloaded page and a second tab follow the same jobs.

import { ApiError, ask } from "./api.js";
import { memory } from "./dom.js";

const KEPT_IDS = 20;
const STATES = {
  started: "running",
  progress: "running",
  image: "running",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

export const ended = (job) => ["done", "failed", "cancelled"].includes(job.state);

/** Events: "change" (something is different), "ended" (detail: the job, once, as it happens). */
export class Jobs extends EventTarget {
  #jobs = new Map();
  #previews = new Map(); // job id → {url, image}
  #asking = new Map();

  constructor(link) {
    super();
    link.addEventListener("event", ({ detail }) => this.#happened(detail));
    link.addEventListener("preview", ({ detail }) => this.#previewed(detail));
    link.addEventListener("snapshot", ({ detail }) => this.#catchUp(detail));
    addEventListener("storage", ({ key }) => key === "easel.jobs" && this.#catchUp([]));
  }

  get ids() {
    const kept = memory.get("jobs", []);
    return Array.isArray(kept) ? kept : [];
  }

  /** Remember a job this page has just submitted; of the others, the last and the unfinished. */
  add(job) {
    const others = this.ids.filter((id) => id !== job.id);
    const kept = others.filter((id, i) => i > others.length - KEPT_IDS || this.#isUnfinished(id));
    memory.set("jobs", [...kept, job.id]);
    this.#put(job);
    this.#fetch(job.id); // it may have got on, or ended, before the page knew its id
  }

  /** The job to show: the one being drawn, else the next in line, else the newest. */
  shown() {
    const known = this.ids.map((id) => this.#jobs.get(id)).filter(Boolean);
    return (
      known.find((job) => job.state === "running") ??
      known.find((job) => job.state === "queued") ??
      known.at(-1) ??
      null
    );
  }

  /** How many of this browser's jobs wait. */
  waiting() {
    return this.ids.filter((id) => this.#jobs.get(id)?.state === "queued").length;
  }

  preview(job) {
    return this.#previews.get(job.id) ?? null;
  }

  /** Take over the jobs as the server says they are; ask for those of ours it did not mention. */
  #catchUp(told) {
    const mine = new Set(this.ids);
    for (const job of told) if (mine.delete(job.id)) this.#put(job);
    for (const id of mine) {
      const job = this.#jobs.get(id);
      if (!job || !ended(job)) this.#fetch(id);
    }
  }

  #isUnfinished(id) {
    const job = this.#jobs.get(id);
    return Boolean(job) && !ended(job);
  }

  async #fetch(id) {
    const before = this.#asking.get(id);
    const turn = (before ?? 0) + 1;
    this.#asking.set(id, turn);
    try {
      const job = await ask(`jobs/${encodeURIComponent(id)}`);
      if (this.#asking.get(id) === turn) this.#put(job);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.#forget(id);
    }
  }

  /** Take over what a job is now, however it came to be known that it ended. */
  #put(job) {
    const justEnded = ended(job) && this.#isUnfinished(job.id);
    this.#jobs.set(job.id, job);
    if (ended(job)) this.#dropPreview(job.id);
    this.#changed();
    if (justEnded) this.dispatchEvent(new CustomEvent("ended", { detail: job }));
  }

  #forget(id) {
    this.#jobs.delete(id);
    memory.set("jobs", this.ids.filter((other) => other !== id));
    this.#changed();
  }

  #happened(event) {
    const job = this.#jobs.get(event.job_id);
    if (!job) return;
    const next = { ...job };
    if (event.kind === "queued") Object.assign(next, { state: "queued", position: event.position });
    else if (ended(job)) return;
    else next.state = STATES[event.kind] ?? job.state;
    if (event.progress) next.progress = event.progress;
    if (event.image) next.images = withImage(job.images, event.image);
    if (event.error) next.error = event.error;
    if (event.kind === "done") next.progress = { ...next.progress, fraction: 1 };
    this.#put(next);
    const again = event.kind === "queued" && job.state !== "queued"; // its worker was lost
    if (ended(next) || again) this.#fetch(job.id);
  }

  #previewed({ job_id, image, blob }) {
    const job = this.#jobs.get(job_id);
    if (!job || ended(job)) return;
    this.#dropPreview(job_id);
    this.#previews.set(job_id, { url: URL.createObjectURL(blob), image });
    this.#changed();
  }

  #dropPreview(id) {
    const old = this.#previews.get(id);
    if (!old) return;
    this.#previews.delete(id);
    setTimeout(() => URL.revokeObjectURL(old.url), 2000); // it may still be on the screen
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function withImage(images, image) {
  const others = images.filter((other) => other.index !== image.index);
  return [...others, image].sort((a, b) => a.index - b.index);
}
