// What the settings tab has beside the settings: this browser's language, what the form begins
// with, and taking over another installation.

import { ask } from "./api.js";
import { forms, language, languages, make, text } from "./dom.js";
import { toast } from "./toasts.js";

const COOKIE = "easel_language";
const YEAR_SECONDS = 31536000;
const IMPORT_MS = 120000;
const SHOWN_NAMES = 60;

/** The language of the page, which this browser remembers. */
export function browserPanel() {
  const select = make("select", { id: "easel_language", "aria-describedby": "easel_language_help" });
  select.append(make("option", { value: "", textContent: text("settings_language_auto") }));
  for (const [code, name] of Object.entries(languages)) {
    select.append(make("option", { value: code, textContent: name, lang: code }));
  }
  select.value = new RegExp(`(?:^|; )${COOKIE}=`).test(document.cookie) ? language : "";
  select.addEventListener("change", () => {
    const age = select.value ? YEAR_SECONDS : 0;
    document.cookie = `${COOKIE}=${select.value}; path=/; max-age=${age}; samesite=lax`;
    location.reload();
  });
  const label = make("label", { htmlFor: select.id, textContent: text("settings_language") });
  const help = make("p", {
    className: "easel-setting-help",
    id: "easel_language_help",
    textContent: text("settings_language_help"),
  });
  const row = make(
    "div",
    { className: "easel-setting" },
    make("div", { className: "easel-setting-name" }, label),
    help,
    make("div", { className: "easel-setting-control" }, select),
  );
  return panel(text("settings_browser"), row);
}

/** What forms begin with in browsers that remember nothing; the one that was open last is saved. */
export function startPanel(saved, tabs) {
  const last = () => saved.find(({ tab }) => tab === tabs.form);
  const now = make("p", { className: "easel-setting-help", id: "easel_defaults_now" });
  const save = button("easel_make_defaults", text("settings_make_defaults"));
  const forget = button("easel_forget_defaults", text("settings_forget_defaults"));
  const show = (all) => {
    const lines = saved.map(({ tab }) => [tab, Object.keys(all[tab] ?? {})]).filter(([, names]) => names.length);
    const labels = ([tab, names]) => names.map((name) => forms[tab][name]?.label ?? name).join(", ");
    const words = lines.map((line) => text("settings_some_defaults", { form: text(`tab_${line[0]}`), fields: labels(line) }));
    forget.disabled = lines.length === 0;
    now.textContent = lines.length ? words.join(" ") : text("settings_no_defaults");
  };
  const name = () => (save.title = text("settings_make_defaults_hint", { form: text(`tab_${tabs.form}`) }));
  tabs.addEventListener("opened", name);
  name();
  save.addEventListener("click", () =>
    attempt(save, async () => {
      const form = last();
      const values = await form.read();
      const given = Object.fromEntries(Object.entries(values).filter(([, v]) => v !== null && v !== undefined));
      show(await ask("defaults", { method: "PUT", body: { [form.tab]: given } }));
      toast(text("settings_defaults_saved"), "note");
    }),
  );
  forget.addEventListener("click", () =>
    attempt(forget, async () => {
      show(await ask("defaults", { method: "DELETE" }));
      toast(text("settings_defaults_gone"), "note");
    }),
  );
  attempt(null, async () => show(await ask("defaults")));
  const help = make("p", { className: "easel-setting-help", textContent: text("settings_start_help") });
  const buttons = make("div", { className: "easel-setting-control" }, save, forget);
  return panel(text("settings_start"), make("div", { className: "easel-setting" }, help, now, buttons));
}

/** Taking over an installation of another program; `imported` is called afterwards. */
export function importPanel(imported) {
  const input = make("input", {
    id: "easel_import_folder",
    type: "text",
    autocomplete: "off",
    spellcheck: false,
    "aria-describedby": "easel_import_error",
  });
  const label = make("label", { htmlFor: input.id, textContent: text("settings_import_folder") });
  const start = button("easel_import", text("settings_import_do"));
  const wrong = make("p", { id: "easel_import_error", className: "easel-setting-error", role: "alert", hidden: true });
  const report = make("div", { id: "easel_import_report", className: "easel-import-report", role: "status" });
  report.append(...(lastReport ?? []));
  const run = async () => {
    wrong.hidden = true;
    report.replaceChildren(make("p", { textContent: text("settings_importing") }));
    start.disabled = true;
    try {
      const body = { folder: input.value };
      lastReport = told(await ask("settings/import", { body, patience: IMPORT_MS }));
      imported();
    } catch (error) {
      report.replaceChildren();
      wrong.textContent = error.message;
      wrong.hidden = false;
      input.focus();
    } finally {
      start.disabled = false;
    }
  };
  start.addEventListener("click", run);
  input.addEventListener("keydown", (event) => event.key === "Enter" && run());
  const help = make("p", { className: "easel-setting-help", textContent: text("settings_import_help") });
  const row = make(
    "div",
    { className: "easel-setting string" },
    make("div", { className: "easel-setting-name" }, label),
    help,
    make("div", { className: "easel-setting-control" }, input, start),
    wrong,
    report,
  );
  return panel(text("settings_import"), row);
}

let lastReport = null; // shown again when the tab is built anew after an import

/** What an import says, as elements. */
function told({ program, checkpoints, taken, styles, refused, unknown }) {
  const lines = [
    text("settings_import_models", { names: listed(checkpoints) }),
    text("settings_import_taken", { names: listed(taken) }),
    text("settings_import_styles", { names: listed(styles.added) }),
  ];
  if (styles.kept.length) lines.push(text("settings_import_kept", { names: listed(styles.kept) }));
  lines.push(...refused.map((one) => text("settings_import_refused", one)));
  const list = make("ul", {}, ...lines.map((line) => make("li", { textContent: line })));
  const parts = [make("p", { textContent: text("settings_import_done", { program }) }), list];
  if (unknown.length) {
    const summary = make("summary", { textContent: text("settings_import_unknown", { count: unknown.length }) });
    parts.push(make("details", {}, summary, make("p", { textContent: unknown.join(", ") })));
  }
  return parts;
}

function listed(names) {
  if (!names.length) return text("settings_import_nothing");
  return names.slice(0, SHOWN_NAMES).join(", ") + (names.length > SHOWN_NAMES ? ", …" : "");
}

function panel(title, ...rows) {
  return { element: make("section", { className: "easel-settings-group" }, make("h3", { textContent: title }), ...rows) };
}

function button(id, words) {
  return make("button", { id, type: "button", className: "easel-settings-button", textContent: words });
}

async function attempt(pressed, action) {
  if (pressed) pressed.disabled = true;
  try {
    await action();
  } catch (error) {
    toast(error.message);
  } finally {
    if (pressed && pressed.id !== "easel_forget_defaults") pressed.disabled = false;
  }
}
