// Filling the form from a picture's parameters: pasted text, a pasted or dropped file, the ↙ button.

import { ask } from "./api.js";
import { byId, memory, text, whenPresent } from "./dom.js";
import { usesExtra } from "./form.js";
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
    whenPresent(`${form.tab}_prompts`, (pane) => this.#receiveDrops(pane));
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

  #receiveDrops(pane) {
    const show = (on) => pane.classList.toggle("easel-drop", on);
    pane.addEventListener("dragover", (event) => {
      if (!wantsDrop(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      show(true);
    });
    pane.addEventListener("dragleave", (event) => pane.contains(event.relatedTarget) || show(false));
    pane.addEventListener("drop", (event) => {
      if (!wantsDrop(event)) return;
      event.preventDefault();
      event.stopPropagation();
      show(false);
      const [file] = event.dataTransfer.files;
      const url = event.dataTransfer.getData("text/uri-list").split("\n")[0];
      this.#try(() => (file ? read(file) : ownPicture(url).then(read)));
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

/** Whether what is dragged may be a picture: a file, or one of the page itself. */
export const wantsDrop = ({ dataTransfer }) => ["Files", "text/uri-list"].some((kind) => dataTransfer?.types.includes(kind));

/** The file of a picture dragged from the page itself, by its address. */
export async function ownPicture(url) {
  const path = URL.canParse(url) ? new URL(url) : null;
  if (path?.origin !== location.origin) throw new Error(text("not_a_picture"));
  const response = await fetch(path);
  if (!response.ok) throw new Error(text("not_a_picture"));
  return response.blob();
}
