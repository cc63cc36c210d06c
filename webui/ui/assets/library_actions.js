// What can be done with pictures, from the grid and from the viewer alike.

import { ask } from "./api.js";
import { destinations } from "./destinations.js";
import { byId, make, text } from "./dom.js";
import { menu } from "./library_dialogs.js";
import { deleted, fileName, pictureUrl } from "./picture.js";
import { toast } from "./toasts.js";

const AT_ONCE = 1000; // ids in one request
const PACKING_MS = 600000;
const UNDO_MS = 10000;

/**
 * Tells every part of the page what was done. Events, each with `ids`: "changed" (detail has
 * `changes`), "removed", "restored", "sorted" (boards or tags).
 */
export const pictures = new EventTarget();

let lastUndo = null;

const pathOf = (id, rest = "") => `images/${encodeURIComponent(id)}${rest}`;

function tell(kind, detail) {
  pictures.dispatchEvent(new CustomEvent(kind, { detail }));
}

/** Run `act`; a failure becomes a message and null. */
export async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    toast(error.message);
    return null;
  }
}

/** One action for many pictures; what the server says of the last of them, or null. */
export function bulk(ids, action, more = {}) {
  return attempt(async () => {
    let done = null;
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      done = await ask("library/bulk", { body: { ids: ids.slice(from, from + AT_ONCE), action, ...more } });
    }
    return done;
  });
}

export async function favourite(ids, on) {
  const done =
    ids.length === 1
      ? await attempt(() => ask(pathOf(ids[0]), { method: "PATCH", body: { favourite: on } }))
      : await bulk(ids, on ? "favourite" : "unfavourite");
  if (done) tell("changed", { ids, changes: { favourite: on } });
}

/** Move pictures to the trash and offer to undo it; true when it was done. */
export async function remove(ids) {
  const done = await bulk(ids, "delete");
  if (!done) return false;
  for (const id of ids) deleted.set({ id }, true);
  lastUndo = () => restore(ids);
  tell("removed", { ids });
  const count = ids.length;
  const message = [text(count === 1 ? "deleted_one" : "deleted_many", { count }), done.message].join(" ").trim();
  toast(message, "note", { action: { label: text("undo"), act: undo }, shownMs: UNDO_MS });
  return true;
}

/** Take back the last deletion, once. */
export async function undo() {
  const act = lastUndo;
  lastUndo = null;
  await act?.();
}

/** Delete for good what is in the trash. */
export async function emptyTrash() {
  const done = await attempt(() => ask("library/empty-trash", { body: {} }));
  if (!done) return;
  lastUndo = null;
  toast(text("trash_emptied", { count: done.removed }), "note");
  tell("sorted", { ids: [] });
}

export async function restore(ids) {
  if (!(await bulk(ids, "restore"))) return;
  for (const id of ids) deleted.set({ id }, false);
  const count = ids.length;
  toast(text(count === 1 ? "restored_one" : "restored_many", { count }), "note");
  tell("restored", { ids });
}

/** Put pictures into a board or take them out ("add_to_board", "remove_from_board"). */
export async function sortInto(ids, action, board) {
  if (!(await bulk(ids, action, { board: board.id }))) return;
  const key = action === "add_to_board" ? "added_to_board" : "removed_from_board";
  toast(text(key, { count: ids.length, name: board.name }), "note");
  tell("sorted", { ids });
}

export async function tag(ids, name) {
  if (!(await bulk(ids, "tag", { tag: name }))) return;
  toast(text("tagged", { count: ids.length, name }), "note");
  tell("sorted", { ids });
}

/** Save one picture under its own name. */
export function save(image) {
  const url = new URL(pictureUrl(image));
  url.searchParams.set("download", "true");
  hand(url.href, fileName(image));
}

/** Save pictures as one zip file. */
export async function pack(ids) {
  toast(text("exporting", { count: ids.length }), "note");
  const zip = await attempt(() => ask("library/export", { body: { ids }, patience: PACKING_MS }));
  if (!zip) return;
  const url = URL.createObjectURL(zip);
  hand(url, "easel.zip");
  setTimeout(() => URL.revokeObjectURL(url), PACKING_MS);
}

function hand(href, name) {
  const link = make("a", { href, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

const PAIR = /(\w[\w \-/]{0,80}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)/g;
const NEGATIVE = "Negative prompt:";
const FEWEST_PAIRS = 3; // a line with fewer belongs to the prompt

/** What an infotext says, to be shown: {prompt, negative, pairs: [[key, value], …]}. */
export function told({ infotext = "" }) {
  const lines = infotext.trim().split("\n");
  const pairs = [...lines.at(-1).matchAll(PAIR)].map(([, key, value]) => [key.trim(), unquoted(value.trim())]);
  if (pairs.length >= FEWEST_PAIRS) lines.pop();
  const from = lines.findIndex((line) => line.startsWith(NEGATIVE));
  const [prompt, negative] = from < 0 ? [lines, []] : [lines.slice(0, from), lines.slice(from)];
  return {
    prompt: prompt.join("\n").trim(),
    negative: negative.join("\n").slice(NEGATIVE.length).trim(),
    pairs: pairs.length >= FEWEST_PAIRS ? pairs : [],
  };
}

function unquoted(value) {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

const SENDABLE = [
  ["everything", "send_everything"],
  ["prompt", "send_prompt"],
  ["seed", "send_seed"],
];

/**
 * What "everything", "prompt" or "seed" of a picture puts into the form: {values, problems,
 * has_parameters}, as the server reads it; null, and a message, when there is nothing.
 */
export async function toSend(image, what) {
  if (what === "seed" && image.seed >= 0) return part({ seed: image.seed });
  const found = await attempt(() => ask(`infotext/images/${encodeURIComponent(image.id)}`));
  if (!found) return null;
  const { prompt, negative_prompt = "", seed } = found.values;
  const chosen = { everything: found, prompt: part({ prompt, negative_prompt }), seed: part({ seed }) }[what];
  if (Object.values(chosen.values).some((value) => value !== undefined && value !== "")) return chosen;
  toast(text("no_parameters"), "note");
  return null;
}

/**
 * What the button to send a picture on offers: parts of what it was made with for the form, where
 * `send` takes them, and every other destination. `leave` is called before the page shows another tab.
 */
export function sendMenu(anchor, image, { send = null, leave = () => {} } = {}) {
  const parts = send ? SENDABLE.map(([what, key]) => ({ label: text(key), act: () => send(what) })) : [];
  const others = destinations().filter(({ id }) => !send || id !== "txt2img");
  const act = (destination) => () => {
    leave();
    attempt(() => destination.send(sendable(image)));
  };
  menu(anchor, [...parts, ...others.map((one) => ({ label: one.label, act: act(one) }))]);
}

/** A picture of the library as destinations take it. */
function sendable(image) {
  return {
    file: () => ask(pathOf(image.id)),
    found: () => ask(`infotext/images/${encodeURIComponent(image.id)}`).catch(() => null),
  };
}

const part = (values) => ({ values, problems: [], has_parameters: false });

/** Open a tab of the page. */
export function openTab(id) {
  byId(`tab_${id}-button`)?.click();
}
