// The keys of the mask painter, as other programs have them: [ and ] for the brush, + and - to zoom, 0 for the
// whole picture, space to move it, Ctrl+Z and Ctrl+Y (or Ctrl+Shift+Z).

const ACTS = { "[": "smaller", "]": "larger", "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "zoomFit" };
const WRITING = "textarea, select, dialog, [contenteditable=true], input:not([type=range])";

/**
 * Call `acts` while `isOn()`, when the focus is in `element` or the pointer over `frame`, and nobody is
 * writing; `hold(true)` and `hold(false)` while the space bar is held.
 */
export function followKeys(element, frame, { isOn, acts, hold }) {
  const isMeant = ({ target }) =>
    isOn() && !target.closest?.(WRITING) && (element.contains(target) || frame.matches(":hover"));
  let held = false;
  let pressed = null; // the button that was pressed with the pointer last
  document.addEventListener("pointerdown", ({ target }) => (pressed = target.closest?.("button")), { capture: true });
  document.addEventListener("keydown", (event) => {
    if (!isMeant(event)) return;
    if (event.key === " ") {
      // A button that was reached with the keyboard is pressed, one that was clicked is not pressed again.
      const button = event.target.closest?.("button, [role=button], a, summary") ?? pressed;
      if (!frame.matches(":hover") || button !== pressed) return;
      hold((held = true));
    } else if (!act(event, acts)) return;
    event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (!held || event.key !== " ") return;
    event.preventDefault(); // a button that has the focus is not pressed
    hold((held = false));
  });
}

/** Whether a key meant something. */
function act(event, acts) {
  const name = hasModifier(event) ? history(event) : ACTS[event.key];
  if (name) acts[name]();
  return Boolean(name);
}

/** Some keyboards have brackets behind AltGr, which looks like Ctrl and Alt on some systems. */
const hasModifier = (event) => (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph");

function history({ key, altKey, shiftKey }) {
  const letter = key.toLowerCase();
  if (altKey || !["z", "y"].includes(letter)) return null;
  return letter === "y" || shiftKey ? "redo" : "undo";
}
