// Short messages at the edge of the page: errors (read out at once) and notes.

import { make, setText, text } from "./dom.js";

const SHOWN_MS = { error: 12000, note: 3500 };
const MOST = 4;
let shelf = null;

/** Show one sentence. The same sentence is not shown twice at once. */
export function toast(message, kind = "error") {
  shelf ??= document.body.appendChild(make("div", { id: "easel_toasts" }));
  const same = [...shelf.children].find((t) => t.dataset.message === message);
  if (same) same.remove();
  const close = make("button", { type: "button", textContent: "×", "aria-label": text("dismiss") });
  const card = make(
    "div",
    { className: `easel-toast ${kind}`, role: kind === "error" ? "alert" : "status" },
    make("span"),
    close,
  );
  card.dataset.message = message;
  close.addEventListener("click", () => card.remove());
  shelf.append(card);
  setText(card.firstChild, message); // after it is in the page, so that it is read out
  while (shelf.children.length > MOST) shelf.firstChild.remove();
  setTimeout(() => card.remove(), SHOWN_MS[kind]);
}

/** A lasting line at the top of the page, or none for "". */
export function banner(message) {
  let line = document.getElementById("easel_banner");
  if (!line) {
    line = document.body.appendChild(make("div", { id: "easel_banner", role: "alert", hidden: true }));
  }
  setText(line, message);
  line.hidden = !message;
}
