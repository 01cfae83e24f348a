import { button, el } from './dom.js';
import { faultOf, filesIn, idOf, isReadable } from './dropped_files.js';
import { call, sentenceOf, withRequest } from './gateway.js';

const AT_ONCE = 4;
const SHOWN_FAILURES = 50;
const PATIENCE_MS = 120000;

/** The reason why a file cannot be added, in words that follow its name. */
class FileFault extends Error {}

/** Adds files to the gallery: any number, a few at a time, each with its own result. */
export class GalleryUpload {
  /** @param {number} maxBytes of one file @param {() => void} done called at the end */
  constructor(maxBytes, done) {
    this.maxBytes = maxBytes;
    this.done = done;
    const input = el('input', { type: 'file', id: 'add-files', multiple: true, accept: 'image/jpeg,image/png,image/webp', hidden: true,
      'aria-label': 'Photos to add', on: { change: () => { this.chosen([...input.files]); input.value = ''; } } });
    this.conflict = el('select', { id: 'on-conflict' }, [['ON_CONFLICT_FAIL', 'report it'], ['ON_CONFLICT_REPLACE', 'replace it'],
      ['ON_CONFLICT_SKIP', 'keep the old one']].map(([value, text]) => el('option', { value }, text)));
    this.bar = el('progress', { max: 1, value: 0, 'aria-label': 'Photos added', hidden: true });
    this.status = el('p', { role: 'status', 'aria-live': 'polite', id: 'upload-status' });
    this.stopButton = button('Stop', () => this.leave(), { class: 'small', hidden: true });
    this.failures = el('ul', { class: 'failures' });
    this.reset();
    this.root = el('section', { class: 'drop-zone', 'aria-label': 'Add photos' },
      el('div', { class: 'row' }, el('strong', {}, 'Drop photos or folders here'), 'or',
        button('Choose files', () => input.click()), input,
        el('label', {}, 'if an id already exists: ', this.conflict)),
      el('div', { class: 'row' }, this.bar, this.status, this.stopButton), this.failures);
    this.root.addEventListener('dragover', (event) => { event.preventDefault(); this.root.classList.add('drop'); });
    this.root.addEventListener('dragleave', () => this.root.classList.remove('drop'));
    this.root.addEventListener('drop', (event) => { event.preventDefault(); this.root.classList.remove('drop'); this.drop(event.dataTransfer); });
  }

  reset() {
    Object.assign(this, { queue: [], total: 0, ended: 0, failed: 0, skipped: 0, counts: {}, running: 0, waiting: '', refusal: '', unsent: 0 });
    /** Paths of the added files by id: two files with the same id would replace each other. */
    this.paths = new Map();
    this.stop = new AbortController();
    this.failures.replaceChildren();
  }

  leave() {
    this.stop.abort();
    this.queue = [];
    if (this.running === 0) this.finish();
  }

  /** Takes files that were chosen individually, whatever their names. @param {File[]} files */
  chosen(files) {
    if (this.running === 0) this.reset();
    this.add(files.map((file) => ({ file, path: file.name })));
  }

  async drop(transfer) {
    const reading = filesIn(transfer);
    if (this.running === 0) this.reset();
    this.status.textContent = 'Reading the folders …';
    const { files, skipped, unreadable } = await reading;
    this.skipped += skipped;
    for (const path of unreadable) this.fail(path, 'cannot be read');
    this.add(files);
  }

  /** @param {import('./dropped_files.js').NamedFile[]} files */
  add(files) {
    this.queue.push(...files);
    this.total += files.length;
    this.bar.hidden = this.stopButton.hidden = this.total === 0;
    this.show();
    while (this.running < AT_ONCE && this.queue.length) this.work();
    if (this.running === 0) this.finish();
  }

  async work() {
    this.running += 1;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      try {
        await this.send(next);
      } catch (error) {
        if (!this.stop.signal.aborted) this.failWith(next.path, error);
      }
      this.waiting = '';
      this.ended += 1;
      this.show();
    }
    this.running -= 1;
    if (this.running === 0) this.finish();
  }

  failWith(path, error) {
    // If logged out, every remaining file would fail the same way.
    if (error.code === 'UNAUTHENTICATED') {
      this.refusal = sentenceOf(error);
      this.unsent += 1 + this.queue.length;
      this.queue = [];
      return;
    }
    this.fail(path, error instanceof FileFault ? error.message : `: ${sentenceOf(error)}`);
  }

  async send({ file, path }) {
    const fault = faultOf({ file, path }, this.maxBytes);
    if (fault) throw new FileFault(fault);
    const photoId = idOf(path);
    const twin = this.paths.get(photoId);
    if (twin !== undefined && twin !== path) throw new FileFault(`would have the same id as ${twin}: rename one of them`);
    this.paths.set(photoId, path);
    if (!await isReadable(file)) throw new FileFault('cannot be read: it was moved, or it is a folder');
    const url = withRequest('/api/photo', { photoId, onConflict: this.conflict.value });
    const giveUpAt = Date.now() + PATIENCE_MS;
    for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
      try {
        const { result } = await call('PUT', url, { raw: file, signal: this.stop.signal, timeoutMs: 60000 });
        this.counts[result] = (this.counts[result] || 0) + 1;
        return;
      } catch (error) {
        if (this.stop.signal.aborted) throw error;
        if (error.code === 'NETWORK' && !await isReadable(file)) throw new FileFault('can no longer be read: it was changed or moved');
        // Sending the same bytes again changes nothing, so a broken upload is simply retried.
        if (!error.passing || Date.now() > giveUpAt) throw error;
        this.waiting = sentenceOf(error);
        this.show();
        await this.pause(Math.max(wait, error.retryAfter * 1000));
      }
    }
  }

  /** Ends early when the upload is stopped. */
  pause(ms) {
    const { signal } = this.stop;
    return new Promise((go) => {
      if (signal.aborted) { go(); return; }
      const timer = setTimeout(go, ms);
      signal.addEventListener('abort', () => { clearTimeout(timer); go(); }, { once: true });
    });
  }

  fail(path, why) {
    this.failed += 1;
    if (this.failed <= SHOWN_FAILURES) this.failures.append(el('li', {}, el('b', {}, path.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')), why.startsWith(':') ? why : ` ${why}`));
    else if (this.failed === SHOWN_FAILURES + 1) this.failures.append(el('li', { class: 'muted' }, 'and more'));
  }

  summary() {
    const names = { RESULT_ADDED: 'added', RESULT_REPLACED: 'replaced', RESULT_UNCHANGED: 'already there', RESULT_SKIPPED: 'kept' };
    const parts = Object.entries(this.counts).map(([result, count]) => `${count} ${names[result] || result}`);
    if (this.failed) parts.push(`${this.failed} failed`);
    if (this.unsent) parts.push(`${this.unsent} not sent`);
    if (this.skipped) parts.push(`${this.skipped} hidden or system ${this.skipped === 1 ? 'file' : 'files'} skipped`);
    return parts.join(', ');
  }

  show() {
    this.bar.max = Math.max(1, this.total);
    this.bar.value = this.ended;
    this.status.textContent = this.total ? `${this.ended} of ${this.total}: ${this.summary()}${this.waiting ? ` ${this.waiting} Retrying automatically.` : ''}` : '';
  }

  finish() {
    this.stopButton.hidden = true;
    const word = this.stop.signal.aborted || this.refusal ? 'Stopped' : 'Done';
    this.status.textContent = `${word}: ${this.summary() || 'there was nothing to add'}${this.refusal && `. ${this.refusal}`}`;
    if (this.total) this.done();
  }
}
