// What editing keys do to a prompt: pure functions of a text and the selection in it.

const STEP = 0.1;
const WORD_ENDS = /[\s.,\/!?%^*;:{}=`~()[\]<>|\\"]/;
const WEIGHT = /^:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)/;
const PAIRS = { "(": ")", "[": "]", "{": "}", "<": ">" };
const OPENERS = { ")": "(", "]": "[", "}": "{", ">": "<" };

/**
 * Change the weight of the selection, of the bracket around the caret, or of the word at it by one
 * step up (`direction` 1) or down (-1). Returns {text, start, end} with the weighed words selected,
 * or null where there is nothing to weigh.
 */
export function weigh(text, start, end, direction) {
  let range = start === end ? (bracketAround(text, start) ?? wordAt(text, start)) : trimmed(text, start, end);
  if (!range) return null;
  range = unwrapped(text, range);
  const inner = text.slice(range.start, range.end);
  const group = groupAround(text, range);
  const weight = Number(((group?.weight ?? 1) + direction * STEP).toFixed(4));
  const from = group?.start ?? range.start;
  const to = group?.end ?? range.end;
  const written = weight === 1 ? inner : `(${inner}:${weight})`;
  const at = from + (weight === 1 ? 0 : 1);
  return { text: text.slice(0, from) + written + text.slice(to), start: at, end: at + inner.length };
}

/**
 * Move the comma-separated phrases of the selection one place to the left (-1) or right (1).
 * Returns {text, start, end} with the selection moved along, or null where there is no place.
 */
export function movePhrase(text, start, end, direction) {
  const phrases = phrasesOf(text);
  const touched = phrases.filter((p) => p.from <= end && p.to >= start && p.start < p.end);
  if (!touched.length) return null;
  const [first, last] = [touched[0], touched.at(-1)];
  const filled = phrases.filter((p) => p.start < p.end);
  const other = direction < 0 ? filled[filled.indexOf(first) - 1] : filled[filled.indexOf(last) + 1];
  if (!other) return null;
  const moved = text.slice(first.start, last.end);
  const swapped = text.slice(other.start, other.end);
  const [low, high] = direction < 0 ? [other, first] : [last, other];
  const between = text.slice(low.end, high.start);
  const [from, to] = direction < 0 ? [other.start, last.end] : [first.start, other.end];
  const written = direction < 0 ? moved + between + swapped : swapped + between + moved;
  const shift = (direction < 0 ? from : to - moved.length) - first.start;
  const within = (place) => Math.min(Math.max(place, first.start), last.end) + shift;
  return { text: text.slice(0, from) + written + text.slice(to), start: within(start), end: within(end) };
}

/** Places of the brackets that have no partner. Each kind is matched by itself; `\(` is text. */
export function unmatched(text) {
  const open = { "(": [], "[": [], "{": [] };
  const found = [];
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === "\\") i++;
    else if (open[sign]) open[sign].push(i);
    else if (open[OPENERS[sign]] && open[OPENERS[sign]].pop() === undefined) found.push(i);
  }
  return [...found, ...Object.values(open).flat()].sort((a, b) => a - b);
}

// A call that has been begun, by the kind of what it names; the last group is the name so far.
const CALLS = [
  ["lora", /<(?:lora|lyco):([^<>:\n]*)$/i],
  ["wildcard", /(?<![^\s,.;:|()[\]{}<>])__((?:(?!__)[^,|()[\]{}<>\n])*)$/],
];

/**
 * The beginning of a word or phrase before the caret that a list may complete: {start, query}, and `kind` where only names
 * of that kind can stand.
 */
export function queryAt(text, caret) {
  const before = text.slice(Math.max(0, caret - 200), caret);
  for (const [kind, pattern] of CALLS) {
    const begun = pattern.exec(before);
    if (begun) return { kind, start: caret - begun[0].length, query: begun[1] };
  }
  const [query] = /[^,\n()[\]{}<>|:]*$/.exec(before.replace(/\\([()[\]])/g, "__"));
  const typed = query.trimStart();
  return { start: caret - typed.length, query: caret ? before.slice(before.length - typed.length) : "" };
}

/** Whether a text is a picture's parameters rather than a prompt. */
export function isInfotext(text) {
  const last = text.trim().split("\n").at(-1);
  return /\bSteps:\s*\d+/.test(last) && (last.match(/\w[\w \-/]*:\s*[^,]+/g) ?? []).length >= 3;
}

/** A prompt with a style's text: in its `{prompt}`, else behind a comma. */
export function merged(prompt, addition) {
  if (addition.includes("{prompt}")) return addition.replaceAll("{prompt}", () => prompt);
  return [prompt.trim(), addition.trim()].filter(Boolean).join(", ");
}

function wordAt(text, caret) {
  let [start, end] = [caret, caret];
  while (start > 0 && !WORD_ENDS.test(text[start - 1])) start--;
  while (end < text.length && !WORD_ENDS.test(text[end])) end++;
  return start < end ? { start, end } : null;
}

function trimmed(text, start, end) {
  while (start < end && /\s/.test(text[start])) start++;
  while (end > start && /\s/.test(text[end - 1])) end--;
  return start < end ? { start, end } : null;
}

/** The words of the nearest round bracket around the caret, weight left out. */
function bracketAround(text, caret) {
  let depth = 0;
  for (let i = caret - 1; i >= 0; i--) {
    if (text[i - 1] === "\\") continue;
    if (text[i] === ")") depth++;
    if (text[i] !== "(" || depth-- > 0) continue;
    const close = partner(text, i);
    if (close < caret) return null;
    const inside = text.slice(i + 1, close);
    const weight = inside.lastIndexOf(":");
    const isWeight = weight >= 0 && WEIGHT.test(`${inside.slice(weight)})`);
    return trimmed(text, i + 1, i + 1 + (isWeight ? weight : inside.length));
  }
  return null;
}

function partner(text, open) {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i;
  }
  return -1;
}

/** A selection that is a whole bracket means what is in it. */
function unwrapped(text, { start, end }) {
  if (text[start] !== "(" || partner(text, start) !== end - 1) return { start, end };
  const inner = bracketAround(text, start + 1);
  return inner ?? { start, end };
}

/** The bracket that holds exactly these words, with its weight, or null. */
function groupAround(text, { start, end }) {
  if (text[start - 1] !== "(" || text[start - 2] === "\\") return null;
  const behind = text.slice(end);
  const weighed = WEIGHT.exec(behind);
  if (weighed) return { start: start - 1, end: end + weighed[0].length, weight: Number(weighed[1]) };
  return behind[0] === ")" ? { start: start - 1, end: end + 1, weight: 1.1 } : null;
}

/** Phrases between commas and line ends outside brackets: `from`–`to` whole, `start`–`end` words. */
function phrasesOf(text) {
  const found = [];
  const stack = [];
  let from = 0;
  const close = (to) => {
    const words = trimmed(text, from, to) ?? { start: to, end: to };
    found.push({ from, to, ...words });
    from = to + 1;
  };
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === "\\") i++;
    else if (PAIRS[sign]) stack.push(PAIRS[sign]);
    else if (sign === stack.at(-1)) stack.pop();
    else if ((sign === "," || sign === "\n") && !stack.length) close(i);
  }
  close(text.length);
  return found;
}
