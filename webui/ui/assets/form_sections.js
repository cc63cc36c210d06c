// The folded parts of the form say, without being opened, how much in them is not as usual.

import { make, setAttribute, setText, text, whenPresent } from "./dom.js";

const ALMOST = 1e-9; // sliders compute their values

/** A badge in the title of each section: how many of its fields differ from their defaults. */
export function changeBadges(form) {
  const sections = new Set(Object.values(form.fields).map(({ section }) => section).filter(Boolean));
  for (const section of sections) {
    whenPresent(`${form.tab}_section_${section}`, (accordion) => {
      const badge = make("span", { className: "easel-changed", hidden: true });
      accordion.querySelector("button > span").after(badge);
      const count = () => show(badge, changed(form, section));
      form.addEventListener("values", count);
      count();
    });
  }
}

/** The labels of a section's fields that are not at their defaults. */
function changed(form, section) {
  const values = form.values ?? {};
  return Object.entries(form.fields)
    .filter(([name, field]) => field.section === section && differs(values[name], field.default))
    .map(([, { label }]) => label);
}

/** An emptied control means the default. */
function differs(value, usual) {
  if (value === null || value === undefined || value === "") return false;
  if (typeof value === "number" && typeof usual === "number") return Math.abs(value - usual) > ALMOST;
  return value !== usual;
}

function show(badge, labels) {
  badge.hidden = labels.length === 0;
  setText(badge, labels.length ? text("section_changed", { count: labels.length }) : "");
  setAttribute(badge, "title", labels.join(", "));
}
