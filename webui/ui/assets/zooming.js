// Zooming about a place: what the full-screen view and the mask painter have in common. A picture lies
// at {x, y, scale}: its left upper corner, and how much larger than by itself it is.

/** Where a picture lies that is `ratio` times larger, when the place [x, y] keeps what it shows. */
export const zoomedAbout = (at, ratio, [x, y]) => ({
  x: x - (x - at.x) * ratio,
  y: y - (y - at.y) * ratio,
  scale: at.scale * ratio,
});

/** By how much the turn of a wheel enlarges. */
export function wheelRatio({ deltaY, deltaMode }) {
  const pixels = deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
  return Math.exp(-deltaY * pixels * 0.002);
}

export const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);

export const middle = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });

/** Where an edge may be: no gap while the picture is longer than its room, else in the middle. */
export function bounded(at, room, length) {
  return length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at));
}
