// The form's values: sent to the API, filled in from pictures, remembered between visits.
//
// Gradio owns the controls. Its events call the methods of `Form` with the values by field name;
// the other way, values are put down here and a hidden button's event carries them to the controls.
// The same event tells what is in the controls, whenever somebody has changed one.

import { ask } from "./api.js";
import { byId, forms, memory, phrase, setAttribute, text, whenPresent } from "./dom.js";
import { toast } from "./toasts.js";

const KEEP = { __type__: "update" }; // what tells Gradio to leave a control as it is
const SETTLE_MS = 200;

/**
 * Events: "values" (detail: what is in the form now), "submitted" (detail: {values, job}) and
 * "refused" (detail: the error).
 */
export class Form extends EventTarget {
  #options = null;
  #native = null; // the size that was filled in for the chosen checkpoint
  #pending = {};
  #readers = [];
  #steps = [];
  #awaited = [];
  #sending = false;
  #timer = null;
  #typed = new Map(); // field → when somebody last typed into it, in milliseconds

  values = null; // as they were last seen
  firstPrompt = () => ""; // what a first visitor finds in the prompt
  destination = (request) => [this.tab, request]; // where in the API a request goes, and as what

  constructor(tab, jobs) {
    super();
    this.tab = tab;
    this.jobs = jobs;
    this.fields = forms[tab];
    for (const [name, { id, help }] of Object.entries(this.fields)) {
      whenPresent(id, (element) => {
        setAttribute(element, "title", help);
        element.addEventListener("input", () => {
          this.#typed.set(name, performance.now());
          this.#mark(name, null);
        });
      });
    }
    for (const [button, hint] of BUTTON_HINTS) {
      whenPresent(`${tab}_${button}`, (element) => setAttribute(element, "title", text(hint)));
    }
    whenPresent(`tab_${tab}`, (element) => this.#watch(element));
    addEventListener("pagehide", () => this.#rememberTexts());
  }

  /** The element of a field's control, once it is there. */
  element(name) {
    return byId(this.fields[name]?.id);
  }

  /** The chosen checkpoint's native side in pixels, if known. */
  get native() {
    return this.#native;
  }

  /** Let `change(request)` return another request whenever one is submitted, in the order added. */
  prepareWith(change) {
    this.#steps.push(change);
  }

  /** Wait for `ready()` whenever a request is submitted, before it is prepared. */
  awaitBefore(ready) {
    this.#awaited.push(ready);
  }

  /** The values as they would be posted. */
  prepare(values) {
    return this.#steps.reduce((request, change) => change(request), clean(values));
  }

  /** Post the form; the answer is a job that is followed from then on. */
  async submit(values) {
    if (this.#sending) return;
    this.#sending = true;
    this.#unmark();
    document.documentElement.dataset.easelSending = "";
    try {
      this.#took(values);
      for (const ready of this.#awaited) await ready();
      const [path, body] = this.destination(this.prepare(values));
      const { job } = await ask(path, { body });
      this.jobs.add(job);
      this.#tell("submitted", { values, job });
    } catch (error) {
      toast(error.message);
      if (error.field) this.#mark(error.field, error.message);
      this.#tell("refused", error);
    } finally {
      this.#sending = false;
      delete document.documentElement.dataset.easelSending;
    }
  }

  /** At the start: what was in the form last time, and today's checkpoints and other files. */
  async restored() {
    const { checkpoint: remembered, ...others } = await this.#remembered();
    if (!(await this.#load())) return Object.keys(this.fields).map((name) => this.#unlessTyped(name, others[name]));
    const names = this.#options.checkpoints.map((c) => c.name);
    if (!names.length) toast(text("no_checkpoint"));
    const checkpoint = names.includes(remembered) ? remembered : (this.#options.default ?? names[0] ?? null);
    this.#native = this.#nativeOf(checkpoint);
    const size = others.width && others.height ? {} : { width: this.#native, height: this.#native };
    const values = { ...others, ...size };
    this.#settle();
    return Object.entries(this.fields).map(([name, field]) => {
      if (name === "checkpoint") return { ...KEEP, choices: names.map((n) => [n, n]), value: checkpoint };
      return field.files ? this.#listed(name, field, values[name]) : this.#unlessTyped(name, values[name]);
    });
  }

  /** What a field chooses from as it is today; a file that is no more is not chosen. */
  #listed(name, { files, default: usual }, wanted) {
    const names = this.#options[files];
    const value = names.includes(wanted) ? wanted : usual;
    return { ...KEEP, choices: names.map((n) => [phrase(n), n]), ...(this.#typed.has(name) ? {} : { value }) };
  }

  /** The chosen checkpoint's native size, unless the size is one that somebody typed. */
  async nativeSize({ checkpoint, width, height }) {
    const asked = performance.now();
    if (!(await this.#load())) return [KEEP, KEEP];
    const native = this.#nativeOf(checkpoint);
    const untouched = width === this.#native && height === this.#native;
    this.#native = native ?? this.#native;
    this.#settle();
    const side = untouched || !width || !height ? native : null;
    return ["width", "height"].map((name) => this.#unlessTyped(name, side, asked));
  }

  /** `value`, unless somebody has typed into the field since: nobody's typing is written over. */
  #unlessTyped(name, value, since = 0) {
    const typed = this.#typed.get(name) >= since;
    return typed ? KEEP : (value ?? KEEP);
  }

  /** Put values into the form by field name; what the form has no control for is left out. */
  set(values) {
    const own = Object.entries(values).filter(([name]) => name in this.fields);
    this.#pending = { ...this.#pending, ...Object.fromEntries(own) };
    byId(`${this.tab}_apply`)?.click();
  }

  /** What is in the form at this moment. */
  read() {
    return new Promise((resolve) => {
      this.#readers.push(resolve);
      this.set({});
    });
  }

  /** What `set` has put down, in the order of the fields; `values` are what is in the controls. */
  collected(values) {
    const put = this.#pending;
    this.#pending = {};
    this.#took({ ...values, ...put });
    for (const tell of this.#readers.splice(0)) tell(this.values);
    const kept = (name) => put[name] === undefined || (put[name] === null && !this.fields[name].empty);
    return Object.keys(this.fields).map((name) => (kept(name) ? KEEP : put[name]));
  }

  #took(values) {
    this.values = values;
    memory.set(`form.${this.tab}`, values);
    this.#tell("values", values);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Learn, a moment after anything was touched, what is in the form then. */
  #watch(element) {
    const relay = `#${this.tab}_apply`;
    for (const kind of ["input", "change", "click", "focusout", "keyup"]) {
      element.addEventListener(kind, ({ target }) => {
        if (!target.closest?.(relay)) this.#settle();
      });
    }
  }

  #settle() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.set({}), SETTLE_MS);
  }

  /** A page that is left at once still keeps what was typed last. */
  #rememberTexts() {
    if (!this.values) return;
    const typed = ["prompt", "negative_prompt"]
      .map((name) => [name, this.element(name)?.querySelector("textarea")?.value])
      .filter(([, value]) => value !== undefined);
    memory.set(`form.${this.tab}`, { ...this.values, ...Object.fromEntries(typed) });
  }

  /** What the form begins with: what was in it, else the defaults saved on the server. */
  async #remembered() {
    const kept = memory.get(`form.${this.tab}`, null);
    if (kept && typeof kept === "object") return kept;
    const prompt = this.firstPrompt();
    const saved = await ask("defaults").catch(() => ({}));
    return { ...(prompt ? { prompt } : {}), ...saved[this.tab] };
  }

  /** Mark the field at fault, or clear its mark with null. */
  #mark(name, message) {
    const element = this.element(name);
    if (!element) return;
    element.classList.toggle("easel-wrong", message !== null);
    for (const input of element.querySelectorAll("input, textarea")) {
      if (message === null) input.removeAttribute("aria-invalid");
      else input.setAttribute("aria-invalid", "true");
    }
    if (message !== null) element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  #unmark() {
    for (const name of Object.keys(this.fields)) this.#mark(name, null);
  }

  /** Ask what there is, once; false, and a sentence, when the server does not say. */
  async #load() {
    try {
      this.#options ??= await ask("options");
    } catch (error) {
      toast(error.message);
    }
    return this.#options !== null;
  }

  #nativeOf(checkpoint) {
    return this.#options.checkpoints.find((c) => c.name === checkpoint)?.native_size ?? null;
  }
}

const BUTTON_HINTS = [
  ["generate", "generate_hint"],
  ["interrupt", "interrupt_hint"],
  ["skip", "skip_hint"],
  ["random_seed", "random_seed_hint"],
  ["reuse_seed", "reuse_seed_hint"],
  ["random_subseed", "random_seed_hint"],
  ["reuse_subseed", "reuse_variation_hint"],
  ["res_switch_btn", "swap_size_hint"],
  ["detect_image_size_btn", "fit_size_hint"],
];

/** Whether values use what is shown under "Extra"; undefined where they say nothing of it. */
export function usesExtra({ variation_strength: strength, seed_resize_width: width }) {
  if (strength === undefined && width === undefined) return undefined;
  return strength > 0 || width > 0;
}

/** An emptied control means the field's default. */
function clean(values) {
  return Object.fromEntries(Object.entries(values).filter(([, v]) => v !== null && v !== undefined));
}
