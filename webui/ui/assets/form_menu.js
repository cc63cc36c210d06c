// The menu of the Generate button, and drawing again and again until told to stop.

import { byId, make, setText, text, whenPresent } from "./dom.js";
import { ended } from "./jobs.js";

const LONG_PRESS_MS = 550;
const BETWEEN_MS = 100;

/** Generates as soon as the last job has ended, with what is in the form then. */
export class Forever {
  #on = false;
  #awaited = null; // id of the job whose end is waited for

  constructor(form, jobs) {
    Object.assign(this, { form, jobs });
    form.addEventListener("submitted", ({ detail }) => this.#on && (this.#awaited = detail.job.id));
    form.addEventListener("refused", () => this.stop());
    jobs.addEventListener("ended", ({ detail }) => this.#goOn(detail));
    jobs.addEventListener("change", () => this.#goOn(jobs.shown())); // one that ended before it was known
    whenPresent(`${form.tab}_forever`, (chip) => {
      chip.addEventListener("click", () => this.stop());
      this.#show();
    });
  }

  start() {
    if (this.#on) return;
    this.#on = true;
    this.#show();
    const job = this.jobs.shown();
    if (job && !ended(job)) this.#awaited = job.id;
    else this.#generate();
  }

  stop() {
    this.#on = false;
    this.#awaited = null;
    this.#show();
  }

  #goOn(job) {
    if (!this.#on || !job || job.id !== this.#awaited || !ended(job)) return;
    this.#awaited = null;
    if (job.state === "failed") this.stop();
    else setTimeout(() => this.#on && this.#generate(), BETWEEN_MS);
  }

  #generate() {
    byId(`${this.form.tab}_generate`)?.click();
  }

  #show() {
    const chip = byId(`${this.form.tab}_forever`);
    if (!chip) return;
    chip.hidden = !this.#on;
    setText(chip, text("forever_on"));
  }
}

/** Open a menu of `entries` ([label, action]) on `button` by right-click, long press or menu key. */
export function contextMenu(button, id, entries) {
  let pressing = null;
  button.addEventListener("contextmenu", (event) => {
    event.preventDefault();
    clearTimeout(pressing);
    if (event.pointerType === "touch") notAClick(button);
    // The menu key and Shift+F10 have no pointer: below the button then.
    open(button, id, entries, event.button === 2 ? [event.clientX, event.clientY] : null);
  });
  button.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    pressing = setTimeout(() => {
      notAClick(button);
      open(button, id, entries, null);
    }, LONG_PRESS_MS);
  });
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
    button.addEventListener(kind, () => clearTimeout(pressing));
  }
}

/** The finger that is on the button now does not press it when it is lifted. */
function notAClick(button) {
  const lifted = new AbortController();
  const end = (event) => {
    if (event.cancelable) event.preventDefault();
    lifted.abort();
  };
  for (const kind of ["touchend", "touchcancel"]) {
    button.addEventListener(kind, end, { passive: false, signal: lifted.signal });
  }
}

function open(button, id, entries, place) {
  byId(id)?.remove();
  const items = entries.map(([label, act]) => {
    const item = make("button", { type: "button", role: "menuitem", tabIndex: -1, textContent: label });
    item.addEventListener("click", () => {
      close();
      act();
    });
    return item;
  });
  const menu = make("div", { id, role: "menu", className: "easel-menu", "aria-label": text("generate_menu") }, ...items);
  const outside = ({ target }) => menu.contains(target) || close();
  const close = () => {
    menu.remove();
    removeEventListener("pointerdown", outside, { capture: true });
    if (document.activeElement === document.body) button.focus();
  };
  menu.addEventListener("keydown", (event) => menuKey(event, items, close));
  menu.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !menu.contains(relatedTarget) && close());
  addEventListener("pointerdown", outside, { capture: true });
  document.body.append(menu);
  const box = button.getBoundingClientRect();
  const [left, top] = place ?? [box.left, box.bottom + 4];
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(top, innerHeight - menu.offsetHeight - 8))}px`;
  items[0].focus();
}

function menuKey(event, items, close) {
  const at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (next !== undefined) items.at(next % items.length).focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
