// Short messages at the edge of the page: errors (read out at once) and notes; one may offer an action.

import { make, setText, text } from "./dom.js";

const SHOWN_MS = { error: 12000, note: 3500 };
const MOST = 4;
let shelf = null;

/**
 * Show one sentence. The same sentence is not shown twice at once. `action` ({label, act}) puts a
 * button beside it; while the pointer or the focus is on the message it stays.
 */
export function toast(message, kind = "error", { action = null, shownMs = SHOWN_MS[kind] } = {}) {
  shelf ??= make("div", { id: "easel_toasts" });
  comeHome();
  const same = [...shelf.children].find((t) => t.dataset.message === message);
  if (same) same.remove();
  const close = make("button", { type: "button", className: "close", textContent: "×", "aria-label": text("dismiss") });
  const card = make(
    "div",
    { className: `easel-toast ${kind}`, role: kind === "error" ? "alert" : "status" },
    make("span"),
  );
  if (action) card.append(actionButton(action, card));
  card.append(close);
  card.dataset.message = message;
  close.addEventListener("click", () => card.remove());
  shelf.append(card);
  setText(card.firstChild, message); // after it is in the page, so that it is read out
  while (shelf.children.length > MOST) shelf.firstChild.remove();
  expire(card, shownMs);
}

/** The messages lie in the topmost dialog: what is outside of an open one cannot be seen or pressed. */
function comeHome() {
  const home = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  if (shelf && shelf.parentElement !== home) home.append(shelf);
}
document.addEventListener("close", comeHome, { capture: true }); // a dialog's, which does not bubble

function actionButton({ label, act }, card) {
  const button = make("button", { type: "button", className: "act", textContent: label });
  button.addEventListener("click", () => {
    card.remove();
    act();
  });
  return button;
}

function expire(card, ms) {
  setTimeout(() => {
    if (card.isConnected && card.matches(":hover, :focus-within")) expire(card, 1000);
    else card.remove();
  }, ms);
}

/** A lasting line at the top of the page, or none for ""; `link` ({label, hint, href}) follows it. */
export function banner(message, link = null) {
  let line = document.getElementById("easel_banner");
  if (!line) {
    line = document.body.appendChild(make("div", { id: "easel_banner", role: "alert", hidden: true }));
  }
  if (line.dataset.message === message) return;
  line.dataset.message = message;
  line.replaceChildren(message);
  if (link) {
    const anchor = make("a", { href: link.href, title: link.hint, textContent: link.label, target: "_blank" });
    line.append(" ", anchor);
  }
  line.hidden = !message;
}
