// Scripts: one press of Generate draws what X/Y/Z plot, prompt matrix or a list of prompts make of
// the form. What is chosen here goes with the form's values to another address of the API.

import { ask } from "./api.js";
import { byId, make, memory, setAttribute, setText, text, whenPresent } from "./dom.js";
import { ValueList } from "./sweep_values.js";

const PLACES = ["x", "y", "z"];
const COUNT_MS = 400;
const SCRIPTS = ["none", "xyz", "matrix", "lines"];
// The options of each script, as the API names them: [name, kind, choices].
const OPTIONS = {
  xyz: [
    ["legend", "check", true],
    ["different_seeds", "check", false],
  ],
  matrix: [
    ["target", "choice", ["prompt", "negative_prompt"]],
    ["joiner", "choice", ["comma", "space"]],
    ["start", "check", false],
    ["legend", "check", true],
    ["different_seeds", "check", false],
  ],
  lines: [
    ["place", "choice", ["end", "start", "none"]],
    ["iterate_seed", "check", false],
  ],
};

/** The accordion "Script" of a tab's form. */
export class Sweeps {
  #axes = [];
  #timer = null;
  #asking = null;

  constructor(form) {
    this.form = form;
    this.key = `sweep.${form.tab}`;
    const kept = memory.get(this.key, {});
    this.chosen = { ...(kept && typeof kept === "object" ? kept : {}) };
    if (!SCRIPTS.includes(this.chosen.script)) this.chosen.script = "none";
    const usual = form.destination;
    form.destination = (request) => (this.isOn ? ["sweeps", { request, ...this.options() }] : usual(request));
    form.addEventListener("values", () => this.#countSoon());
    form.addEventListener("refused", ({ detail }) => this.#mark(detail));
    whenPresent(`${form.tab}_script_pane`, (pane) => this.#build(pane));
  }

  /** Whether Generate runs a script: the simple view has none. */
  get isOn() {
    return this.chosen.script !== "none" && document.documentElement.dataset.easelView !== "simple";
  }

  /** The chosen script's options, as the API takes them. */
  options() {
    const { script } = this.chosen;
    const found = { script };
    for (const [name, kind, usual] of OPTIONS[script]) {
      found[name] = this.chosen[`${script}.${name}`] ?? (kind === "choice" ? usual[0] : usual);
    }
    if (script === "lines") found.text = this.chosen.text ?? "";
    if (script !== "xyz") return found;
    for (const place of PLACES) {
      const { axis, values = "" } = this.chosen[place] ?? {};
      if (axis) found[place] = { axis, values };
    }
    return found;
  }

  // ---- what is shown

  #build(pane) {
    const select = make("select", { id: `${this.form.tab}_script_list`, "aria-label": text("script") });
    select.append(...SCRIPTS.map((name) => make("option", { value: name, textContent: text(`script_${name}`) })));
    select.value = this.chosen.script;
    select.addEventListener("change", () => this.#choose(select.value));
    this.parts = {
      body: make("div", { className: "easel-script-body" }),
      count: make("p", { id: `${this.form.tab}_sweep_count`, className: "easel-sweep-count", role: "status" }),
      mark: make("span", { className: "easel-changed", hidden: true }),
    };
    pane.replaceChildren(select, this.parts.body, this.parts.count);
    byId(`${this.form.tab}_script`)?.querySelector("button > span")?.after(this.parts.mark);
    this.#choose(this.chosen.script);
  }

  #choose(script) {
    this.#put({ script });
    setText(this.parts.mark, script === "none" ? "" : text(`script_${script}`));
    this.parts.mark.hidden = script === "none";
    this.parts.body.replaceChildren(...this.#controls(script));
    if (script === "xyz") this.#loadAxes();
    this.#countSoon();
  }

  #controls(script) {
    if (script === "none") return [];
    const own = { xyz: () => this.#xyz(), matrix: () => [], lines: () => this.#lines() }[script]();
    const options = OPTIONS[script].map(([name, kind, usual]) => this.#option(`${script}.${name}`, name, kind, usual));
    return [...own, make("div", { className: "easel-script-options" }, ...options)];
  }

  #xyz() {
    const rows = PLACES.map((place) => this.#axisRow(place));
    const swap = make("button", { type: "button", className: "easel-tool", textContent: text("sweep_swap") });
    swap.addEventListener("click", () => {
      this.#put({ x: this.chosen.y, y: this.chosen.x });
      this.#choose("xyz");
    });
    return [...rows, swap];
  }

  #axisRow(place) {
    const label = text("sweep_axis", { place: place.toUpperCase() });
    const select = make("select", { id: `${this.form.tab}_sweep_${place}`, "aria-label": label });
    const values = make("input", { id: `${this.form.tab}_sweep_${place}_values`, type: "text", autocomplete: "off", spellcheck: false, "aria-label": text("sweep_values", { place: place.toUpperCase() }) });
    const all = make("button", { type: "button", className: "easel-tool", textContent: text("sweep_all"), title: text("sweep_all_hint") });
    const kind = () => this.#axes.find(({ name }) => name === select.value);
    const list = new ValueList(values, () => kind()?.values ?? []);
    const show = () => {
      values.placeholder = select.value ? text(`sweep_example_${EXAMPLES[select.value] ?? (kind()?.values ? "list" : "range")}`) : "";
      values.disabled = !select.value;
      all.hidden = !kind()?.values;
    };
    const changed = () => {
      values.removeAttribute("aria-invalid");
      this.#put({ [place]: { axis: select.value, values: values.value } });
      this.#countSoon();
    };
    select.addEventListener("change", () => {
      values.value = "";
      show();
      changed();
    });
    values.addEventListener("input", changed);
    all.addEventListener("click", () => list.fill(kind()?.values ?? []));
    const row = make("div", { className: "easel-axis" }, make("b", { textContent: place.toUpperCase(), "aria-hidden": "true" }), select, values, all);
    row.fillAxes = () => {
      const none = make("option", { value: "", textContent: text("sweep_nothing") });
      select.replaceChildren(none, ...this.#axes.map(({ name, label: shown }) => make("option", { value: name, textContent: this.form.fields[name]?.label ?? text(`axis_${name}`) ?? shown })));
      const { axis = "", values: given = "" } = this.chosen[place] ?? {};
      select.value = this.#axes.some(({ name }) => name === axis) ? axis : "";
      values.value = select.value ? given : "";
      show();
    };
    return row;
  }

  async #loadAxes() {
    try {
      if (!this.#axes.length) this.#axes = (await ask("sweeps/axes")).axes;
    } catch (error) {
      setText(this.parts.count, error.message);
    }
    for (const row of this.parts.body.querySelectorAll(".easel-axis")) row.fillAxes();
    this.#countSoon();
  }

  #lines() {
    const area = make("textarea", { id: `${this.form.tab}_sweep_text`, rows: 5, value: this.chosen.text ?? "", placeholder: text("sweep_lines_hint"), "aria-label": text("sweep_lines") });
    const put = () => {
      this.#put({ text: area.value });
      this.#countSoon();
    };
    area.addEventListener("input", put);
    const file = make("input", { type: "file", accept: ".txt,text/plain", "aria-label": text("sweep_file") });
    file.addEventListener("change", async () => {
      if (!file.files[0]) return;
      area.value = await file.files[0].text();
      put();
    });
    return [area, make("label", { className: "easel-script-file" }, make("span", { textContent: text("sweep_file") }), file)];
  }

  #option(key, name, kind, usual) {
    const label = make("span", { textContent: text(`sweep_${name}`) });
    if (kind === "check") {
      const box = make("input", { type: "checkbox", checked: this.chosen[key] ?? usual });
      box.addEventListener("change", () => this.#put({ [key]: box.checked }));
      return make("label", {}, box, label);
    }
    const select = make("select", {}, ...usual.map((value) => make("option", { value, textContent: text(`sweep_${name}_${value}`) })));
    select.value = this.chosen[key] ?? usual[0];
    select.addEventListener("change", () => {
      this.#put({ [key]: select.value });
      this.#countSoon();
    });
    return make("label", {}, label, select);
  }

  #put(changes) {
    Object.assign(this.chosen, changes);
    memory.set(this.key, this.chosen);
  }

  // ---- how many pictures that would be

  #countSoon() {
    clearTimeout(this.#timer);
    if (!this.parts) return;
    if (!this.isOn) setText(this.parts.count, "");
    else this.#timer = setTimeout(() => this.#count(), COUNT_MS);
  }

  async #count() {
    if (!this.isOn || !this.form.values) return;
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    let line = "";
    let wrong = null;
    try {
      const request = this.form.prepare(this.form.values);
      const { pictures, switches } = await ask("sweeps/plan", { body: { request, ...this.options() }, signal: asking.signal });
      line = text(pictures === 1 ? "sweep_one_picture" : "sweep_pictures", { count: pictures });
      if (switches) line += text(switches === 1 ? "sweep_one_switch" : "sweep_switches", { count: switches });
    } catch (error) {
      [line, wrong] = [error.message, error];
    }
    if (asking.signal.aborted) return;
    this.parts.count.classList.toggle("wrong", Boolean(wrong));
    setText(this.parts.count, line);
    this.#mark(wrong);
  }

  /** Mark the values at fault. */
  #mark(error) {
    for (const place of PLACES) {
      const input = byId(`${this.form.tab}_sweep_${place}_values`);
      if (!input) continue;
      const wrong = error?.field === place && Boolean(input.value);
      if (wrong) setAttribute(input, "aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }
}

/** What kind of example an axis shows where its values are typed; others show a list or a range. */
const EXAMPLES = { prompt_sr: "words", prompt_order: "words", prompt: "words", negative_prompt: "words", size: "size", lora_weight: "range" };
