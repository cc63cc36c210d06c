// The page's scripts, put together. Gradio's events call the methods of the object `start` returns.

import { ask } from "./api.js";
import { byId, fillTexts, memory, setAttribute, setText, text, whenPresent } from "./dom.js";
import { Form } from "./form.js";
import { ended, Jobs } from "./jobs.js";
import { Link } from "./link.js";
import { pictureUrl, Results } from "./results.js";
import { banner, toast } from "./toasts.js";
import { Viewer } from "./viewer.js";

const TAB = "txt2img";
const BANNER_AFTER_MS = 800;

/** Start everything; called once, by the page's head. */
export async function start() {
  const link = new Link();
  const jobs = new Jobs(link);
  const viewer = new Viewer(pictureUrl);
  const results = new Results(TAB, jobs, viewer);
  const form = new Form(TAB, jobs);
  const stop = (how) => stopJob(how, jobs, results);
  results.onSeed = (seed) => form.set({ seed });
  jobs.addEventListener("ended", ({ detail }) => {
    if (detail.state === "failed") toast(detail.error?.message ?? text("failed_title"));
    showDevice(0);
  });
  followConnection(link);
  handleKeys(viewer);
  dressHeader();
  link.start();
  return {
    submit: (_, values) => form.submit(values),
    restored: () => form.restored(),
    nativeSize: (_, values) => form.nativeSize(values),
    applied: () => form.applied(),
    reuseSeed: (_, { seed }) => reuseSeed(results.picture, seed),
    interrupt: () => stop("interrupt"),
    skip: () => stop("skip"),
  };
}

function reuseSeed(picture, seed) {
  if (!picture) toast(text("no_seed"), "note");
  return picture?.seed ?? seed;
}

async function stopJob(how, jobs, results) {
  const job = jobs.shown();
  if (!job || ended(job)) return;
  results.stopping(how === "skip" ? "skipping" : "interrupting");
  const action = job.state === "queued" ? "cancel" : how;
  try {
    await ask(`jobs/${encodeURIComponent(job.id)}/${action}`, { body: {} });
  } catch (error) {
    results.stopping(null);
    if (error.status !== 409) toast(error.message); // 409: it has just ended by itself
  }
}

/** Ctrl+Enter (or ⌘+Enter) generates, Esc interrupts unless it closes something. */
function handleKeys(viewer) {
  const press = (name) => {
    const focused = document.activeElement;
    if (focused?.matches("input")) focused.blur(); // numbers are taken over when they are left
    requestAnimationFrame(() => {
      byId(`${TAB}_${name}`)?.click();
      if (focused !== document.activeElement) focused.focus?.();
    });
  };
  addEventListener(
    "keydown",
    (event) => {
      if (viewer.isOpen || event.isComposing) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        event.stopPropagation();
        press("generate");
      } else if (event.key === "Escape" && !openList()) {
        press("interrupt");
      }
    },
    { capture: true },
  );
}

/** Whether a drop-down list is open, which Esc closes. */
const openList = () => document.querySelector('[role="listbox"], dialog[open]') !== null;

function followConnection(link) {
  let timer = null;
  let lost = false;
  link.addEventListener("online", ({ detail: online }) => {
    clearTimeout(timer);
    if (online) {
      banner("");
      if (lost) toast(text("online"), "note");
      lost = false;
      showDevice();
      return;
    }
    timer = setTimeout(() => {
      lost = true;
      banner(text("offline"));
    }, BANNER_AFTER_MS);
  });
}

/** Say what draws, or why nothing does; it starts after the page is served: ask for a while. */
async function showDevice(patience = 6, pause = 1500) {
  const chip = byId("easel_device");
  try {
    const { worker } = await ask("status");
    if (chip) chip.hidden = !worker.device;
    banner(worker.state === "waiting" ? text("no_worker", worker) : "");
    if (worker.device) setText(chip, `${worker.device} · ${worker.dtype}`);
    else if (patience) setTimeout(() => showDevice(patience - 1, pause * 2), pause);
  } catch {
    // Only a decoration.
  }
}

function dressHeader() {
  const chosen = memory.get("theme", null);
  whenPresent("easel_theme", (button) => {
    fillTexts(byId("easel_header"));
    if (chosen) document.body.classList.toggle("dark", chosen === "dark");
    button.addEventListener("click", () => {
      const dark = document.body.classList.toggle("dark");
      memory.set("theme", dark ? "dark" : "light");
    });
    showDevice();
  });
  setAttribute(document.documentElement, "lang", "en");
}
