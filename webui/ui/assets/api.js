// The HTTP API: JSON in, JSON out, and every failure as one sentence.

import { text } from "./dom.js";

const BASE = new URL("api/v1/", document.baseURI);
const PATIENCE_MS = 20000;

/** What went wrong, as the server says it; `field` names the form's field at fault, if any. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "offline", field = null } = {}) {
    super(message);
    Object.assign(this, { status, code, field });
  }
}

/** The address of an API path; `kind` "ws" gives the socket's scheme. */
export function address(path, kind = "http") {
  const url = new URL(path, BASE);
  if (kind === "ws") url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

/**
 * GET, or POST with a body (a value, or a file), or another `method`. Never waits longer than `patience` milliseconds.
 * `fresh`: what the browser has kept of it does not count.
 * Where the login has run out the window hears "easel-signed-out".
 */
export async function ask(path, { body, method, patience = PATIENCE_MS, signal, fresh = false } = {}) {
  const response = await reach(path, body, patience, signal, method, fresh);
  if (response.status === 401) dispatchEvent(new Event("easel-signed-out"));
  if (!response.ok) throw await failure(response);
  if (response.status === 204) return null;
  const kind = response.headers.get("content-type") ?? "";
  return kind.includes("json") ? response.json() : response.blob();
}

async function reach(path, body, patience, signal, method, fresh) {
  const limit = AbortSignal.timeout(patience);
  const options = { signal: signal ? AbortSignal.any([signal, limit]) : limit };
  if (method) options.method = method;
  if (fresh) options.cache = "no-store";
  if (body !== undefined) {
    const isFile = body instanceof Blob;
    Object.assign(options, {
      method: method ?? "POST",
      headers: { "content-type": isFile ? "application/octet-stream" : "application/json" },
      body: isFile ? body : JSON.stringify(body),
    });
  }
  try {
    return await fetch(address(path), options);
  } catch {
    throw new ApiError(text("server_silent"));
  }
}

async function failure(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // Not our JSON: a proxy's page, say.
  }
  const known = response.status === 401 ? text("signed_out") : error.message;
  const message = known ?? text("server_error", { status: response.status });
  return new ApiError(message, { status: response.status, code: error.code, field: error.field });
}
