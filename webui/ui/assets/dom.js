// Finding elements, and the page's texts. Data reaches the page as text only, never as markup.

const config = JSON.parse(document.getElementById("easel_config").textContent);

export const { forms, language, languages } = config;

export const byId = (id) => document.getElementById(id);

/** The text `key` with `{name}` replaced by the values. */
export function text(key, values = {}) {
  return (config.texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** A declared label, explanation or choice, given by its English words, in the page's language. */
export const phrase = (english) => config.phrases[english] ?? english;

/** Set an attribute, a property-like text or a flag only where it differs, so nothing flickers. */
export function setText(element, value) {
  if (element && element.textContent !== value) element.textContent = value;
}

export function setAttribute(element, name, value) {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Fill in the texts that markup names by `data-text` and `data-label`. */
export function fillTexts(root) {
  for (const node of root.querySelectorAll("[data-text]")) setText(node, text(node.dataset.text));
  for (const node of root.querySelectorAll("[data-label]")) {
    setAttribute(node, "aria-label", text(node.dataset.label));
    if (node.matches("button, a")) setAttribute(node, "title", text(node.dataset.label));
  }
}

/**
 * Call `found(element)` whenever an element with that id appears: Gradio builds the page late and
 * tabs only when they are opened.
 */
export function whenPresent(id, found) {
  let last = null;
  const look = () => {
    const element = byId(id);
    if (element && element !== last) found(element);
    last = element;
  };
  watchers.push(look);
  look();
}

const watchers = [];
let scheduled = false;
new MutationObserver(() => {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const look of watchers) look();
  });
}).observe(document.documentElement, { childList: true, subtree: true });

/** A new element with properties, attributes (`"aria-…"`) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** "8 s", "1:05 min", "2:10:00 h" */
export function duration(seconds) {
  if (seconds < 9.95) return `${seconds < 1 ? Math.max(seconds, 0.1).toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)} h` : `${m}:${two(s)} min`;
}

/** What this browser remembers; one that may not (private windows, full storage) does until reload. */
export const memory = {
  page: new Map(),
  get(key, otherwise) {
    if (this.page.has(key)) return this.page.get(key);
    try {
      return JSON.parse(localStorage.getItem(`easel.${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`easel.${key}`, JSON.stringify(value));
      this.page.delete(key);
    } catch {
      this.page.set(key, value);
    }
  },
};
