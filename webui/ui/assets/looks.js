// Light or dark, and the links that let the keyboard skip the header.

import { byId, fillTexts, make, memory, setAttribute, text, whenPresent } from "./dom.js";

const MODES = { system: "theme_system", light: "theme_light", dark: "theme_dark" };
const systemDark = matchMedia("(prefers-color-scheme: dark)");

const mode = () => {
  const kept = memory.get("theme", "system");
  return kept in MODES ? kept : "system";
};

/** Give the header its texts and the button that goes through the modes. */
export function dressHeader() {
  whenPresent("easel_theme", (button) => {
    fillTexts(byId("easel_header"));
    button.addEventListener("click", () => {
      const names = Object.keys(MODES);
      memory.set("theme", names[(names.indexOf(mode()) + 1) % names.length]);
      wear(button);
    });
    wear(button);
  });
  systemDark.addEventListener("change", () => byId("easel_theme") && wear(byId("easel_theme")));
}

/** Links that appear on the first Tab: past the header, to the prompt of the form `tab()` or to the result. */
export function addSkipLinks(tab) {
  const link = (key, find) => {
    const made = make("a", { href: "#", className: "easel-skip", textContent: text(key) });
    made.addEventListener("click", (event) => {
      event.preventDefault();
      find()?.focus();
    });
    return made;
  };
  document.body.prepend(
    make(
      "nav",
      { className: "easel-skips", "aria-label": "Easel" },
      link("skip_to_prompt", () => byId(`${tab()}_prompt`)?.querySelector("textarea")),
      link("skip_to_result", () => byId("easel_results_title")),
    ),
  );
}

function wear(button) {
  const chosen = mode();
  const dark = chosen === "dark" || (chosen === "system" && systemDark.matches);
  document.body.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  setAttribute(button, "data-mode", chosen);
  const label = `${text("theme")}: ${text(MODES[chosen])}`;
  setAttribute(button, "aria-label", label);
  setAttribute(button, "title", label);
}
