// Small things that ask: a line of text, a yes, one of several.

import { make, setAttribute, text } from "./dom.js";
import { icon } from "./viewer_icons.js";

/**
 * Ask for a line of text; null when it was given up. `suggestions`, or what they come to be, are
 * offered while typing.
 */
export function askText({ title, body = "", label, value = "", accept, suggestions = null }) {
  const input = make("input", { type: "text", value, autocomplete: "off", required: true, maxLength: 1000 });
  setAttribute(input, "aria-label", label);
  input.placeholder = label;
  const fields = suggestions ? [input, offers(input, suggestions)] : [input];
  return open({ title, body, accept, fields, result: () => input.value.trim() || null });
}

function offers(input, suggestions) {
  const list = make("datalist", { id: "library_ask_list" });
  input.setAttribute("list", list.id);
  Promise.resolve(suggestions).then((names) => list.append(...names.map((name) => make("option", { value: name }))));
  return list;
}

/** Ask for a yes; true or null. */
export const askSure = ({ title, body, accept }) => open({ title, body, accept, result: () => true });

function open({ title, body, accept, fields = [], result }) {
  const heading = make("h2", { id: "library_ask_title", textContent: title });
  const cancel = make("button", { type: "button", className: "lib-button", textContent: text("cancel") });
  const yes = make("button", { type: "submit", className: "lib-button lib-primary", textContent: accept });
  const buttons = make("div", { className: "lib-ask-buttons" }, cancel, yes);
  const form = make("form", { method: "dialog" }, heading, ...(body ? [make("p", { textContent: body })] : []), ...fields, buttons);
  const dialog = make("dialog", { className: "lib-ask", "aria-labelledby": heading.id }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let answer = null;
    form.addEventListener("submit", () => (answer = result()));
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.showModal();
  });
}

/** A menu under a button: `items` are {label, sign, act}. Esc and clicks elsewhere close it. */
export function menu(anchor, items) {
  const list = make("div", { className: "lib-menu", role: "menu", popover: "auto" });
  list.dataset.ownKeys = "";
  for (const { label, sign, act } of items) {
    const item = make("button", { type: "button", role: "menuitem" }, ...(sign ? [icon(sign)] : []), make("span", { textContent: label }));
    item.addEventListener("click", () => {
      list.hidePopover();
      act();
    });
    list.append(item);
  }
  list.addEventListener("keydown", (event) => walk(event, list));
  list.addEventListener("toggle", ({ newState }) => {
    setAttribute(anchor, "aria-expanded", String(newState === "open"));
    if (newState === "closed") list.remove();
  });
  setAttribute(anchor, "aria-haspopup", "menu");
  (anchor.closest("dialog") ?? document.body).append(list);
  list.showPopover();
  place(list, anchor);
  list.firstElementChild?.focus();
}

function walk(event, list) {
  event.stopPropagation(); // the viewer's keys are not the menu's
  const items = [...list.children];
  const here = items.indexOf(document.activeElement);
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") list.hidePopover();
  if (to === undefined) return;
  event.preventDefault();
  items.at(to % items.length).focus();
}

function place(list, anchor) {
  const [box, own] = [anchor.getBoundingClientRect(), list.getBoundingClientRect()];
  const below = box.bottom + 6 + own.height <= innerHeight;
  const top = below ? box.bottom + 6 : Math.max(8, box.top - 6 - own.height);
  const left = Math.max(8, Math.min(box.left, innerWidth - own.width - 8));
  Object.assign(list.style, { top: `${top}px`, left: `${left}px` });
}
