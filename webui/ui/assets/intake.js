// How pictures come into the page: dropped, pasted, or chosen as files. Each place says what it does with them.

import { text } from "./dom.js";
import { toast } from "./toasts.js";

const MARK = "easel-drop"; // the class of a place over which a picture is held
const ADDRESSES = "text/uri-list";
const WRITING = "textarea, input, [contenteditable=true]";

/**
 * Let a place take up pictures in every way: `take(files, target)` gets their files, at least one,
 * and the element they were dropped or pasted on.
 *
 * `input` is the place's file field, `marked` the element that shows that a picture is held over it.
 */
export function takePictures(element, { input, take, marked = element }) {
  takeChosen(input, take);
  takeDropped(element, take, marked);
  takePasted(element, take);
}

/** `take` what is chosen with a file field. */
export function takeChosen(input, take) {
  input.addEventListener("change", () => {
    hand([...input.files], take, input);
    input.value = ""; // so that the same file can be chosen again
  });
}

/** `take` what is dropped on an element. */
export function takeDropped(element, take, marked = element) {
  const mark = (on) => marked.classList.toggle(MARK, on);
  element.addEventListener("dragover", (event) => {
    if (!wantsDrop(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    mark(true);
  });
  element.addEventListener("dragleave", (event) => element.contains(event.relatedTarget) || mark(false));
  element.addEventListener("drop", async (event) => {
    if (!wantsDrop(event)) return;
    event.preventDefault();
    mark(false);
    const { target, dataTransfer } = event;
    const files = [...dataTransfer.files];
    if (files.length) return hand(files, take, target);
    const given = dataTransfer.getData(ADDRESSES).split(/[\r\n]+/).filter((line) => line && !line.startsWith("#"));
    const found = await Promise.allSettled(given.map(ownPicture));
    const failed = found.find(({ status }) => status === "rejected");
    if (failed) toast(failed.reason.message);
    hand(found.filter(({ value }) => value).map(({ value }) => value), take, target);
  });
}

/** `take` what is pasted while an element is shown, unless something else is written in. */
function takePasted(element, take) {
  document.addEventListener("paste", (event) => {
    const { target, clipboardData } = event;
    const files = [...(clipboardData?.files ?? [])];
    if (!files.length || event.defaultPrevented || !element.checkVisibility()) return;
    if (!element.contains(target) && target.closest?.(`${WRITING}, dialog`)) return;
    if (target.closest?.(WRITING) && clipboardData.getData("text/plain")) return; // it is the words that are meant
    event.preventDefault();
    hand(files, take, target);
  });
}

/** Hand over those files that may be pictures; that others are none is said. */
function hand(files, take, target) {
  const pictures = files.filter(({ type }) => !type || type.startsWith("image/"));
  if (pictures.length < files.length) toast(text("not_a_picture"));
  if (pictures.length) take(pictures, target);
}

/** Whether what is dragged may be a picture: a file, or one of the page itself. */
export const wantsDrop = ({ dataTransfer }) => ["Files", ADDRESSES].some((kind) => dataTransfer?.types.includes(kind));

/** The file of a picture of the page's own, by its address. */
export async function ownPicture(url) {
  const path = URL.canParse(url) ? new URL(url) : null;
  if (path?.origin !== location.origin) throw new Error(text("not_a_picture"));
  const response = await fetch(path);
  if (!response.ok) throw new Error(text("not_a_picture"));
  return response.blob();
}
