// The stage: one frame that has the shape of the job's pictures from the moment it is submitted.
// Place in the queue, preview and picture appear inside that frame, so nothing moves.

import { byId, setAttribute, setText, text } from "./dom.js";
import { ended } from "./jobs.js";
import { pictureUrl, whyMissing } from "./picture.js";

const RETRY_MS = 3000;
const MISSING = { gone: ["gone_title", "gone_body"], unreached: ["unreached_title", "unreached_body"] };

export class Stage {
  #missing = new Map(); // picture id → "gone" or "unreached"

  /** `redraw` is called when it has become known why a picture does not appear. */
  constructor(redraw) {
    this.redraw = redraw;
  }

  /** Show a job: its preview, else its picture, else what it waits for or why there is nothing. */
  draw({ job, preview, picture, headline }) {
    const active = Boolean(job) && !ended(job);
    const missing = picture && !preview ? this.#missing.get(picture.id) : null;
    const framed = active || Boolean(picture && !missing);
    byId("easel_frame").hidden = !framed;
    if (framed) this.#shape(job, active && !picture ? null : picture);
    const frame = byId("easel_preview");
    frame.hidden = !preview;
    if (preview) setAttribute(frame, "src", preview.url);
    this.#drawPicture(picture, Boolean(preview) || Boolean(missing));
    const waits = active && !preview && !picture;
    byId("easel_frame").classList.toggle("busy", waits);
    setText(byId("easel_wait"), waits ? headline : "");
    drawHint(framed ? null : hintOf(job, missing), job?.state === "failed");
  }

  /** Give the frame the aspect of the picture, or of what was asked for. */
  #shape(job, picture) {
    const { width, height } = picture ?? job.request ?? {};
    const ratio = width && height ? width / height : 1;
    byId("easel_frame").style.setProperty("--ratio", ratio.toFixed(4));
  }

  #drawPicture(picture, covered) {
    const button = byId("easel_picture");
    button.hidden = covered || !picture;
    if (!picture) return;
    const img = button.firstElementChild;
    const url = pictureUrl(picture);
    if (img.dataset.url === url) return;
    img.dataset.url = url;
    img.onerror = () => this.#lost(picture);
    img.src = url;
  }

  /** The browser could not show it: find out why; what was only not reached is tried again. */
  async #lost(picture) {
    const why = await whyMissing(picture);
    this.#missing.set(picture.id, why);
    this.redraw();
    if (why !== "unreached") return;
    setTimeout(() => {
      this.#missing.delete(picture.id);
      delete byId("easel_picture")?.firstElementChild.dataset.url;
      this.redraw();
    }, RETRY_MS);
  }
}

/** What the stage says while it shows no picture: [title, sentence, whether to offer another run]. */
function hintOf(job, missing) {
  if (missing) return [...MISSING[missing].map((key) => text(key)), missing === "gone"];
  if (job?.state === "failed") return [text("failed_title"), job.error?.message ?? "", true];
  if (job?.state === "cancelled") return [text("cancelled"), "", true];
  if (job?.images.length) return [text("removed_title"), text("removed_body"), true];
  return [text("hint_title"), text("hint_body"), false];
}

function drawHint(hint, failed) {
  const box = byId("easel_hint");
  box.hidden = !hint;
  if (!hint) return;
  const [title, body, again] = hint;
  box.classList.toggle("failed", failed);
  setText(box.querySelector("strong"), title);
  setText(box.querySelector("span"), body);
  byId("easel_again").hidden = !again;
}
