// The page's scripts, put together. Gradio's events call the methods of the object `start` returns.

import { ask } from "./api.js";
import { byId, language, setAttribute, setText, text, whenPresent } from "./dom.js";
import { Extras } from "./extras.js";
import { Form, usesExtra } from "./form.js";
import { ended, Jobs } from "./jobs.js";
import { Library } from "./library.js";
import { openTab, pictures } from "./library_actions.js";
import { Link } from "./link.js";
import { addSkipLinks, dressHeader } from "./looks.js";
import { followJobs } from "./notify.js";
import { PngInfo } from "./pnginfo.js";
import { Queue } from "./queue.js";
import { pictureUrl, Results } from "./results.js";
import { SettingsTab } from "./settings.js";
import { chooseView, dressForm, variationSeed } from "./simple.js";
import { Sweeps } from "./sweep.js";
import { banner, toast } from "./toasts.js";
import { Viewer } from "./viewer.js";

const TAB = "txt2img";
const BANNER_AFTER_MS = 800;

/** Start everything; called once, by the page's head. */
export async function start() {
  const link = new Link();
  const jobs = new Jobs(link);
  const viewer = new Viewer(pictureUrl, (found) => fillIn(form, found));
  new Library(viewer, link);
  keepUpWithLibrary(jobs);
  new Extras(jobs, viewer);
  const results = new Results(TAB, jobs, viewer);
  chooseView(TAB);
  const form = new Form(TAB, jobs);
  dressForm(form, jobs);
  new Sweeps(form);
  new SettingsTab(form);
  const info = new PngInfo((found) => fillIn(form, found));
  viewer.inspect = (image) => {
    openTab("pnginfo");
    info.readOwn(pictureUrl(image));
  };
  const queue = new Queue(jobs, link);
  const stop = (how) => stopJob(how, jobs, results);
  results.onReuse = (values) => {
    form.set(values);
    const extra = usesExtra(values);
    if (extra !== undefined) form.dispatchEvent(new CustomEvent("filled", { detail: { extra } }));
    toast(text("reuse_done"), "note");
  };
  results.onAgain = (job) => queue.again(job);
  jobs.addEventListener("ended", ({ detail }) => {
    if (detail.state === "failed") toast(detail.error?.message ?? text("failed_title"));
    showDevice(jobs, 0);
  });
  followJobs(jobs);
  followConnection(link, jobs);
  handleKeys(viewer);
  dressHeader();
  whenPresent("easel_device", () => showDevice(jobs));
  addSkipLinks(TAB);
  setAttribute(document.documentElement, "lang", language);
  link.start();
  return {
    submit: (_, values) => form.submit(values),
    restored: () => form.restored(),
    nativeSize: (_, values) => form.nativeSize(values),
    collected: (_, values) => form.collected(values),
    reuseVariation: (_, { variation_seed: seed }) => variationSeed(results.picture, seed),
    reuseSeed: (_, { seed }) => reuseSeed(results.picture, seed),
    interrupt: () => stop("interrupt"),
    skip: () => stop("skip"),
  };
}

/** Put what a picture was made with into the form, and show it. */
function fillIn(form, found) {
  openTab(TAB);
  form.fill(found);
}

/** What is done with pictures in the library or the viewer shows in the result pane, too. */
function keepUpWithLibrary(jobs) {
  pictures.addEventListener("changed", ({ detail: { ids, changes } }) => {
    for (const id of ids) jobs.updateImage(id, changes);
  });
  for (const kind of ["removed", "restored"]) {
    pictures.addEventListener(kind, () => jobs.dispatchEvent(new Event("change")));
  }
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
      if (viewer.isOpen || event.isComposing || event.target.closest?.("#easel_queue, [data-own-keys]")) return;
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
const openList = () => document.querySelector('[role="listbox"], [role="menu"], dialog[open]') !== null;

function followConnection(link, jobs) {
  let timer = null;
  let lost = false;
  const signIn = {
    label: text("sign_in"),
    hint: text("sign_in_hint"),
    href: new URL("login", document.baseURI).href,
  };
  let signedOut = false;
  addEventListener("easel-signed-out", () => {
    signedOut = true;
    banner(text("signed_out"), signIn);
  });
  link.addEventListener("online", ({ detail: online }) => {
    clearTimeout(timer);
    document.documentElement.toggleAttribute("data-easel-offline", !online);
    if (online) {
      banner("");
      if (lost) toast(text("online"), "note");
      lost = signedOut = false;
      showDevice(jobs);
      return;
    }
    timer = setTimeout(() => {
      lost = true;
      if (!signedOut) banner(text("offline"));
    }, BANNER_AFTER_MS);
  });
}

/** Say what draws, or why nothing does; it starts after the page is served: ask for a while. */
async function showDevice(jobs, patience = 6, pause = 1500) {
  const chip = byId("easel_device");
  try {
    const { worker, caller } = await ask("status");
    jobs.caller = caller;
    if (chip) chip.hidden = !worker.device;
    banner(worker.state === "waiting" ? text("no_worker", worker) : "");
    if (worker.device) setText(chip, `${worker.device} · ${worker.dtype}`);
    else if (patience) setTimeout(() => showDevice(jobs, patience - 1, pause * 2), pause);
  } catch {
    // Only a decoration.
  }
}

// A browser stops with Tab at a list that scrolls, such as a long one of Gradio's drop-downs: that
// list closes when its field loses the focus, and the focus would be lost with it.
addEventListener(
  "keydown",
  ({ key }) => {
    if (key !== "Tab") return;
    for (const list of document.querySelectorAll(".option-list")) list.tabIndex = -1;
  },
  true,
);
