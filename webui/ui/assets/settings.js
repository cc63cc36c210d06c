// The settings tab: what the API declares, searched, changed together, saved or discarded.

import { ask } from "./api.js";
import { byId, fillTexts, make, phrase, setText, text, whenPresent } from "./dom.js";
import { SAVED } from "./form_quick_settings.js";
import { Field } from "./settings_fields.js";
import { browserPanel, importPanel, startPanel } from "./settings_panels.js";
import { toast } from "./toasts.js";

export class SettingsTab {
  #fields = new Map();
  #panels = [];
  #query = "";

  constructor(forms, tabs) {
    Object.assign(this, { forms, tabs });
    whenPresent("easel_settings", (element) => this.#dress(element));
    document.addEventListener(SAVED, ({ detail }) => this.#take(detail));
  }

  async #dress(element) {
    fillTexts(element);
    const search = byId("easel_settings_search");
    search.placeholder = text("settings_search");
    search.title = text("settings_search_hint");
    search.addEventListener("input", () => this.#search(search.value));
    byId("easel_settings_save").addEventListener("click", () => this.#save());
    byId("easel_settings_discard").addEventListener("click", () => this.#discard());
    await this.load();
  }

  /** Ask for the settings, and show them. */
  async load() {
    try {
      const { settings, may_change: mayChange } = await ask("settings");
      this.#show(settings, mayChange);
    } catch (error) {
      this.#note(error.message);
    }
  }

  #show(settings, mayChange) {
    this.#note(mayChange ? "" : text("settings_not_admin"));
    this.#fields = new Map();
    this.#panels = [browserPanel(), ...(mayChange ? [startPanel(this.forms, this.tabs), importPanel(() => this.load())] : [])];
    const groups = new Map();
    for (const entry of settings) {
      const field = new Field(entry, mayChange);
      field.addEventListener("input", () => this.#count());
      this.#fields.set(entry.name, field);
      if (!groups.has(entry.group)) groups.set(entry.group, []);
      groups.get(entry.group).push(field);
    }
    const sections = [...groups].map(([name, fields]) => group(phrase(name), fields.map((f) => f.element)));
    byId("easel_settings_groups").replaceChildren(...this.#panels.map((p) => p.element), ...sections);
    this.#search(this.#query);
    this.#count();
  }

  /** Show what was saved elsewhere, but for what is being changed here. */
  #take(entries) {
    for (const entry of entries) {
      const field = this.#fields.get(entry.name);
      if (field && !field.dirty) field.show(entry);
    }
  }

  #search(query) {
    this.#query = query;
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const field of this.#fields.values()) {
      field.element.hidden = !field.fits(words);
      found += field.element.hidden ? 0 : 1;
    }
    for (const panel of this.#panels) {
      const said = panel.element.textContent.toLowerCase();
      panel.element.hidden = !words.every((word) => said.includes(word));
      found += panel.element.hidden ? 0 : 1;
    }
    for (const section of document.querySelectorAll("#easel_settings_groups > .of-settings")) {
      section.hidden = !section.querySelector(".easel-setting:not([hidden])");
    }
    const result = found ? text("settings_found", { count: found }) : text("settings_none", { query });
    setText(byId("easel_settings_found"), words.length ? result : "");
    byId("easel_settings_found").classList.toggle("easel-sr", found > 0);
  }

  #dirty() {
    return [...this.#fields.values()].filter((field) => field.dirty);
  }

  #count() {
    const count = this.#dirty().length;
    byId("easel_settings_bar").hidden = count === 0;
    const words = count === 1 ? text("settings_unsaved_one") : text("settings_unsaved", { count });
    setText(byId("easel_settings_unsaved"), count ? words : "");
  }

  async #save() {
    const changes = Object.fromEntries(this.#dirty().map((f) => [f.entry.name, f.value]));
    for (const field of this.#fields.values()) field.complain(null);
    byId("easel_settings_save").disabled = true;
    try {
      const { settings } = await ask("settings", { method: "PATCH", body: changes });
      for (const entry of settings) this.#fields.get(entry.name)?.show(entry);
      document.dispatchEvent(new CustomEvent(SAVED, { detail: settings }));
      const waits = settings.some((entry) => entry.waits);
      toast(text(waits ? "settings_saved_restart" : "settings_saved"), "note");
      this.#count();
    } catch (error) {
      this.#refused(error);
    } finally {
      byId("easel_settings_save").disabled = false;
    }
  }

  #refused(error) {
    const field = this.#fields.get(error.field);
    if (!field) {
      toast(error.message);
      return;
    }
    field.element.hidden = false;
    field.element.closest("section").hidden = false;
    field.complain(error.message);
    field.control.focus();
    field.element.scrollIntoView({ block: "nearest" });
  }

  #discard() {
    for (const field of this.#dirty()) field.show(field.entry);
    this.#count();
    byId("easel_settings_search").focus();
  }

  #note(message) {
    const note = byId("easel_settings_note");
    setText(note, message);
    note.hidden = !message;
  }
}

function group(name, rows) {
  return make("section", { className: "easel-settings-group of-settings" }, make("h3", { textContent: name }), ...rows);
}
