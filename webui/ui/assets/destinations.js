// Where pictures can be sent from anywhere on the page. Each destination says so itself; one that is
// not there is not offered.

import { text } from "./dom.js";

const known = [];

/**
 * Add a destination: `label` is its short name, `send({file, found})` takes a picture there. `file()`
 * promises the picture's file, `found()` what the server reads from it: {values, problems,
 * has_parameters}, or null. `picture: false` says that it needs no picture, only what was read.
 */
export function addDestination({ id, label, send, picture = true }) {
  known.push({ id, label, send, picture });
}

/** The destinations in the order they were added. */
export const destinations = () => [...known];

/** "Send to img2img" */
export const sendLabel = ({ label }) => text("send_to", { name: label });
