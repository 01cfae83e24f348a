import { button, bytesText, el, note, timeText } from './dom.js';
import { call, noteError, photoPath, repeat, sentenceOf, thumbnailPath, withRequest } from './gateway.js';
import { GalleryUpload } from './gallery_upload.js';
import { ask } from './question.js';

const PAGE = 60;

/** The gallery: listing, adding, finding by id, deleting. */
export class GalleryPanel {
  /** @param {{maxBodyBytes: number}} session */
  constructor(session) {
    this.tokens = [''];
    // Number of the latest request: responses to earlier ones come too late to be shown.
    this.asked = 0;
    // Whether loading the list failed: it is loaded again once the server responds.
    this.missed = false;
    this.chosen = new Set();
    this.stats = el('p', { class: 'muted', role: 'status' });
    this.list = el('ol', { class: 'grid small-grid', id: 'gallery-list' });
    this.upload = new GalleryUpload(session.maxBodyBytes, () => this.refresh());
    const id = el('input', { type: 'text', id: 'photo-id', placeholder: 'photo id', 'aria-label': 'Find by photo id' });
    const find = el('form', { class: 'row', on: { submit: (event) => { event.preventDefault(); this.find(id.value); } } },
      id, el('button', {}, 'Find by id'), button('All', () => { id.value = ''; this.refresh(); }));
    this.deleteButton = button('', () => this.deleteChosen(), { class: 'danger', id: 'delete-chosen' });
    this.back = button('Previous page', () => { this.tokens.pop(); this.load(); });
    this.next = button('Next page', () => { this.tokens.push(this.nextToken); this.load(); });
    this.root = el('div', { class: 'stack' }, this.stats, this.upload.root,
      el('div', { class: 'row' }, find, el('span', { class: 'grow' }), this.deleteButton, this.back, this.next), this.list);
    this.back.disabled = this.next.disabled = true;
    this.showChosen();
    this.stop = repeat(5000, () => this.showStats());
    this.load();
  }

  leave() { this.stop(); this.upload.leave(); }

  async showStats() {
    try {
      const s = await call('GET', '/api/gallery/stats');
      this.stats.textContent = `${s.photoCount} photos, ${s.sketchCount} sketches, ${bytesText(s.totalBytes)}; embedded with model ${s.modelVersion}, `
        + `${s.dimension} values each; index ${s.indexKind || 'none'}`;
      if (this.missed) this.load();
    } catch (error) { this.stats.textContent = sentenceOf(error); }
  }

  refresh() { this.tokens = ['']; this.showStats(); this.load(); }

  async load() {
    const asked = ++this.asked;
    try {
      const page = await call('GET', withRequest('/api/photos', { pageSize: PAGE, pageToken: this.tokens[this.tokens.length - 1] }));
      if (asked !== this.asked) return;
      this.missed = false;
      this.nextToken = page.nextPageToken;
      this.show(page.photos);
    } catch (error) {
      if (asked !== this.asked) return;
      // The line above says that the server is not responding; the list is loaded after the next
      // stats.
      this.missed = Boolean(error.passing);
      if (this.missed) this.stats.textContent = sentenceOf(error);
      else noteError(error);
    }
  }

  async find(id) {
    if (!id) { this.refresh(); return; }
    const asked = ++this.asked;
    this.missed = false;
    try {
      const photo = await call('GET', photoPath(id));
      if (asked !== this.asked) return;
      this.nextToken = '';
      this.tokens = [''];
      this.show([photo]);
    } catch (error) {
      if (asked !== this.asked) return;
      note(error.status === 404 ? `There is no photo "${id}".` : sentenceOf(error), { bad: true });
    }
  }

  show(photos) {
    this.chosen.clear();
    this.list.replaceChildren(...photos.map((photo) => this.card(photo)));
    if (!photos.length) this.list.replaceChildren(el('li', { class: 'state' }, 'The gallery is empty. Drop photos above.'));
    this.back.disabled = this.tokens.length < 2;
    this.next.disabled = !this.nextToken;
    this.showChosen();
  }

  card(photo) {
    const id = photo.photoId;
    const box = el('input', { type: 'checkbox', 'aria-label': `Select ${id}`, on: { change: () => {
      if (box.checked) this.chosen.add(id); else this.chosen.delete(id);
      this.showChosen();
    } } });
    const facts = `${photo.width} × ${photo.height}, ${bytesText(photo.bytes)}, ${timeText(photo.createdAt)}`;
    return el('li', { class: 'card', data: { photo: id } }, el('img', { src: thumbnailPath(id), alt: `Photo ${id}`, loading: 'lazy', title: facts }),
      el('label', { class: 'card-id', title: id }, box, ` ${id}`),
      el('div', { class: 'card-meta' }, Object.entries(photo.metadata).sort().map(([k, v]) => el('span', { class: 'tag' }, `${k}: ${v}`))));
  }

  showChosen() {
    this.deleteButton.disabled = this.chosen.size === 0;
    this.deleteButton.textContent = this.chosen.size ? `Delete ${this.chosen.size}` : 'Delete';
  }

  async deleteChosen() {
    const photoIds = [...this.chosen];
    if (!await ask(`Delete ${photoIds.length === 1 ? `"${photoIds[0]}"` : `${photoIds.length} photos`}? This cannot be undone.`, 'Delete')) return;
    try {
      const answer = await call('POST', '/api/photos/delete', { json: { photoIds } });
      note(`${answer.deletedCount} deleted.`);
      this.refresh();
    } catch (error) { noteError(error); }
  }
}
