import { el } from './dom.js';
import { call, withRequest } from './gateway.js';
import { kindOf } from './pictures.js';

const AT_ONCE = 4;
const SHOWN_FAILURES = 50;
const PATIENCE_MS = 120000;

async function filesBelow(entry, path = '') {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => { entry.file(done, fail); });
    return [{ file, path: path + file.name }];
  }
  const reader = entry.createReader();
  const found = [];
  // A folder is read in parts, until one is empty.
  for (;;) {
    const part = await new Promise((done, fail) => { reader.readEntries(done, fail); });
    if (!part.length) return found;
    for (const child of part) found.push(...await filesBelow(child, `${path}${entry.name}/`));
  }
}

/** Adds files to the gallery: any number, a few at a time, each told apart. */
export class GalleryUpload {
  /** @param {number} maxBytes of one file @param {() => void} done called at the end */
  constructor(maxBytes, done) {
    this.maxBytes = maxBytes;
    this.done = done;
    this.reset();
    const input = el('input', { type: 'file', id: 'add-files', multiple: true, accept: 'image/jpeg,image/png,image/webp', hidden: true,
      'aria-label': 'Photos to add', on: { change: () => { this.add([...input.files].map((file) => ({ file, path: file.name }))); input.value = ''; } } });
    this.conflict = el('select', { id: 'on-conflict' }, [['ON_CONFLICT_FAIL', 'say so'], ['ON_CONFLICT_REPLACE', 'replace it'],
      ['ON_CONFLICT_SKIP', 'keep the old one']].map(([value, text]) => el('option', { value }, text)));
    this.bar = el('progress', { max: 1, value: 0, 'aria-label': 'Photos added', hidden: true });
    this.told = el('p', { role: 'status', 'aria-live': 'polite', id: 'upload-status' });
    this.stopButton = el('button', { type: 'button', class: 'small', hidden: true, on: { click: () => this.leave() } }, 'Stop');
    this.failures = el('ul', { class: 'failures' });
    this.root = el('section', { class: 'drop-zone', 'aria-label': 'Add photos' },
      el('div', { class: 'row' }, el('strong', {}, 'Drop photos or folders here'), 'or',
        el('button', { type: 'button', on: { click: () => input.click() } }, 'Choose files'), input,
        el('label', {}, 'if an id is there already: ', this.conflict)),
      el('div', { class: 'row' }, this.bar, this.told, this.stopButton), this.failures);
    this.root.addEventListener('dragover', (event) => { event.preventDefault(); this.root.classList.add('drop'); });
    this.root.addEventListener('dragleave', () => this.root.classList.remove('drop'));
    this.root.addEventListener('drop', (event) => { event.preventDefault(); this.root.classList.remove('drop'); this.drop(event.dataTransfer); });
  }

  reset() {
    Object.assign(this, { queue: [], total: 0, ended: 0, failed: 0, counts: {}, running: 0 });
    this.stop = new AbortController();
  }

  leave() {
    this.stop.abort();
    this.queue = [];
    if (this.running === 0) this.finish();
  }

  async drop(transfer) {
    // The entries are gone once this event is over, so they are all taken before the first wait.
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
    const plain = [...transfer.files].map((file) => ({ file, path: file.name }));
    if (!entries.some((entry) => entry.isDirectory)) { this.add(plain); return; }
    this.told.textContent = 'Reading the folders …';
    this.add((await Promise.all(entries.map((entry) => filesBelow(entry)))).flat());
  }

  /** @param {{file: File, path: string}[]} files */
  add(files) {
    if (this.running === 0) { this.reset(); this.failures.replaceChildren(); }
    this.queue.push(...files);
    this.total += files.length;
    this.bar.hidden = this.stopButton.hidden = this.total === 0;
    while (this.running < AT_ONCE && this.queue.length) this.work();
    this.show();
  }

  async work() {
    this.running += 1;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      await this.send(next).catch((error) => { if (!this.stop.signal.aborted) this.fail(next.path, error.sentence || error.message); });
      this.ended += 1;
      this.show();
    }
    this.running -= 1;
    if (this.running === 0) this.finish();
  }

  async send({ file, path }) {
    if (file.size > this.maxBytes) throw new Error(`is too large: at most ${Math.floor(this.maxBytes / 1048576)} MiB`);
    if (!kindOf(new Uint8Array(await file.slice(0, 12).arrayBuffer()))) throw new Error('is no JPEG, PNG or WebP picture');
    const photoId = path.replace(/\.(jpe?g|png|webp)$/i, '');
    const url = withRequest('/api/photo', { photoId, onConflict: this.conflict.value });
    const giveUpAt = Date.now() + PATIENCE_MS;
    for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
      try {
        const { result } = await call('PUT', url, { raw: file, signal: this.stop.signal, timeoutMs: 60000 });
        this.counts[result] = (this.counts[result] || 0) + 1;
        return;
      } catch (error) {
        // The same bytes again change nothing, so an upload that broke is simply sent again.
        if (!error.passing || Date.now() > giveUpAt || this.stop.signal.aborted) throw error;
        await new Promise((go) => { setTimeout(go, wait); });
      }
    }
  }

  fail(path, why) {
    this.failed += 1;
    if (this.failed <= SHOWN_FAILURES) this.failures.append(el('li', {}, el('b', {}, path), ` ${why}`));
    else if (this.failed === SHOWN_FAILURES + 1) this.failures.append(el('li', { class: 'muted' }, 'and further ones'));
  }

  summary() {
    const names = { RESULT_ADDED: 'added', RESULT_REPLACED: 'replaced', RESULT_UNCHANGED: 'there already', RESULT_SKIPPED: 'kept' };
    const parts = Object.entries(this.counts).map(([result, count]) => `${count} ${names[result] || result}`);
    if (this.failed) parts.push(`${this.failed} failed`);
    return parts.join(', ');
  }

  show() {
    this.bar.max = Math.max(1, this.total);
    this.bar.value = this.ended;
    this.told.textContent = this.total ? `${this.ended} of ${this.total}: ${this.summary()}` : '';
  }

  finish() {
    this.stopButton.hidden = true;
    if (this.total === 0) return;
    this.told.textContent = `${this.stop.signal.aborted ? 'Stopped' : 'Done'}: ${this.summary() || 'nothing'}`;
    this.done();
  }
}
