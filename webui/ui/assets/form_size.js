// Shapes of pictures, and the sizes a checkpoint draws them in.

import { make, setAttribute, text, whenPresent } from "./dom.js";

export const RATIOS = [[1, 1], [4, 3], [3, 2], [16, 9], [3, 4], [2, 3], [9, 16]];
const STEP = 8; // what sizes are multiples of
const MOST_SIDE = 4096;
const MOST_PIXELS = 2048 * 4096;

/** Width and height of a shape with about the area of a square of side `native` pixels. */
export function sizeFor([across, down], native) {
  const round = (side) => Math.max(STEP * 2, Math.round(side / STEP) * STEP);
  return [round(native * Math.sqrt(across / down)), round(native * Math.sqrt(down / across))];
}

/** The size of a picture as one that can be drawn: rounded, and no larger than that. */
export function fitting([width, height]) {
  const share = Math.min(1, MOST_SIDE / Math.max(width, height), Math.sqrt(MOST_PIXELS / (width * height)));
  const round = share < 1 ? Math.floor : Math.round;
  return [width, height].map((side) => Math.max(STEP * 2, round((side * share) / STEP) * STEP));
}

/** What the second pass of a picture comes to, as `core.sizes.hires_size` counts it. */
export function hiresSize([width, height], scale, [toWidth, toHeight]) {
  const whole = (side) => Math.max(Math.trunc(side) - (Math.trunc(side) % STEP), STEP);
  if (!toWidth && !toHeight) return [whole(width * scale), whole(height * scale)];
  if (!toHeight) return [whole(toWidth), whole((toWidth * height) / width)];
  if (!toWidth) return [whole((toHeight * width) / height), whole(toHeight)];
  return [whole(toWidth), whole(toHeight)];
}

/** Fill the element `id` with a button for each shape; the one the form's size has is pressed. */
export function shapeButtons(form, id) {
  whenPresent(id, (shelf) => {
    setAttribute(shelf, "role", "group");
    setAttribute(shelf, "aria-label", text("shape"));
    const buttons = RATIOS.map((ratio) => shapeButton(form, ratio));
    shelf.replaceChildren(...buttons);
    const press = () => {
      const { width, height } = form.values ?? {};
      buttons.forEach((button, i) => {
        const [w, h] = sizeFor(RATIOS[i], form.native ?? 512);
        setAttribute(button, "aria-pressed", String(w === width && h === height));
        setAttribute(button, "title", `${RATIOS[i].join(":")} – ${w} × ${h}`);
      });
    };
    form.addEventListener("values", press);
    press();
  });
}

function shapeButton(form, ratio) {
  const glyph = make("i", { "aria-hidden": "true" });
  glyph.style.aspectRatio = ratio.join(" / ");
  glyph.style[ratio[0] >= ratio[1] ? "width" : "height"] = "14px";
  const button = make("button", { type: "button", className: "easel-shape" }, glyph, ratio.join(":"));
  button.addEventListener("click", () => {
    const [width, height] = sizeFor(ratio, form.native ?? 512);
    form.set({ width, height });
  });
  return button;
}
