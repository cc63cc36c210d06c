// The caller's jobs as the server says they are, and which of them this browser shows.
//
// The list is the server's: every page of the same user has the same. The ids of the jobs that this
// browser started or watches are in its storage, so a reloaded page and a second tab show the same
// one; a browser that never started any takes up what its user is drawing elsewhere.

import { ApiError, ask } from "./api.js";
import { memory } from "./dom.js";

const KEPT_IDS = 20;
const KEPT_ENDED = 30;
const STATES = {
  started: "running",
  progress: "running",
  image: "running",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

export const ended = (job) => ["done", "failed", "cancelled"].includes(job.state);

/** The address of the API that a request belongs to; tabs with a form are called the same. */
export function kindOf(request) {
  if ("init_image" in request) return "img2img";
  return "prompt" in request ? "txt2img" : "upscale";
}

/** How far a job is, in whole percent. */
export const percentOf = (job) => Math.round(100 * (job.progress?.fraction ?? 0));

/** Events: "change" (something is different), "ended" (detail: the job, once, as it happens). */
export class Jobs extends EventTarget {
  caller = null; // {user, is_admin}, once the server has said who asks
  #watched = null; // id of the job that was picked from the list, until another is submitted
  #jobs = new Map();
  #previews = new Map(); // job id → {url, image}
  #asking = new Map();
  #looking = new Set(); // ids of jobs whose request is being asked for
  #apart = new Set(); // ids of jobs that are shown elsewhere
  #told = new Set(); // ids of jobs whose end was told

  constructor(link) {
    super();
    link.addEventListener("event", ({ detail }) => this.#happened(detail));
    link.addEventListener("preview", ({ detail }) => this.#previewed(detail));
    link.addEventListener("snapshot", ({ detail }) => this.#catchUp(detail));
    addEventListener("storage", ({ key }) => {
      if (key !== "easel.jobs") return;
      this.#catchUp(null);
      this.#changed(); // another page's job may have come, and ended, before its id did
    });
  }

  get ids() {
    const kept = memory.get("jobs", []);
    return Array.isArray(kept) ? kept : [];
  }

  /** Take over a job this page has just submitted, and show it. */
  add(job) {
    this.#watched = null;
    this.#remember(job.id);
    this.#put(job, true);
    this.#fetch(job.id); // it may have got on, or ended, before the page knew its id
  }

  /** Show a job of the list, wherever it was started. */
  watch(id) {
    this.#watched = id;
    this.#remember(id);
    this.#fetch(id);
    this.#changed();
  }

  /** The job to show: the picked one, else the one being drawn, the next in line, the newest. */
  shown() {
    const known = this.ids.map((id) => this.#jobs.get(id)).filter(Boolean);
    return (
      known.find((job) => job.id === this.#watched) ??
      known.find((job) => job.state === "running") ??
      known.filter((job) => job.state === "queued").sort(byPlace)[0] ??
      known.at(-1) ??
      null
    );
  }

  /** A job has a place of its own on the page: it is not shown here unless somebody asks for it. */
  keepApart(id) {
    this.#apart.add(id);
    if (this.#watched !== id) memory.set("jobs", this.ids.filter((other) => other !== id));
    this.#changed();
  }

  /** How many of this browser's jobs wait. */
  waiting() {
    return this.ids.filter((id) => this.#jobs.get(id)?.state === "queued").length;
  }

  /** Every known job: what is drawn, then what waits in its order, then what ended, newest first. */
  list() {
    const all = [...this.#jobs.values()];
    return [
      ...all.filter((job) => job.state === "running"),
      ...all.filter((job) => job.state === "queued").sort(byPlace),
      ...all.filter(ended).sort((a, b) => (b.finished ?? b.created) - (a.finished ?? a.created)),
    ];
  }

  /** Whether a job is the caller's own; an administrator sees others' too. */
  isOwn(job) {
    return !this.caller || job.owner === this.caller.user || this.ids.includes(job.id);
  }

  /** A job with its request, which lists leave out. */
  async whole(id) {
    const known = this.#jobs.get(id);
    if (known?.request) return known;
    const job = await ask(`jobs/${encodeURIComponent(id)}`);
    this.#put(job);
    return job;
  }

  /** Ask for the job's request in the background; "change" says when it is there. */
  wantWhole(job) {
    if (job.request || this.#looking.has(job.id)) return;
    this.#looking.add(job.id);
    this.whole(job.id)
      .catch(() => {}) // asked for again when the page is connected again
      .finally(() => this.#looking.delete(job.id));
  }

  preview(job) {
    return this.#previews.get(job.id) ?? null;
  }

  /** Take over some jobs as the server has just listed them. */
  renew(jobs) {
    for (const job of jobs) this.#take(job);
  }

  /** A picture was changed (marked, say): `changes` go into every job that has it. */
  updateImage(id, changes) {
    for (const job of this.#jobs.values()) {
      if (!job.images.some((image) => image.id === id)) continue;
      const images = job.images.map((image) => (image.id === id ? { ...image, ...changes } : image));
      this.#jobs.set(job.id, { ...job, images });
    }
    this.#changed();
  }

  #remember(id) {
    const others = this.ids.filter((other) => other !== id);
    const kept = others.filter((other, i) => i > others.length - KEPT_IDS || this.#isUnfinished(other));
    memory.set("jobs", [...kept, id]);
  }

  /** Take over the jobs as the server says they are; ask for those of ours it did not mention. */
  #catchUp(told) {
    const missing = new Set(this.ids);
    if (told) for (const [id, job] of this.#jobs) if (!ended(job)) missing.add(id);
    for (const job of told ?? []) {
      missing.delete(job.id);
      this.#take(job);
    }
    for (const id of missing) {
      const job = this.#jobs.get(id);
      if (!job || !ended(job)) this.#fetch(id);
    }
  }

  /** A job as lists have it, without its request; one that nobody shows yet may be taken up. */
  #take(job) {
    const mine = !this.caller || job.owner === this.caller.user;
    if (!this.ids.length && !ended(job) && mine && !this.#apart.has(job.id)) this.#remember(job.id);
    this.#put(job);
  }

  #isUnfinished(id) {
    const job = this.#jobs.get(id);
    return Boolean(job) && !ended(job);
  }

  async #fetch(id) {
    const turn = (this.#asking.get(id) ?? 0) + 1;
    this.#asking.set(id, turn);
    try {
      const job = await ask(`jobs/${encodeURIComponent(id)}`);
      if (this.#asking.get(id) === turn) this.#take(job);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.#forget(id);
    }
  }

  /** Take over what a job is now, however it came to be known that it ended; `fresh`: that it is at all. */
  #put(job, fresh = false) {
    const justEnded = ended(job) && (fresh || this.#isUnfinished(job.id)) && !this.#told.has(job.id);
    const { request, cells, sweep } = this.#jobs.get(job.id) ?? {}; // which lists leave out
    this.#jobs.set(job.id, { request, cells, sweep, ...job });
    if (ended(job)) {
      this.#dropPreview(job.id);
      this.#tidy();
    }
    this.#changed();
    if (!justEnded) return;
    this.#told.add(job.id);
    this.dispatchEvent(new CustomEvent("ended", { detail: job }));
  }

  #tidy() {
    const kept = new Set(this.ids);
    const old = this.list().filter((job) => ended(job) && !kept.has(job.id));
    for (const job of old.slice(KEPT_ENDED)) this.#jobs.delete(job.id);
  }

  #forget(id) {
    this.#jobs.delete(id);
    if (this.ids.includes(id)) memory.set("jobs", this.ids.filter((other) => other !== id));
    this.#changed();
  }

  #happened(event) {
    const job = this.#jobs.get(event.job_id);
    if (!job) {
      if (!this.#asking.has(event.job_id)) this.#fetch(event.job_id);
      return;
    }
    const next = { ...job };
    if (event.kind === "queued") Object.assign(next, { state: "queued", position: event.position });
    else if (ended(job)) return;
    else next.state = STATES[event.kind] ?? job.state;
    if (event.kind === "started") next.started = event.time;
    if (ended(next)) next.finished = event.time;
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

const byPlace = (a, b) => (a.position ?? 1e9) - (b.position ?? 1e9) || a.created - b.created;

function withImage(images, image) {
  const others = images.filter((other) => other.index !== image.index);
  return [...others, image].sort((a, b) => a.index - b.index);
}
