// One live connection per page to what happens on the server: a WebSocket, or long polling where
// no socket can be opened. It reconnects by itself for ever.
//
// Events: "snapshot" (detail: the jobs as they are, whenever connected anew), "event" (detail: one job
// event), "preview" (detail: {job_id, seq, image, blob}), "online" (detail: boolean), "library" (detail: its revision,
// when somebody changed it).

import { address, ask } from "./api.js";

const OPEN = 1; // a socket's readyState, as the standard numbers it
const SOCKET_TRIES = 2; // sockets that fail to open before long polling is tried
const SOCKET_OPENS_MS = 5000;
const SILENCE_MS = 40000; // the server says something every 15 seconds
const POLL_SECONDS = 20;
const SHORT_POLL_SECONDS = 3; // events are of one's own jobs only: others' are asked for this often
const SOCKET_AGAIN_MS = 60000; // while polling: see now and then whether a socket opens
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 4000;

export class Link extends EventTarget {
  online = null; // unknown until the first connection succeeds or fails
  #last = null; // number of the newest event seen
  #failed = 0;
  #polling = false;
  #pause = FIRST_PAUSE_MS;
  #wake = () => {};
  #socketNow = null;
  #everyone = false;

  /** Whether to follow everybody's jobs too; the server lets administrators only. */
  set everyone(wanted) {
    if (wanted === this.#everyone) return;
    this.#everyone = wanted;
    if (this.#polling) this.#tellAll().catch(() => {}); // the loop finds out what is wrong
    else this.#sendWish();
  }

  /** Connect, and stay connected until the page goes. */
  async start() {
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => this.#wake());
    for (;;) {
      const worked = this.#failed < SOCKET_TRIES ? await this.#socket() : await this.#poll();
      if (worked) this.#pause = FIRST_PAUSE_MS;
      this.#set(false);
      await this.#rest();
    }
  }

  #set(online) {
    const changed = this.online !== online;
    this.online = online;
    if (changed) this.#tell("online", online);
  }

  async #tellAll() {
    this.#tell("snapshot", (await ask("jobs")).jobs);
  }

  #sendWish() {
    const socket = this.#socketNow;
    if (socket === null || socket.readyState !== OPEN) return; // the next one is told when it opens
    socket.send(JSON.stringify({ follow: this.#everyone ? "all" : null }));
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  async #rest() {
    await new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, this.#pause);
    });
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  /** Follow a socket until it closes; true if anything came through it: some proxies only open it. */
  #socket() {
    return new Promise((resolve) => {
      const socket = new WebSocket(address("ws", "ws"));
      socket.binaryType = "arraybuffer";
      let opened = false;
      let patience = 0;
      const expect = (ms) => {
        clearTimeout(patience);
        patience = setTimeout(() => socket.close(), ms);
      };
      expect(SOCKET_OPENS_MS);
      const open = () => {
        opened = true;
        this.#failed = 0;
        this.#set(true);
        this.#socketNow = socket;
        if (this.#everyone) this.#sendWish();
      };
      socket.onmessage = ({ data }) => {
        expect(SILENCE_MS);
        if (!opened) open();
        if (typeof data === "string") this.#received(JSON.parse(data));
        else this.#tell("preview", unpack(data));
      };
      socket.onclose = () => {
        clearTimeout(patience);
        this.#socketNow = null;
        if (!opened) this.#failed += 1;
        resolve(opened);
      };
    });
  }

  /** Long polling until it fails or a socket is worth another try; true if it worked at all. */
  async #poll() {
    const until = performance.now() + SOCKET_AGAIN_MS;
    let worked = false;
    this.#last = null;
    this.#polling = true;
    try {
      while (performance.now() < until) {
        const seconds = this.#everyone ? SHORT_POLL_SECONDS : POLL_SECONDS;
        const query = this.#last === null ? "" : `?after=${this.#last}&timeout=${seconds}`;
        const news = await ask(`events${query}`, { patience: 1000 * (POLL_SECONDS + 10) });
        worked = true;
        this.#set(true);
        const fresh = this.#last === null || news.missed || this.#everyone;
        for (const event of news.events) this.#received(event);
        if (fresh) await this.#tellAll();
        this.#last = news.last;
      }
    } catch {
      // The server is away, or a proxy in between is: the loop above goes on trying.
    }
    this.#failed = 0;
    this.#polling = false;
    return worked;
  }

  #received(message) {
    if (message.type === "snapshot") this.#tell("snapshot", message.jobs);
    else if (message.type === "library") this.#tell("library", message.revision);
    else if (message.kind === "preview" && this.#polling) this.#fetchPreview(message);
    else if (message.kind) this.#tell("event", message);
  }

  async #fetchPreview({ job_id, preview_seq }) {
    try {
      const blob = await ask(`jobs/${job_id}/preview`);
      if (blob) this.#tell("preview", { job_id, seq: preview_seq, image: null, blob });
    } catch {
      // The next one comes soon.
    }
  }
}

/** A preview frame: length of the header (4 bytes, little-endian), header as JSON, JPEG. */
function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { ...header, blob: new Blob([new Uint8Array(buffer, 4 + length)], { type: "image/jpeg" }) };
}
