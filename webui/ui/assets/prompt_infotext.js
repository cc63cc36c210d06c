// Filling the form from a picture's parameters: pasted text, a pasted or dropped file, the ↙ button.

import { ask } from "./api.js";
import { byId, memory, text, whenPresent } from "./dom.js";
import { usesExtra } from "./form.js";
import { takeDropped } from "./intake.js";
import { isInfotext } from "./prompt_edit.js";
import { toast } from "./toasts.js";

const MOST_BYTES = 32 * 1024 * 1024;
const UNDO_MS = 12000;
// What leaving them out means, as it does for everything in these sections.
const ABSENT = { variation_seed: -1, variation_strength: 0, seed_resize_width: 0, seed_resize_height: 0, tiling: false };
const SECTIONS = ["hires", "sampling", "guidance"];

export class Infotexts {
  constructor(form, styles) {
    Object.assign(this, { form, styles });
    whenPresent(form.fields.prompt.id, (block) => {
      block.addEventListener("paste", (event) => this.#pasted(event), { capture: true });
    });
    whenPresent(`${form.tab}_prompts`, (pane) => takeDropped(pane, ([file]) => this.#try(() => read(file))));
    whenPresent(form.tab === "txt2img" ? "paste" : `${form.tab}_paste`, (button) => button.addEventListener("click", () => this.#button()));
  }

  /** Put what the server read from a text or picture into the form; it can be undone. */
  async fill({ values, problems, has_parameters: complete, styles }) {
    const before = { values: await this.form.read(), styles: this.styles.chosen, extra: memory.get(`extra.${this.form.tab}`, false) };
    const put = (next, styles, extra) => {
      this.form.set(next);
      this.styles.set(styles);
      this.form.dispatchEvent(new CustomEvent("filled", { detail: { extra } }));
    };
    // The text of styles is in such a prompt already, unless the server found them in it.
    const next = { ...(complete ? { ...this.#usual(), ...ABSENT } : {}), ...values };
    put(next, styles ?? (complete ? [] : before.styles), usesExtra(next) ?? before.extra);
    if (styles?.length) this.styles.load();
    const undo = () => put(before.values, before.styles, before.extra);
    const message = [text("filled"), ...problems].join(" ");
    toast(message, "note", { action: { label: text("undo"), act: undo }, shownMs: UNDO_MS });
  }

  /** The usual values of what parameters name only where it differs. */
  #usual() {
    const fields = Object.entries(this.form.fields).filter(([, { section }]) => SECTIONS.includes(section));
    return Object.fromEntries(fields.map(([name, field]) => [name, field.default]));
  }

  #pasted(event) {
    const words = event.clipboardData?.getData("text/plain") ?? "";
    const [file] = event.clipboardData?.files ?? [];
    if (!isInfotext(words) && (words || !file)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#try(() => (words ? parse(words) : read(file)));
  }

  /** What the prompt box holds, or, when it is empty, what the newest picture was made with. */
  async #button() {
    const { prompt } = await this.form.read();
    this.#try(async () => {
      if (prompt?.trim()) {
        const found = await parse(prompt);
        if (!found.has_parameters) throw new Error(text("prompt_no_parameters"));
        return found;
      }
      const { images } = await ask("images?limit=1");
      if (!images[0]?.infotext) throw new Error(text("no_picture_yet"));
      return parse(images[0].infotext);
    });
  }

  async #try(find) {
    const pane = byId(`${this.form.tab}_prompts`);
    pane?.setAttribute("aria-busy", "true");
    try {
      await this.fill(await find());
    } catch (error) {
      toast(error.message);
    } finally {
      pane?.removeAttribute("aria-busy");
    }
  }
}

const parse = (words) => ask("infotext/parse", { body: { text: words } });

async function read(file) {
  if (file.size > MOST_BYTES) throw new Error(text("picture_too_large"));
  return ask("infotext/picture", { body: file.slice(0, file.size, "application/octet-stream"), patience: 120000 });
}
