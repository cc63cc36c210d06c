// Which tab is open, and what the tabs with a form share: the bar above the form and the result
// pane are there once, and move into the tab that is opened.

import { byId, whenPresent } from "./dom.js";
import { wantsDrop } from "./intake.js";

const HOLD_MS = 400;

// What moves, and the element of each tab that it moves into.
const SHARED = {
  easel_quick: (tab) => (tab === "txt2img" ? "quicksettings" : `${tab}_quicksettings`),
  easel_results: (tab) => `${tab}_results_pane`,
};

/** Event: "opened" (another tab with a form was opened; `form` says which). */
export class Tabs extends EventTarget {
  /** `ids` are the tabs with a form; the first is open at the start. */
  constructor(ids) {
    super();
    this.ids = ids;
    this.form = ids[0]; // the tab with a form that is open, or was open last
    for (const id of ids) {
      whenPresent(`tab_${id}`, (panel) => {
        new MutationObserver(() => this.#look()).observe(panel, { attributes: true, attributeFilter: ["style", "class"] });
        this.#look();
      });
      for (const place of Object.values(SHARED)) whenPresent(place(id), () => this.#look());
    }
    openWhenHeld();
  }

  #look() {
    const open = this.ids.find((id) => byId(`tab_${id}`)?.checkVisibility());
    if (!open) return;
    for (const [id, place] of Object.entries(SHARED)) {
      const [shared, target] = [byId(id), byId(place(open))?.querySelector(".easel-place")];
      if (shared && target && shared.parentElement !== target) target.append(shared);
    }
    if (open === this.form) return;
    this.form = open;
    this.dispatchEvent(new Event("opened"));
  }
}

/** A tab opens when a picture that is dragged is held over its name. */
function openWhenHeld() {
  let held = null;
  let timer = null;
  addEventListener("dragover", (event) => {
    const tab = wantsDrop(event) ? event.target.closest?.('#easel_tabs > .tab-wrapper [role="tab"]') : null;
    if (tab === held) return;
    clearTimeout(timer);
    held = tab;
    if (tab) timer = setTimeout(() => tab.click(), HOLD_MS);
  });
}
