// A prompt's box: editing keys, history, completion, brackets without partner, tokens.

import { ask } from "./api.js";
import { byId, make, memory, setAttribute, setText, text, whenPresent } from "./dom.js";
import { byScript, overlay, rewrite } from "./editor.js";
import { Completion } from "./prompt_complete.js";
import { movePhrase, unmatched, weigh } from "./prompt_edit.js";
import { toast } from "./toasts.js";

const KEPT = 100;
const COUNT_MS = 250;

/** Make the box of a field better; `counterId` is the element id of its token counter. */
export function dressPrompt(form, name, counterId, styles) {
  whenPresent(form.fields[name].id, (block) => {
    const area = block.querySelector("textarea");
    const history = name === "prompt" ? new History(area, form) : null;
    const completion = new Completion(area, styles);
    setAttribute(area, "spellcheck", "false");
    area.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (completion.key(event) || editKey(event, area) || history?.key(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    area.addEventListener("input", () => byScript() || completion.typed());
    new Brackets(area, block);
    new TokenCounter(form, name, counterId, block);
  });
}

/** Ctrl+↑/↓ weighs, Alt+←/→ moves a phrase; whether the key meant one of them. */
function editKey(event, area) {
  const command = event.ctrlKey || event.metaKey;
  const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  const right = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  let change = null;
  if (up && command && !event.altKey) change = weigh(area.value, area.selectionStart, area.selectionEnd, up);
  else if (right && event.altKey && !command && !event.shiftKey) {
    change = movePhrase(area.value, area.selectionStart, area.selectionEnd, right);
  } else return false;
  if (change) rewrite(area, change);
  return true;
}

/** The prompts that were drawn: ↑ in an empty box goes back, ↓ forward again. */
class History {
  #at = null;

  constructor(area, form) {
    this.area = area;
    area.addEventListener("input", () => byScript() || (this.#at = null));
    form.addEventListener("submitted", ({ detail }) => remember(detail.values.prompt));
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return false;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const kept = history();
    const browsing = this.#at !== null && kept[this.#at] === this.area.value;
    if (!step || !(browsing || (step < 0 && !this.area.value))) {
      this.#at = null;
      return false;
    }
    const next = browsing ? this.#at + step : kept.length - 1;
    if (next < 0 || (next >= kept.length && !browsing)) return browsing;
    this.#at = next < kept.length ? next : null;
    const prompt = kept[next] ?? "";
    rewrite(this.area, { text: prompt, start: prompt.length, end: prompt.length });
    return true;
  }
}

function history() {
  const kept = memory.get("history", []);
  return Array.isArray(kept) ? kept.filter((entry) => typeof entry === "string") : [];
}

function remember(prompt) {
  if (!prompt?.trim()) return;
  memory.set("history", [...history().filter((entry) => entry !== prompt), prompt].slice(-KEPT));
}

/** Underlines brackets that have no partner, in a mirror that lies over the box. */
class Brackets {
  #shown = "";

  constructor(area, block) {
    this.area = area;
    this.mirror = make("div", { className: "easel-mirror", "aria-hidden": "true" });
    this.note = make("span", { className: "easel-sr", role: "status" });
    area.parentElement.append(this.mirror);
    block.append(this.note);
    area.addEventListener("input", () => this.draw());
    area.addEventListener("scroll", () => (this.mirror.scrollTop = area.scrollTop), { passive: true });
    const follow = () => this.#shown && overlay(this.mirror, area);
    new ResizeObserver(follow).observe(area);
    addEventListener("easel-view", follow); // letters are larger in the simple view
    whenValueChanges(area, () => this.draw());
    this.draw();
  }

  draw() {
    const value = this.area.value;
    const places = unmatched(value);
    const key = places.length ? value : "";
    if (key !== this.#shown) {
      this.#shown = key;
      this.mirror.replaceChildren(...(key ? marked(value, places) : []));
      setText(this.note, places.length ? text("brackets", { count: places.length }) : "");
    }
    if (key) overlay(this.mirror, this.area);
  }
}

function marked(value, places) {
  const parts = [];
  let from = 0;
  for (const place of places) {
    parts.push(value.slice(from, place), make("u", { textContent: value[place] }));
    from = place + 1;
  }
  return [...parts, `${value.slice(from)}\n`];
}

/** Tell of values that scripts, Gradio's among them, put into a box: the browser tells nobody. */
function whenValueChanges(area, told) {
  const own = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
  Object.defineProperty(area, "value", {
    configurable: true,
    get: () => own.get.call(area),
    set(value) {
      own.set.call(area, value);
      told();
    },
  });
}

/**
 * "12/75": the prompt's tokens, styles included, and what the chunks they fill have room for. A "⚠"
 * before it says that something in the prompt is not read as it seems to be meant; a click says what.
 */
class TokenCounter {
  #asked = "";
  #timer = null;
  #problems = [];

  constructor(form, name, id, block) {
    Object.assign(this, { form, name });
    this.node = byId(id) ?? block.appendChild(make("span", { id, className: "easel-tokens" }));
    this.note = block.appendChild(make("span", { className: "easel-sr", role: "status" }));
    this.node.addEventListener("click", () => this.#problems.length && toast(this.#problems.join(" "), "note"));
    this.#show("", [], []);
    form.addEventListener("values", () => this.#soon());
    if (form.values) this.#soon();
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#count(), COUNT_MS);
  }

  async #count() {
    const request = this.form.prepare(this.form.values);
    const { checkpoint = "", steps, emphasis } = request; // what is empty counts as by default
    const body = { text: request[this.name] ?? "", checkpoint: checkpoint ?? "", steps: steps ?? undefined, emphasis: emphasis || undefined, negative: this.name !== "prompt" };
    const key = JSON.stringify(body);
    if (key === this.#asked) return;
    this.#asked = key;
    let shown = ["–", [], []];
    try {
      const { tokens, room, chunks, problems } = await ask("tokens", { body });
      shown = [`${tokens}/${room}`, chunks, problems];
    } catch {
      // Too long a text, or no connection: said where it matters, on submission.
    }
    if (key === this.#asked) this.#show(...shown);
    if (shown[0] === "–") this.#asked = "";
  }

  #show(count, chunks, problems) {
    const perChunk = chunks.length > 1 ? `: ${chunks.join(" + ")}` : "";
    this.#problems = problems;
    setText(this.node, problems.length ? `⚠ ${count}` : count);
    setAttribute(this.node, "title", [text("tokens_hint") + perChunk, ...problems].join("\n"));
    setText(this.note, problems.join(" "));
  }
}
