// Hires. fix: the size it comes to, what of it has an effect, and drawing a picture once more with it.

import { byId, setText, text, whenPresent } from "./dom.js";
import { hiresSize } from "./form_size.js";

const SECTION = "hires";

export class Hires {
  constructor(form) {
    this.form = form;
    const draw = () => this.#draw();
    form.addEventListener("values", draw);
    whenPresent(`${form.tab}_hires_size`, draw);
  }

  /** A request with the form's settings of the second pass, whether it is switched on there or not. */
  async enlarged(request) {
    const values = await this.form.read();
    const own = Object.entries(values).filter(([name, value]) => value !== null && this.#fields.includes(name));
    return { ...request, ...Object.fromEntries(own), hires: true };
  }

  get #fields() {
    return Object.keys(this.form.fields).filter((name) => this.form.fields[name].section === SECTION);
  }

  #draw() {
    const { hires, width, height, hires_scale: scale, hires_width: toWidth, hires_height: toHeight } = this.form.values ?? {};
    byId(`${this.form.tab}_section_${SECTION}`)?.classList.toggle("easel-off", !hires);
    const known = hires && width && height;
    const [w, h] = known ? hiresSize([width, height], scale ?? 2, [toWidth ?? 0, toHeight ?? 0]) : [];
    setText(byId(`${this.form.tab}_hires_size`), known ? text("hires_size", { width, height, w, h }) : "");
  }
}
