// A single picture: its address and name, copying it, and whether it is still there.

import { address, ask } from "./api.js";
import { memory, text } from "./dom.js";
import { toast } from "./toasts.js";

const MOST_DELETED = 300;

export const pictureUrl = (image) => address(image.url).href;

const path = (image) => `images/${encodeURIComponent(image.id)}`;

/** The name a picture is saved under. */
export function fileName(picture) {
  return (picture.path ?? "").split(/[\\/]/).at(-1) || `easel-${picture.seed}`;
}

/** Pictures that were deleted from this browser; its other pages hear of it by the storage. */
export const deleted = {
  ids() {
    const kept = memory.get("deleted", []);
    return Array.isArray(kept) ? kept : [];
  },
  has(image) {
    return this.ids().includes(image.id);
  },
  set(image, gone) {
    const others = this.ids().filter((id) => id !== image.id);
    memory.set("deleted", gone ? [...others, image.id].slice(-MOST_DELETED) : others);
  },
};

/** Put text on the clipboard, and say so. */
export async function copyText(value) {
  try {
    await navigator.clipboard.writeText(value);
    toast(text("copied"), "note");
  } catch {
    toast(text("copy_failed"), "note");
  }
}

/** Put the picture itself on the clipboard: as PNG, which is what browsers take. */
export async function copyPicture(image) {
  try {
    const item = new ClipboardItem({ "image/png": pngOf(image) });
    await navigator.clipboard.write([item]);
    toast(text("picture_copied"), "note");
  } catch {
    toast(text("picture_copy_failed"), "note");
  }
}

async function pngOf(image) {
  const blob = await ask(path(image));
  if (blob.type === "image/png") return blob;
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Why a picture does not appear: "gone" (there is no such file) or "unreached" (no answer). */
export async function whyMissing(image) {
  try {
    await ask(path(image));
    return "unreached";
  } catch (error) {
    return error.status === 404 ? "gone" : "unreached";
  }
}
