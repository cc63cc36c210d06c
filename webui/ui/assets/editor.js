// Writing into a text box as a person would: it can be undone, and Gradio hears of it.

let writing = false;

/** Whether what the box says it received was written by a script. */
export const byScript = () => writing;

/** Replace `start`–`end` by `words` and select `from`–`to`, by default the end of what was put in. */
export function replaceRange(area, start, end, words, from = start + words.length, to = from) {
  writing = true;
  try {
    area.focus({ preventScroll: true });
    area.setSelectionRange(start, end);
    // Deprecated, but the only way that keeps the browser's own undo.
    const command = words ? "insertText" : "delete";
    const done = start === end && !words ? true : document.execCommand(command, false, words);
    if (!done || area.value.slice(start, start + words.length) !== words) {
      area.setRangeText(words, start, end, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
    area.setSelectionRange(from, to);
  } finally {
    writing = false;
  }
}

/** Make the box's text `change.text` by changing only what differs, and select as it says. */
export function rewrite(area, change) {
  const [old, text] = [area.value, change.text];
  let head = 0;
  while (head < Math.min(old.length, text.length) && old[head] === text[head]) head++;
  let tail = 0;
  const room = Math.min(old.length, text.length) - head;
  while (tail < room && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail++;
  const words = text.slice(head, text.length - tail);
  replaceRange(area, head, old.length - tail, words, change.start, change.end);
}

const COPIED = [
  "fontFamily", "fontSize", "fontWeight", "fontStyle", "letterSpacing", "lineHeight", "tabSize", "textIndent",
  "textAlign", "direction", "paddingTop", "paddingRight", "paddingBottom", "paddingLeft",
];

/** Give `mirror` the box's place and way of breaking lines, so that its text lies over the box's. */
export function overlay(mirror, area) {
  const style = getComputedStyle(area);
  for (const name of COPIED) mirror.style[name] = style[name];
  Object.assign(mirror.style, {
    left: `${area.offsetLeft + area.clientLeft}px`,
    top: `${area.offsetTop + area.clientTop}px`,
    width: `${area.clientWidth}px`,
    height: `${area.clientHeight}px`,
  });
  mirror.scrollTop = area.scrollTop;
}

/** Where on the screen the place `at` of the box's text is: {left, top, bottom}. */
export function placeOf(area, at) {
  const mirror = document.createElement("div");
  mirror.className = "easel-mirror";
  const mark = document.createElement("span");
  mark.textContent = "\u200b";
  mirror.append(area.value.slice(0, at), mark);
  area.parentElement.append(mirror);
  overlay(mirror, area);
  const { left, top, bottom } = mark.getBoundingClientRect();
  mirror.remove();
  return { left, top, bottom };
}
