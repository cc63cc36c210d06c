// Settings in the bar above the form: each is saved as soon as it is changed.

import { ask } from "./api.js";
import { make, phrase, text } from "./dom.js";
import { Field } from "./settings_fields.js";
import { toast } from "./toasts.js";

/** Event on `document` with the entries that were saved, from wherever on the page. */
export const SAVED = "easel-settings-saved";

/** The server's settings as small controls by name; secrets are left to the settings tab. */
export async function quickControls() {
  const { settings, may_change: mayChange } = await ask("settings");
  const usable = settings.filter((entry) => !entry.secret);
  return new Map(usable.map((entry) => [entry.name, new QuickControl(entry, mayChange)]));
}

class QuickControl {
  constructor(entry, mayChange) {
    this.field = new Field(entry, mayChange, "quick");
    const { control, label, error, id } = this.field;
    const name = make("label", { htmlFor: id, textContent: label, title: phrase(entry.help) });
    this.label = label;
    this.group = phrase(entry.group);
    this.element = make("div", { className: `easel-quick-setting ${entry.type}` }, name, control, error);
    control.setAttribute("aria-describedby", error.id);
    control.addEventListener("change", () => this.#save());
    document.addEventListener(SAVED, ({ detail }) => this.#show(detail.find((e) => e.name === entry.name)));
  }

  #show(entry) {
    if (entry && document.activeElement !== this.field.control) this.field.show(entry);
  }

  async #save() {
    const { field } = this;
    if (!field.dirty) return;
    try {
      const { settings } = await ask("settings", { method: "PATCH", body: { [field.entry.name]: field.value } });
      field.show(settings.find((entry) => entry.name === field.entry.name));
      document.dispatchEvent(new CustomEvent(SAVED, { detail: settings }));
      if (field.entry.waits) toast(text("settings_saved_restart"), "note");
    } catch (error) {
      field.complain(error.message);
    }
  }
}
