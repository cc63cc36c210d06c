// The page's scripts, put together. Gradio's events call the methods of the object `start` returns.

import { ask } from "./api.js";
import { addDestination } from "./destinations.js";
import { byId, language, setAttribute, setText, text, whenPresent } from "./dom.js";
import { Extras, sendToExtras } from "./extras.js";
import { Form, usesExtra } from "./form.js";
import { QuickSettings } from "./form_quick.js";
import { Hires } from "./hires.js";
import { StartPicture } from "./img2img.js";
import { ended, Jobs, kindOf } from "./jobs.js";
import { Library } from "./library.js";
import { attempt, openTab, pictures } from "./library_actions.js";
import { Link } from "./link.js";
import { addSkipLinks, dressHeader } from "./looks.js";
import { followJobs } from "./notify.js";
import { PngInfo } from "./pnginfo.js";
import { Queue } from "./queue.js";
import { pictureUrl, Results } from "./results.js";
import { SettingsTab } from "./settings.js";
import { chooseView, dressForm, dressViewSwitch, variationSeed } from "./simple.js";
import { Sweeps } from "./sweep.js";
import { Tabs } from "./tabs.js";
import { banner, toast } from "./toasts.js";
import { Viewer } from "./viewer.js";

const FORMS = ["txt2img", "img2img"];
const BANNER_AFTER_MS = 800;

/** Start everything; called once, by the page's head. */
export async function start() {
  const link = new Link();
  const jobs = new Jobs(link);
  const tabs = new Tabs(FORMS);
  chooseView(FORMS[0]);
  whenPresent("easel_view", dressViewSwitch);
  const forms = Object.fromEntries(FORMS.map((tab) => [tab, new Form(tab, jobs)]));
  const all = Object.values(forms);
  for (const form of all) dressForm(form, jobs);
  shareCheckpoint(all);
  new QuickSettings(all, tabs);
  for (const form of all) new Sweeps(form);
  const hires = new Hires(forms.txt2img);
  const picture = new StartPicture(forms.img2img);
  const viewer = new Viewer(pictureUrl, (found) => fillIn(forms.txt2img, found));
  new Library(viewer, link);
  keepUpWithLibrary(jobs);
  new Extras(jobs, viewer);
  const results = new Results(FORMS, jobs, viewer);
  new SettingsTab(all, tabs);
  addDestinations(forms, picture, new PngInfo());
  const queue = new Queue(jobs, link);
  results.onReuse = (values) => reuse(values, forms, tabs, picture);
  results.onAgain = (job) => queue.again(job);
  results.onUpscale = async (request) => attempt(async () => queue.submit("txt2img", await hires.enlarged(request)));
  jobs.addEventListener("ended", ({ detail }) => {
    if (detail.state === "failed") toast(detail.error?.message ?? text("failed_title"));
    showDevice(jobs, 0);
  });
  followJobs(jobs);
  followConnection(link, jobs);
  handleKeys(viewer, tabs);
  dressHeader();
  whenPresent("easel_device", () => showDevice(jobs));
  addSkipLinks(() => tabs.form);
  setAttribute(document.documentElement, "lang", language);
  link.start();
  const stop = (how) => stopJob(how, jobs, results);
  return {
    submit: (tab, values) => forms[tab].submit(values),
    restored: (tab) => forms[tab].restored(),
    nativeSize: (tab, values) => forms[tab].nativeSize(values),
    collected: (tab, values) => forms[tab].collected(values),
    reuseVariation: (_, { variation_seed: seed }) => variationSeed(results.picture, seed),
    reuseSeed: (_, { seed }) => reuseSeed(results.picture, seed),
    interrupt: () => stop("interrupt"),
    skip: () => stop("skip"),
  };
}

/** Put what a picture was made with into a form, and show it. */
function fillIn(form, found) {
  openTab(form.tab);
  return form.fill(found);
}

/** Where pictures can be sent from the result, the viewer, the library and PNG Info. */
function addDestinations(forms, picture, info) {
  const add = (id, send, more = {}) => addDestination({ id, label: text(`send_${id}`), send, ...more });
  const fromFile = (mode) => async ({ file, found }) => {
    openTab("img2img");
    await picture.put(await file(), { exact: true });
    picture.mode = mode;
    const told = await found();
    const { width, height, ...values } = told?.values ?? {}; // the size is the picture's
    if (told?.has_parameters) await forms.img2img.fill({ ...told, values });
  };
  add("txt2img", async ({ found }) => fillIn(forms.txt2img, await found()), { picture: false });
  add("img2img", fromFile("img2img"));
  add("inpaint", fromFile("inpaint"));
  add("extras", async ({ file }) => sendToExtras(await file()));
  add("pnginfo", async ({ file }) => {
    openTab("pnginfo");
    info.take(await file());
  });
}

/** All forms draw with the checkpoint that was chosen in one of them. */
function shareCheckpoint(forms) {
  for (const form of forms) {
    let last = null;
    form.addEventListener("values", ({ detail: { checkpoint } }) => {
      const chosen = last !== null && checkpoint && checkpoint !== last;
      last = checkpoint ?? last;
      if (!chosen) return;
      for (const other of forms) if (other !== form && other.values?.checkpoint !== checkpoint) other.set({ checkpoint });
    });
  }
}

/** Put values of a picture that was drawn into the form it was drawn with, or seeds and words into the one that is open. */
function reuse(values, forms, tabs, picture) {
  const whole = "width" in values;
  const form = forms[whole ? kindOf(values) : tabs.form];
  if (whole) openTab(form.tab);
  if (whole && form === forms.img2img) picture.take(values);
  form.set(values);
  const extra = usesExtra(values);
  if (extra !== undefined) form.dispatchEvent(new CustomEvent("filled", { detail: { extra } }));
  toast(text("reuse_done"), "note");
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
function handleKeys(viewer, tabs) {
  const press = (name) => {
    const focused = document.activeElement;
    if (focused?.matches("input")) focused.blur(); // numbers are taken over when they are left
    requestAnimationFrame(() => {
      byId(`${tabs.form}_${name}`)?.click();
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
