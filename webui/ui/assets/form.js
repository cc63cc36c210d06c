// The form's values: sent to the API, filled in from pictures, remembered between visits.
//
// Gradio owns the controls. Its events call the methods of `Form` with the values by field name;
// the other way, values are put down here and a hidden button's event carries them to the controls.

import { ask } from "./api.js";
import { byId, forms, memory, setAttribute, text, whenPresent } from "./dom.js";
import { toast } from "./toasts.js";

const KEEP = { __type__: "update" }; // what tells Gradio to leave a control as it is

export class Form {
  #options = null;
  #native = null; // the size that was filled in for the chosen checkpoint
  #pending = {};
  #sending = false;

  constructor(tab, jobs) {
    this.tab = tab;
    this.jobs = jobs;
    this.fields = forms[tab];
    for (const [name, { id, help }] of Object.entries(this.fields)) {
      whenPresent(id, (element) => {
        setAttribute(element, "title", help);
        element.addEventListener("input", () => this.#mark(name, null));
      });
    }
    for (const [button, hint] of BUTTON_HINTS) {
      whenPresent(`${tab}_${button}`, (element) => setAttribute(element, "title", text(hint)));
    }
  }

  /** Post the form; the answer is a job that is followed from then on. */
  async submit(values) {
    if (this.#sending) return;
    this.#sending = true;
    this.#unmark();
    document.documentElement.dataset.easelSending = "";
    try {
      memory.set(`form.${this.tab}`, values);
      const { job } = await ask(this.tab, { body: clean(values) });
      this.jobs.add(job);
    } catch (error) {
      toast(error.message);
      if (error.field) this.#mark(error.field, error.message);
    } finally {
      this.#sending = false;
      delete document.documentElement.dataset.easelSending;
    }
  }

  /** At the start: what was in the form last time, and today's checkpoints. */
  async restored() {
    const { checkpoint: remembered, ...others } = memory.get(`form.${this.tab}`, {});
    if (!(await this.#load())) return Object.keys(this.fields).map((name) => others[name] ?? KEEP);
    const names = this.#options.checkpoints.map((c) => c.name);
    if (!names.length) toast(text("no_checkpoint"));
    const checkpoint = names.includes(remembered) ? remembered : (this.#options.default ?? names[0] ?? null);
    this.#native = this.#nativeOf(checkpoint);
    const size = others.width && others.height ? {} : { width: this.#native, height: this.#native };
    const values = { ...others, ...size };
    return Object.keys(this.fields).map((name) => {
      if (name === "checkpoint") return { ...KEEP, choices: names.map((n) => [n, n]), value: checkpoint };
      return values[name] ?? KEEP;
    });
  }

  /** The chosen checkpoint's native size, unless the size is one that somebody typed. */
  async nativeSize({ checkpoint, width, height }) {
    if (!(await this.#load())) return [KEEP, KEEP];
    const native = this.#nativeOf(checkpoint);
    const untouched = width === this.#native && height === this.#native;
    this.#native = native ?? this.#native;
    return native && (untouched || !width || !height) ? [native, native] : [KEEP, KEEP];
  }

  /** Put values into the form by field name. */
  set(values) {
    this.#pending = { ...this.#pending, ...values };
    byId(`${this.tab}_apply`)?.click();
  }

  /** What `set` has put down, in the order of the fields. */
  applied() {
    const values = this.#pending;
    this.#pending = {};
    return Object.keys(this.fields).map((name) => values[name] ?? KEEP);
  }

  /** Mark the field at fault, or clear its mark with null. */
  #mark(name, message) {
    const element = byId(this.fields[name]?.id);
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
  ["res_switch_btn", "swap_size_hint"],
];

/** An emptied control means the field's default. */
function clean(values) {
  return Object.fromEntries(Object.entries(values).filter(([, v]) => v !== null && v !== undefined));
}
