// The PNG Info tab: a picture or a text goes to the server, and what it says is shown and sent on.

import { ask } from "./api.js";
import { destinations, sendLabel } from "./destinations.js";
import { byId, fillTexts, make, setText, text, whenPresent } from "./dom.js";
import { takePictures } from "./intake.js";
import { attempt } from "./library_actions.js";
import { copyText } from "./picture.js";

const MOST_BYTES = 32 * 1024 * 1024;
const PATIENCE_MS = 120000;
const UNNAMED = "A1111 format"; // the server's word for a text that names no program
const HIDDEN = "stealth";

export class PngInfo {
  #found = null;
  #file = null; // the picture that is shown, where it was no text
  #dressed = false;
  #wanted = null; // a picture to read when there is a place to show it
  #asked = 0; // only the newest question's answer is shown

  constructor() {
    whenPresent("easel_pnginfo", (element) => this.#dress(element));
  }

  #dress(element) {
    fillTexts(element);
    const file = byId("easel_pnginfo_file");
    const words = byId("easel_pnginfo_text");
    byId("easel_pnginfo_choose").addEventListener("click", () => file.click());
    byId("easel_pnginfo_read").addEventListener("click", () => this.readText(words.value));
    words.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.readText(words.value);
    });
    byId("easel_pnginfo_copy").addEventListener("click", () => copyText(this.#found.text));
    byId("easel_pnginfo_picture").addEventListener("error", (event) => {
      event.target.hidden = true;
    });
    takePictures(element, { input: file, take: ([first]) => this.readFile(first), marked: byId("easel_pnginfo_drop") });
    this.#dressed = true;
    if (this.#found) this.#show(this.#found);
    if (this.#wanted) this.readFile(this.#wanted);
    this.#wanted = null;
  }

  readFile(file) {
    return this.#ask(() => this.#picture(file));
  }

  /** Read a picture that was sent here, now or when the tab has been opened for the first time. */
  take(file) {
    if (this.#dressed) this.readFile(file);
    else this.#wanted = file;
  }

  readText(words) {
    this.#preview(null);
    if (!words.trim()) return this.#clear(text("pnginfo_empty"));
    return this.#ask(() => ask("infotext/parse", { body: { text: words } }));
  }

  #picture(file) {
    this.#preview(file);
    if (file.size > MOST_BYTES) throw new Error(text("picture_too_large"));
    const body = file.slice(0, file.size, "application/octet-stream");
    return ask("infotext/picture?whole=true", { body, patience: PATIENCE_MS });
  }

  async #ask(find) {
    this.#asked += 1;
    const number = this.#asked;
    const pane = byId("easel_pnginfo_told");
    pane.setAttribute("aria-busy", "true");
    try {
      const found = await find();
      if (number === this.#asked) this.#show(found);
    } catch (error) {
      if (number === this.#asked) this.#clear(error.message);
    } finally {
      if (number === this.#asked) pane.removeAttribute("aria-busy");
    }
  }

  #preview(file) {
    this.#file = file;
    const image = byId("easel_pnginfo_picture");
    if (image.src) URL.revokeObjectURL(image.src);
    image.hidden = !file;
    if (file) image.src = URL.createObjectURL(file);
    else image.removeAttribute("src");
    byId("easel_pnginfo_drop").classList.toggle("filled", Boolean(file));
  }

  #clear(sentence) {
    this.#found = null;
    byId("easel_pnginfo_acts").hidden = true;
    byId("easel_pnginfo_facts").replaceChildren();
    setText(byId("easel_pnginfo_state"), sentence);
  }

  #show(found) {
    this.#found = found;
    const { prompt, negative_prompt: negative } = found;
    setText(byId("easel_pnginfo_state"), headline(found));
    this.#offer(found);
    const known = found.pairs.filter((pair) => pair.known);
    const others = found.pairs.filter((pair) => !pair.known);
    const parts = [
      ...problems(found.problems),
      ...passage("pnginfo_prompt", prompt),
      ...passage("pnginfo_negative", negative),
      ...table("pnginfo_values", known),
      ...table("pnginfo_unused", others),
      ...asItIs(found),
    ];
    byId("easel_pnginfo_facts").replaceChildren(...parts);
  }

  /** A button for each destination that can take what was read, or the picture. */
  #offer(found) {
    const file = this.#file;
    const sent = { file: async () => file, found: async () => (found.text ? found : null) };
    const usable = destinations().filter(({ id, picture }) => id !== "pnginfo" && (picture ? file : found.text));
    const buttons = usable.map((one, i) => {
      const made = make("button", { type: "button", className: `lib-button${i ? "" : " lib-primary"}`, textContent: sendLabel(one) });
      made.addEventListener("click", () => attempt(() => one.send(sent)));
      return made;
    });
    byId("easel_pnginfo_send").replaceChildren(...buttons);
    byId("easel_pnginfo_copy").hidden = !found.text;
    byId("easel_pnginfo_acts").hidden = !buttons.length;
  }
}

/** Who wrote it, how large it is, where it stood. */
function headline({ text: words, program, place, exact, width, height, format }) {
  const size = width ? [`${width} × ${height} ${format}`] : [];
  if (!words) return [text("no_parameters"), ...size].join(" ");
  const wrote = program === UNNAMED ? text("pnginfo_unnamed") : text("pnginfo_program", { program });
  const where = place === HIDDEN ? text("pnginfo_hidden") : text("pnginfo_place", { place });
  const parts = [...(program ? [wrote] : []), ...size, ...(width ? [where] : [])];
  return [parts.join(" · "), ...(exact ? [text("pnginfo_exact")] : [])].join(". ");
}

function problems(sentences) {
  if (!sentences.length) return [];
  const list = make("ul", {}, ...sentences.map((textContent) => make("li", { textContent })));
  return [make("div", { className: "easel-told-problems" }, make("h3", { textContent: text("pnginfo_problems") }), list)];
}

function passage(title, words) {
  if (!words) return [];
  return [make("h3", { textContent: text(title) }), make("p", { className: "easel-told-words", textContent: words })];
}

function table(title, pairs) {
  if (!pairs.length) return [];
  const rows = pairs.map(({ key, value }) =>
    make("tr", {}, make("th", { scope: "row", textContent: key }), make("td", { textContent: value })),
  );
  return [make("h3", { textContent: text(title) }), make("table", {}, make("tbody", {}, ...rows))];
}

/** Every text of the file, folded but for the one that was read. */
function asItIs({ texts, place }) {
  if (!texts.length) return [];
  const folds = texts.map(({ name, text: words }) => {
    const label = name === HIDDEN ? text("pnginfo_hidden") : name;
    const pre = make("pre", { textContent: words, tabIndex: 0, role: "region", "aria-label": label });
    return make("details", { open: name === place }, make("summary", { textContent: label }), pre);
  });
  return [make("h3", { textContent: text("pnginfo_raw") }), ...folds];
}
