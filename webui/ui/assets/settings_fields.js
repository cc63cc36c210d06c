// One setting as a row: its control, explanation, default, and what is wrong with its value.

import { make, phrase, setText, text } from "./dom.js";

/**
 * A setting of the API as an element. Events: "input" when its value was changed here.
 *
 * `value` is what would be saved, `dirty` whether that differs from what is saved.
 */
export class Field extends EventTarget {
  constructor(entry, mayChange, prefix = "setting") {
    super();
    this.id = `${prefix}_${entry.name.replace(/\W/g, "_")}`;
    this.label = phrase(entry.label);
    this.control = this.#build(entry);
    this.control.disabled = !mayChange || entry.fixed !== null;
    this.error = make("p", { className: "easel-setting-error", id: `${this.id}_error`, hidden: true });
    this.error.setAttribute("role", "alert");
    this.badges = make("span", { className: "easel-setting-badges" });
    this.fallback = make("span");
    this.reset = make("button", {
      type: "button",
      className: "easel-settings-button small",
      textContent: text("settings_reset"),
      title: text("settings_reset_hint", { label: this.label }),
      "aria-label": text("settings_reset_hint", { label: this.label }),
    });
    this.reset.addEventListener("click", () => this.#toDefault());
    this.control.addEventListener("input", () => this.#changed());
    this.element = this.#row(entry);
    this.mayChange = mayChange;
    this.show(entry);
  }

  /** Show an entry as the server has it; what was typed and not saved is gone. */
  show(entry) {
    this.entry = entry;
    this.resetting = false;
    this.#put(entry.value);
    this.complain(null);
    this.#settle();
  }

  /** The value that the control holds, null for one that goes back to its default. */
  get value() {
    if (this.resetting) return null;
    const { type, secret } = this.entry;
    if (type === "boolean") return this.control.checked;
    const typed = this.control.value;
    if (type === "integer" || type === "number") return typed.trim() === "" ? null : Number(typed);
    if (type === "list" && !secret) return items(typed);
    return typed;
  }

  get dirty() {
    if (this.entry.secret) return this.resetting ? this.entry.is_set : this.control.value !== "";
    if (this.resetting) return this.entry.changed || this.entry.source === "file";
    return JSON.stringify(this.value) !== JSON.stringify(this.entry.value);
  }

  /** Say what is wrong with the value, or nothing with null. */
  complain(message) {
    setText(this.error, message ?? "");
    this.error.hidden = message === null;
    this.element?.classList.toggle("wrong", message !== null);
    if (message === null) this.control.removeAttribute("aria-invalid");
    else this.control.setAttribute("aria-invalid", "true");
  }

  /** Whether every word is found in what the setting is called and said to be. */
  fits(words) {
    const { name, label, help, a1111, group } = this.entry;
    const said = [name, label, help, a1111, group, this.label, phrase(help), phrase(group)]
      .join("\n")
      .toLowerCase();
    return words.every((word) => said.includes(word));
  }

  #build({ type, secret, options, minimum, maximum, step, max_chars: most }) {
    const common = { id: this.id, "aria-describedby": `${this.id}_help ${this.id}_error` };
    if (type === "boolean") return make("input", { type: "checkbox", ...common });
    if (type === "choice") {
      const choices = options.map((o) => make("option", { value: o, textContent: phrase(o) }));
      return make("select", common, ...choices);
    }
    const input = make("input", { autocomplete: "off", spellcheck: false, ...common });
    if (type === "integer" || type === "number") {
      Object.assign(input, { type: "number", min: minimum ?? "", max: maximum ?? "", step: step ?? "any" });
    } else {
      input.type = secret ? "password" : "text";
      if (secret) input.autocomplete = "new-password";
      if (most) input.maxLength = most;
      if (type === "list" && !secret) input.placeholder = text("settings_list_hint");
    }
    return input;
  }

  #row(entry) {
    const { help, a1111 } = entry;
    const name = a1111 ? ` ${text("settings_a1111", { name: a1111 })}` : "";
    return make(
      "div",
      { className: `easel-setting ${entry.type}` },
      make(
        "div",
        { className: "easel-setting-name" },
        make("label", { htmlFor: this.id, textContent: this.label }),
        this.badges,
      ),
      make("p", { className: "easel-setting-help", id: `${this.id}_help` }, phrase(help), make("small", { textContent: name })),
      make("div", { className: "easel-setting-control" }, this.control, this.fallback, this.reset),
      this.error,
    );
  }

  #put(value) {
    const { type, secret, is_set: isSet } = this.entry;
    if (type === "boolean") this.control.checked = value;
    else if (secret) {
      this.control.value = "";
      this.control.placeholder = text(isSet ? "settings_secret_set" : "settings_secret_unset");
    } else this.control.value = type === "list" ? value.join(", ") : value;
  }

  #toDefault() {
    const { default: fallback, secret } = this.entry;
    this.#put(fallback);
    this.resetting = true;
    if (secret) this.control.placeholder = text("settings_secret_unset");
    this.complain(null);
    this.#settle();
    this.control.focus();
    this.dispatchEvent(new Event("input"));
  }

  #changed() {
    this.resetting = false;
    this.complain(null);
    this.#settle();
    this.dispatchEvent(new Event("input"));
  }

  #settle() {
    const { default: fallback, fixed, restart, waits, source, variable, secret, is_set: isSet } = this.entry;
    const differs = secret
      ? isSet || this.control.value !== ""
      : JSON.stringify(this.value ?? fallback) !== JSON.stringify(fallback);
    this.reset.hidden = !this.mayChange || fixed !== null || this.resetting || !differs;
    this.fallback.hidden = !(differs || this.resetting) || secret || fixed !== null;
    setText(this.fallback, shown(fallback));
    const said = [];
    if (source === "environment") said.push(["fixed", text("settings_source_environment", { variable })]);
    else if (source === "flag") said.push(["fixed", text("settings_source_flag")]);
    else if (fixed) said.push(["fixed", fixed]);
    if (waits) said.push(["waits", text("settings_waits")]);
    else if (restart && this.dirty) said.push(["restart", text("settings_restart")]);
    this.badges.replaceChildren(
      ...said.map(([kind, words]) => make("span", { className: kind, textContent: words })),
    );
    this.element?.classList.toggle("dirty", this.dirty);
  }
}

const items = (typed) => typed.split(",").map((item) => item.trim()).filter(Boolean);

function shown(value) {
  if (typeof value === "boolean") return text("settings_default", { value: text(value ? "settings_on" : "settings_off") });
  const words = Array.isArray(value) ? value.join(", ") : phrase(String(value ?? ""));
  return words ? text("settings_default", { value: words }) : text("settings_default_none");
}
