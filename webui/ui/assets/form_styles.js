// Styles: chosen ones are added to the prompts on submission; a dialog chooses and changes them.

import { ask } from "./api.js";
import { byId, make, memory, setAttribute, setText, text, whenPresent } from "./dom.js";
import { namesChanged } from "./prompt_complete.js";
import { merged } from "./prompt_edit.js";
import { toast } from "./toasts.js";

/** The styles there are, and the names of the chosen ones in the order they were chosen. */
export class Styles {
  #all = [];
  #chosen = [];
  #dialog = null;

  constructor(form, jobs) {
    Object.assign(this, { form, jobs, key: `styles.${form.tab}` });
    const kept = memory.get(this.key, []);
    this.#chosen = Array.isArray(kept) ? kept.filter((name) => typeof name === "string") : [];
    form.prepareWith((request) => this.applied(request));
    whenPresent(`${form.tab}_styles`, () => {
      byId(`${form.tab}_styles`).addEventListener("click", () => this.open());
      byId(`${form.tab}_style_apply`).addEventListener("click", () => this.#intoPrompt());
      this.#draw();
    });
    if (this.#chosen.length) this.load();
  }

  get chosen() {
    return [...this.#chosen];
  }

  /** Add a style to the chosen ones. */
  choose(name) {
    if (!this.#chosen.includes(name)) this.set([...this.#chosen, name]);
    this.load();
  }

  /** Choose exactly these. */
  set(names) {
    this.#chosen = [...names];
    memory.set(this.key, this.#chosen);
    this.#draw();
    this.form.set({}); // tokens are counted with them
  }

  /** A request with the chosen styles written into its prompts. */
  applied(request) {
    const byName = new Map(this.#all.map((style) => [style.name, style]));
    const styles = this.#chosen.map((name) => byName.get(name)).filter(Boolean);
    return styles.reduce(
      (now, style) => ({
        ...now,
        prompt: merged(now.prompt ?? "", style.prompt),
        negative_prompt: merged(now.negative_prompt ?? "", style.negative_prompt),
      }),
      request,
    );
  }

  /** Ask the server for the styles; chosen ones that are gone are no longer chosen. */
  async load() {
    try {
      this.#took((await ask("styles")).styles);
    } catch (error) {
      toast(error.message);
    }
  }

  async open() {
    await this.load();
    this.#dialog ??= this.#makeDialog();
    this.#list();
    this.#edit(null);
    this.#dialog.showModal();
  }

  #took(styles) {
    this.#all = styles;
    const there = new Set(styles.map((style) => style.name));
    const left = this.#chosen.filter((name) => there.has(name));
    if (left.length !== this.#chosen.length) this.set(left);
    else this.form.set({});
  }

  /** Write the chosen styles into the prompt boxes, where they can be changed. */
  async #intoPrompt() {
    const { prompt, negative_prompt } = this.applied(await this.form.read());
    this.form.set({ prompt, negative_prompt });
    this.set([]);
  }

  #draw() {
    const shelf = byId(`${this.form.tab}_style_chips`);
    if (!shelf) return;
    shelf.replaceChildren(...this.#chosen.map((name) => this.#chip(name)));
    byId(`${this.form.tab}_style_apply`).hidden = !this.#chosen.length;
  }

  #chip(name) {
    const chip = make("button", { type: "button", className: "easel-chip-button", title: text("style_remove", { name }) });
    setAttribute(chip, "aria-label", text("style_remove", { name }));
    chip.append(make("span", { textContent: name }), make("span", { textContent: "×", "aria-hidden": "true" }));
    chip.addEventListener("click", () => this.set(this.#chosen.filter((other) => other !== name)));
    return chip;
  }

  // ---- the dialog

  #makeDialog() {
    const dialog = make("dialog", { id: `${this.form.tab}_styles_dialog`, className: "easel-dialog", "aria-labelledby": `${this.form.tab}_styles_title` });
    const title = make("h2", { id: `${this.form.tab}_styles_title`, textContent: text("styles") });
    const close = make("button", { type: "button", className: "easel-close", textContent: "×", "aria-label": text("close") });
    close.addEventListener("click", () => dialog.close());
    const search = make("input", { type: "search", placeholder: text("style_search"), "aria-label": text("style_search") });
    search.addEventListener("input", () => this.#list());
    const list = make("div", { className: "easel-style-list", role: "group", "aria-label": text("styles") });
    dialog.append(make("header", {}, title, close), make("section", {}, search, list), this.#makeEditor());
    this.parts = { search, list, editor: dialog.lastChild };
    return document.body.appendChild(dialog);
  }

  #makeEditor() {
    const editor = make("form", { className: "easel-style-editor" });
    const field = (name, tag, label) => {
      const input = make(tag, { name, rows: 3, autocomplete: "off" });
      return make("label", {}, make("span", { textContent: label }), input);
    };
    const button = (key, act, extra = {}) => {
      const made = make("button", { type: "button", textContent: text(key), ...extra });
      if (act) made.addEventListener("click", act);
      return made;
    };
    editor.append(
      field("name", "input", text("style_name")),
      field("prompt", "textarea", text("style_prompt", { prompt: "{prompt}" })),
      field("negative_prompt", "textarea", text("style_negative")),
      make("p", { className: "easel-problem", role: "alert" }),
      make(
        "div",
        { className: "easel-buttons" },
        button("style_from_prompt", () => this.#fromPrompt()),
        button("style_delete", () => this.#delete(), { name: "delete" }),
        button("style_save", null, { type: "submit", className: "primary" }),
      ),
    );
    editor.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    return editor;
  }

  #list() {
    const wanted = this.parts.search.value.trim().toLowerCase();
    const shown = this.#all.filter((style) => style.name.toLowerCase().includes(wanted));
    const empty = make("p", { textContent: text(this.#all.length ? "style_none_found" : "style_none") });
    this.parts.list.replaceChildren(...(shown.length ? shown.map((style) => this.#row(style)) : [empty]));
  }

  #row(style) {
    const box = make("input", { type: "checkbox", checked: this.#chosen.includes(style.name) });
    box.addEventListener("change", () => {
      const others = this.#chosen.filter((name) => name !== style.name);
      this.set(box.checked ? [...others, style.name] : others);
    });
    const detail = [style.prompt, style.negative_prompt].filter(Boolean).join(" − ");
    const words = make("span", {}, make("b", { textContent: style.name }), make("small", { textContent: detail }));
    const row = make("div", {}, make("label", {}, box, words));
    if (!this.#mayChange) return row;
    const edit = make("button", { type: "button", textContent: text("style_edit"), "aria-label": `${text("style_edit")}: ${style.name}` });
    edit.addEventListener("click", () => this.#edit(style));
    row.append(edit);
    return row;
  }

  get #mayChange() {
    return this.jobs.caller?.is_admin ?? true;
  }

  #edit(style) {
    const { editor } = this.parts;
    editor.hidden = !this.#mayChange;
    this.editing = style?.name ?? "";
    for (const name of ["name", "prompt", "negative_prompt"]) editor.elements[name].value = style?.[name] ?? "";
    editor.elements.delete.hidden = !style;
    this.#problem("");
    if (style) editor.elements.name.focus();
  }

  async #fromPrompt() {
    const { prompt, negative_prompt } = await this.form.read();
    Object.assign(this.parts.editor.elements.prompt, { value: prompt ?? "" });
    Object.assign(this.parts.editor.elements.negative_prompt, { value: negative_prompt ?? "" });
    this.parts.editor.elements.name.focus();
  }

  #save() {
    const values = Object.fromEntries(new FormData(this.parts.editor));
    const renamed = this.editing && this.#chosen.includes(this.editing) ? this.editing : null;
    return this.#change({ method: "PUT", body: { ...values, replaces: this.editing } }, "styles", () => {
      const name = values.name.split(/\s+/).filter(Boolean).join(" ");
      if (renamed) this.#chosen = this.#chosen.map((other) => (other === renamed ? name : other));
    });
  }

  #delete() {
    return this.#change({ method: "DELETE" }, `styles?name=${encodeURIComponent(this.editing)}`, () => {});
  }

  async #change(request, path, done) {
    try {
      const { styles } = await ask(path, request);
      done();
      namesChanged();
      this.#took(styles);
      this.#draw();
      this.#list();
      this.#edit(null);
    } catch (error) {
      this.#problem(error.message);
    }
  }

  #problem(sentence) {
    setText(this.parts.editor.querySelector(".easel-problem"), sentence);
  }
}
