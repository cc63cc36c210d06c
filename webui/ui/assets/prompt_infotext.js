// Filling the form from a picture's parameters: pasted text, a pasted or dropped file, the ↙ button.

import { ask } from "./api.js";
import { byId, memory, text, whenPresent } from "./dom.js";
import { isInfotext } from "./prompt_edit.js";
import { toast } from "./toasts.js";

const MOST_BYTES = 32 * 1024 * 1024;
const UNDO_MS = 12000;
const ABSENT = { variation_seed: -1, variation_strength: 0, tiling: false }; // what leaving them out means

export class Infotexts {
  constructor(form, styles) {
    Object.assign(this, { form, styles });
    whenPresent(form.fields.prompt.id, (block) => {
      block.addEventListener("paste", (event) => this.#pasted(event), { capture: true });
    });
    whenPresent(`${form.tab}_prompts`, (pane) => this.#receiveDrops(pane));
    whenPresent("paste", (button) => button.addEventListener("click", () => this.#button()));
  }

  /** Put what the server read from a text or picture into the form; it can be undone. */
  async fill({ values, problems, has_parameters: complete }) {
    const before = { values: await this.form.read(), styles: this.styles.chosen, extra: memory.get(`extra.${this.form.tab}`, false) };
    const put = (next, styles, extra) => {
      this.form.set(next);
      this.styles.set(styles);
      this.form.dispatchEvent(new CustomEvent("filled", { detail: { extra } }));
    };
    // The text of styles is in such a prompt already.
    const next = { ...(complete ? ABSENT : {}), ...values };
    put(next, complete ? [] : before.styles, "variation_strength" in next ? next.variation_strength > 0 : before.extra);
    const undo = () => put(before.values, before.styles, before.extra);
    const message = [text("filled"), ...problems].join(" ");
    toast(message, "note", { action: { label: text("undo"), act: undo }, shownMs: UNDO_MS });
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
    const carries = (event) => event.dataTransfer?.types.includes("Files") || event.dataTransfer?.types.includes("text/uri-list");
    const show = (on) => pane.classList.toggle("easel-drop", on);
    pane.addEventListener("dragover", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      show(true);
    });
    pane.addEventListener("dragleave", (event) => pane.contains(event.relatedTarget) || show(false));
    pane.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      event.stopPropagation();
      show(false);
      const [file] = event.dataTransfer.files;
      const url = event.dataTransfer.getData("text/uri-list").split("\n")[0];
      this.#try(() => (file ? read(file) : readOwn(url)));
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

/** A picture dragged from the page itself. */
async function readOwn(url) {
  const path = URL.canParse(url) ? new URL(url) : null;
  if (path?.origin !== location.origin) throw new Error(text("not_a_picture"));
  const response = await fetch(path);
  if (!response.ok) throw new Error(text("not_a_picture"));
  return read(await response.blob());
}
