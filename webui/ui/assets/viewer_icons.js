// Icons of the library and the viewer: strokes on a grid of 24, built as elements.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  check: "M5 12.5l4.5 4.5L19 7.5",
  heart: "M12 20s-7.5-4.6-7.5-10.2A4.3 4.3 0 0 1 12 7.2a4.3 4.3 0 0 1 7.5 2.6C19.5 15.4 12 20 12 20z",
  enlarge: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  broken: "M4 5h16v9l-4-3-4 4-4-3-4 4zM4 19h16M4 16v3M20 14v5",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M9 9.2a.8.8 0 1 1-.01 0",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  board: "M4 6h6l2 2h8v11H4z",
  plus: "M12 5v14M5 12h14",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM16.5 16.5L21 21",
  tag: "M4 4h8l8 8-8 8-8-8zM8.5 8.5h.01",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  info: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 11v5M12 8h.01",
  zoom: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM16.5 16.5L21 21M8 11h6M11 8v6",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5z",
  restore: "M5 12a7.5 7.5 0 1 0 2.6-5.7M5 4v4h4",
  import: "M4 6h6l2 2h8v11H4zM12 10.5v5.5M9.5 13.5L12 16l2.5-2.5",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  send: "M4 12h13M12 6l6 6-6 6",
  swap: "M4 9h15M15 5l4 4-4 4M20 16H5M9 12l-4 4 4 4",
  up: "M12 19V5M6 11l6-6 6 6",
};

/** The icon of that name; it says nothing to screen readers, its button has a label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "easel-sign");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
