// The simple and the full view of the form, the examples, and the rest of the form's own controls.

import { byId, fillTexts, make, memory, setAttribute, setText, text, whenPresent } from "./dom.js";
import { Infotexts } from "./prompt_infotext.js";
import { contextMenu, Forever } from "./form_menu.js";
import { dressPrompt } from "./prompt.js";
import { changeBadges } from "./form_sections.js";
import { shapeButtons } from "./form_size.js";
import { Styles } from "./form_styles.js";
import { toast } from "./toasts.js";

const COUNTS = [1, 2, 4];
const VIEWS = ["simple", "full"];
const SIMPLE = "txt2img"; // the form that has more controls in the simple view

/** Show the form in the view of last time; a first visitor's is simple. */
export function chooseView(tab) {
  const known = memory.get(`form.${tab}`, null) ? "full" : "simple";
  const kept = memory.get("view", known);
  const chosen = VIEWS.includes(kept) ? kept : known;
  memory.set("view", chosen);
  show(chosen);
}

/** Bring the whole form of a tab to life, but for the bar above it. */
export function dressForm(form, jobs) {
  const { tab } = form;
  form.firstPrompt = () => (view() === "simple" ? (examples(tab)[0]?.prompt ?? "") : "");
  const styles = new Styles(form, jobs);
  const forever = new Forever(form, jobs);
  const infotexts = new Infotexts(form, styles);
  form.fill = (found) => infotexts.fill(found);
  dressPrompt(form, "prompt", `${tab}_token_counter`, styles);
  dressPrompt(form, "negative_prompt", `${tab}_negative_token_counter`, styles);
  shapeButtons(form, `${tab}_ratios`);
  if (tab === SIMPLE) {
    shapeButtons(form, "easel_simple_shapes");
    countButtons(form);
  }
  changeBadges(form);
  dressExtra(form);
  whenPresent(`${tab}_tools`, (bar) => fillTexts(bar));
  whenPresent(`${tab}_clear_prompt`, (button) => button.addEventListener("click", () => clear(form)));
  whenPresent(`${tab}_examples`, () => drawExamples(form));
  const menu = [
    [text("forever_start"), () => forever.start()],
    [text("forever_stop"), () => forever.stop()],
  ];
  for (const name of ["generate", "interrupt"]) {
    whenPresent(`${tab}_${name}`, (button) => contextMenu(button, "easel_generate_menu", menu));
  }
}

const view = () => document.documentElement.dataset.easelView;

function show(name) {
  document.documentElement.dataset.easelView = name;
  for (const button of document.querySelectorAll("#easel_view button")) {
    setAttribute(button, "aria-pressed", String(button.dataset.view === name));
  }
  dispatchEvent(new Event("easel-view"));
}

/** Bring the switch between the views to life. */
export function dressViewSwitch(group) {
  fillTexts(group.parentElement);
  for (const button of group.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      memory.set("view", button.dataset.view);
      show(button.dataset.view);
    });
  }
  show(view());
}

async function clear(form) {
  const { prompt, negative_prompt } = await form.read();
  form.set({ prompt: "", negative_prompt: "" });
  if (!prompt && !negative_prompt) return;
  const undo = () => form.set({ prompt, negative_prompt });
  toast(text("cleared"), "note", { action: { label: text("undo"), act: undo }, shownMs: 8000 });
}

// ---- examples

/** [{prompt, picture}] as the tab's markup brings them. */
function examples(tab) {
  try {
    return JSON.parse(byId(`${tab}_examples`).dataset.examples);
  } catch {
    return [];
  }
}

function drawExamples(form) {
  const shelf = byId(`${form.tab}_examples`);
  const buttons = examples(form.tab).map(({ prompt, picture }) => {
    const image = make("img", { alt: "", decoding: "async", width: 64, height: 64 });
    image.src = new URL(`examples/${encodeURIComponent(picture)}`, import.meta.url).href;
    const button = make("button", { type: "button", title: prompt, "aria-label": text("example", { prompt }) }, image);
    button.append(make("span", { textContent: prompt }));
    button.addEventListener("click", () => {
      form.set({ prompt });
      form.element("prompt").querySelector("textarea").focus();
    });
    return button;
  });
  shelf.replaceChildren(...buttons);
  setAttribute(shelf, "role", "group");
  setAttribute(shelf, "aria-label", text("examples"));
}

// ---- how many, in the simple view

function countButtons(form) {
  whenPresent("easel_simple_count", (shelf) => {
    setAttribute(shelf, "role", "group");
    setAttribute(shelf, "aria-label", text("how_many"));
    const buttons = COUNTS.map((count) => {
      const button = make("button", { type: "button", className: "easel-shape", textContent: String(count) });
      setAttribute(button, "aria-label", text("pictures", { count }));
      setAttribute(button, "title", text("pictures", { count }));
      button.addEventListener("click", () => form.set({ batch_count: count, batch_size: 1 }));
      return button;
    });
    shelf.replaceChildren(...buttons);
    const press = () => {
      const { batch_count = 1, batch_size = 1 } = form.values ?? {};
      buttons.forEach((button, i) => {
        setAttribute(button, "aria-pressed", String(batch_count * batch_size === COUNTS[i]));
      });
    };
    form.addEventListener("values", press);
    press();
  });
}

// ---- "Extra": the variation seed, and the size a seed is taken from

const EXTRA = ["variation_seed", "variation_strength", "seed_resize_width", "seed_resize_height"];

/** While "Extra" is off nothing of it is asked for, whatever its hidden controls say. */
function dressExtra(form) {
  const key = `extra.${form.tab}`;
  const box = () => document.querySelector(`#${form.tab}_subseed_show input`);
  const open = (on) => {
    if (box()) box().checked = on;
    byId(`${form.tab}_settings`)?.classList.toggle("easel-extra", on);
    memory.set(key, on);
  };
  form.prepareWith((request) => {
    if (memory.get(key, false)) return request;
    return Object.fromEntries(Object.entries(request).filter(([name]) => !EXTRA.includes(name)));
  });
  whenPresent(`${form.tab}_subseed_show`, (label) => {
    setText(label.querySelector("span"), text("extra"));
    setAttribute(label, "title", text("extra_hint"));
    open(Boolean(memory.get(key, false)));
    box().addEventListener("change", () => open(box().checked));
  });
  form.addEventListener("filled", ({ detail }) => open(detail.extra));
}

/** The variation seed that a picture was drawn with; a note, and `otherwise`, when there is none. */
export function variationSeed(picture, otherwise) {
  const found = /\bVariation seed: (\d+)/.exec(picture?.infotext ?? "");
  if (!found) toast(text(picture ? "no_variation" : "no_seed"), "note");
  return found ? Number(found[1]) : otherwise;
}
