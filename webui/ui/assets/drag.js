// Dragging rows of a list by their handles, with mouse, pen or finger.

export class Dragging {
  active = false;

  /** `moved(id, place)` is told the row's new place among those with a handle; null: the old one. */
  constructor(list, moved) {
    this.list = list;
    this.moved = moved;
    list.addEventListener("pointerdown", (event) => this.#begin(event));
  }

  #rows() {
    return [...this.list.children].filter((row) => row.querySelector(".handle"));
  }

  #begin(event) {
    const handle = event.target.closest(".handle");
    if (!handle || event.button !== 0) return;
    event.preventDefault(); // no text selection
    handle.focus();
    const row = handle.closest("li");
    const before = this.#rows().indexOf(row);
    this.active = true;
    row.classList.add("dragged");
    const follow = (move) => this.#follow(row, move.clientY);
    const end = (last) => {
      removeEventListener("pointermove", follow);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      row.classList.remove("dragged");
      this.active = false;
      const place = this.#rows().indexOf(row);
      const kept = last.type === "pointerup" && place !== before;
      this.moved(row.dataset.id, kept ? place : null);
    };
    addEventListener("pointermove", follow);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  /** Put the row where the pointer is, between the others' middles. */
  #follow(row, y) {
    const others = this.#rows().filter((other) => other !== row);
    const below = others.find((other) => {
      const box = other.getBoundingClientRect();
      return y < box.top + box.height / 2;
    });
    if (below) below.before(row);
    else others.at(-1)?.after(row);
    row.scrollIntoView({ block: "nearest" });
  }
}
