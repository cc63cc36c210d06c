// The library's list as the viewer goes through it.

/** `offset` are pictures that came in at the front since the viewer was opened. */
export class ListSource {
  offset = 0;
  circular = false;

  constructor(store, trash) {
    Object.assign(this, { store, trash });
  }

  get count() {
    return this.store.total - this.offset;
  }

  at(index) {
    return this.store.at(index + this.offset);
  }

  load(index) {
    return this.store.load(index + this.offset);
  }

  async removed() {
    await this.store.renew();
  }

  async restored() {
    await this.store.renew();
  }
}
