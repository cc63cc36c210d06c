// What tells a person who looks elsewhere: the page's title, and, where wanted, a sound and a
// notification when a job ends while the page is hidden. Both are off until turned on.

import { make, memory, text } from "./dom.js";
import { ended, percentOf } from "./jobs.js";
import { toast } from "./toasts.js";

const NAME = "Easel";
const TONES = [660, 880]; // Hz, one after the other
const TONE_SECONDS = 0.16;
const LOUDNESS = 0.12;

/** Follow the jobs in the title, and tell of their ends. */
export function followJobs(jobs) {
  let over = null; // how the last job ended while nobody looked
  const title = () => {
    const job = jobs.shown();
    const running = job && !ended(job) && job.state === "running";
    if (running) over = null;
    const line = running ? text("title_progress", { percent: percentOf(job) }) : over;
    if (document.title !== (line ?? NAME)) document.title = line ?? NAME;
  };
  jobs.addEventListener("change", title);
  jobs.addEventListener("ended", ({ detail: job }) => {
    if (!document.hidden || !jobs.ids.includes(job.id)) return;
    over = text(job.state === "failed" ? "title_failed" : "title_done");
    tell(job);
    title();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) over = null;
    title();
  });
}

/** The two switches, for the queue's drawer. */
export function whenDone() {
  return make(
    "fieldset",
    { className: "when-done" },
    make("legend", { textContent: text("when_done") }),
    toggle("sound", async () => {
      playSound();
      return true;
    }),
    toggle("notify", allowed),
  );
}

function toggle(name, turnOn) {
  const box = make("input", { type: "checkbox", id: `easel_${name}`, checked: memory.get(name, false) === true });
  box.addEventListener("change", async () => {
    box.checked = box.checked && (await turnOn());
    memory.set(name, box.checked);
  });
  return make("label", {}, box, make("span", { textContent: text(name === "sound" ? "sound" : "notify") }));
}

/** Ask the browser's permission; only ever called on the click that turns notifications on. */
async function allowed() {
  if (!("Notification" in window) || !isSecureContext) {
    toast(text("notify_impossible"), "note");
    return false;
  }
  const answer = await Notification.requestPermission();
  if (answer !== "granted") toast(text("notify_denied"), "note");
  return answer === "granted";
}

function tell(job) {
  if (job.state === "cancelled" || memory.get("told", null) === job.id) return; // another tab did
  memory.set("told", job.id);
  if (memory.get("sound", false) === true) playSound();
  if (memory.get("notify", false) === true) showNotification(job);
}

function showNotification(job) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const title = text(job.state === "failed" ? "notify_failed" : "notify_done");
  try {
    const note = new Notification(title, { body: job.summary, tag: job.id });
    note.onclick = () => {
      window.focus();
      note.close();
    };
  } catch {
    // Some phones only let service workers show them.
  }
}

function playSound() {
  const audio = new AudioContext();
  const volume = new GainNode(audio, { gain: LOUDNESS });
  volume.connect(audio.destination);
  TONES.forEach((frequency, i) => {
    const tone = new OscillatorNode(audio, { type: "sine", frequency });
    tone.connect(volume);
    tone.start(audio.currentTime + i * TONE_SECONDS);
    tone.stop(audio.currentTime + (i + 1) * TONE_SECONDS);
    if (i === TONES.length - 1) tone.onended = () => audio.close();
  });
}
