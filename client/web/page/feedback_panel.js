import { call, noteError, repeat, sentenceOf, thumbnailPath, withRequest } from './gateway.js';
import { button, bytesText, el, timeText } from './dom.js';
import { ask } from './question.js';

const PAGE = 12;
const STATES = { STATE_PENDING: 'To review', STATE_ACCEPTED: 'Accepted', STATE_REJECTED: 'Rejected', STATE_UNSPECIFIED: 'All' };
const VERDICTS = { VERDICT_MATCH: 'This is it', VERDICT_NO_MATCH: 'Not it' };

/** What users say about results: each drawing next to its photo, to accept, reject or forget. */
export class FeedbackPanel {
  constructor() {
    this.tokens = [''];
    // Number of the latest request: responses to earlier ones come too late to be shown.
    this.asked = 0;
    this.stats = el('p', { class: 'muted', role: 'status' });
    this.list = el('ol', { class: 'pairs', id: 'feedback-list' });
    this.state = el('select', { 'aria-label': 'Show', on: { change: () => this.refresh() } },
      Object.entries(STATES).map(([value, text]) => el('option', { value }, text)));
    this.acceptAll = button('Accept all shown', () => this.review(this.shownIds, 'STATE_ACCEPTED'), { id: 'accept-shown' });
    this.rejectAll = button('Reject all shown', () => this.review(this.shownIds, 'STATE_REJECTED'), { id: 'reject-shown' });
    this.back = button('Previous page', () => { this.tokens.pop(); this.load(); });
    this.next = button('Next page', () => { this.tokens.push(this.nextToken); this.load(); });
    this.root = el('div', { class: 'stack' }, this.stats, el('div', { class: 'row' }, this.state, this.acceptAll, this.rejectAll,
      el('span', { class: 'grow' }), this.back, this.next), this.list);
    this.stop = repeat(5000, () => this.showStats());
    this.load();
  }

  leave() { this.stop(); this.asked += 1; }

  get shownIds() { return [...this.list.querySelectorAll('[data-feedback]')].map((node) => node.dataset.feedback); }

  async showStats() {
    try {
      const s = await call('GET', '/api/feedback/stats');
      this.stats.textContent = `${s.pendingCount} to review, ${s.acceptedCount} accepted, ${s.rejectedCount} rejected; `
        + `${bytesText(s.keptBytes)} of at most ${bytesText(s.maxKeptBytes)}`;
    } catch (error) { this.stats.textContent = sentenceOf(error); }
  }

  refresh() { this.tokens = ['']; this.showStats(); this.load(); }

  async load() {
    const asked = ++this.asked;
    try {
      const page = await call('GET', withRequest('/api/feedback/list', { pageSize: PAGE, state: this.state.value,
        pageToken: this.tokens[this.tokens.length - 1] }));
      if (asked !== this.asked) return;
      this.nextToken = page.nextPageToken;
      this.show(page.feedback);
    } catch (error) {
      if (asked === this.asked) noteError(error);
    }
  }

  show(entries) {
    const cards = entries.map((entry) => this.card(entry));
    this.list.replaceChildren(...cards.map(({ node }) => node));
    if (!cards.length) this.list.replaceChildren(el('li', { class: 'state' }, 'There is nothing to show.'));
    this.acceptAll.disabled = this.rejectAll.disabled = !cards.length;
    this.back.disabled = this.tokens.length < 2;
    this.next.disabled = !this.nextToken;
    this.loadSketches(cards, this.asked);
  }

  card(entry) {
    const sketch = el('img', { alt: 'The drawing', class: 'pair-image' });
    // Under the id there may be another photo now, which the verdict is not about.
    const photo = entry.photoIsCurrent
      ? el('img', { src: thumbnailPath(entry.photoId), alt: `Photo ${entry.photoId}`, class: 'pair-image', loading: 'lazy' })
      : el('div', { class: 'state' }, 'This photo was deleted or replaced, so the pair is not exported.');
    const act = (text, run, props = {}) => button(text, run, { class: 'small', ...props });
    const id = entry.feedbackId;
    const node = el('li', { class: 'pair', data: { feedback: id, state: entry.state } }, sketch, photo,
      el('p', {}, el('b', {}, VERDICTS[entry.verdict] || ''), ` ${entry.photoId}`),
      el('p', { class: 'muted' }, `${timeText(entry.recordedAt)}, by ${entry.recordedBy}; ${(STATES[entry.state] || '').toLowerCase()}`),
      el('div', { class: 'card-acts' },
        act('Accept', () => this.review([id], 'STATE_ACCEPTED'), { 'aria-pressed': String(entry.state === 'STATE_ACCEPTED') }),
        act('Reject', () => this.review([id], 'STATE_REJECTED'), { 'aria-pressed': String(entry.state === 'STATE_REJECTED') }),
        act('Forget', () => this.forget(id), { class: 'small danger' })));
    return { id, sketch, node };
  }

  /** Loads them one after the other, since the photos share the browser's few connections. */
  async loadSketches(cards, asked) {
    for (const { id, sketch } of cards) {
      if (asked !== this.asked) return;
      try {
        const entry = await call('GET', withRequest('/api/feedback/entry', { feedbackId: id, withSketch: true }));
        sketch.src = `data:image/png;base64,${entry.sketch}`;
      } catch (error) { sketch.alt = sentenceOf(error); }
    }
  }

  async review(feedbackIds, state) {
    await this.act(() => call('POST', '/api/feedback/review', { json: { feedbackIds, state } }));
  }

  async forget(id) {
    if (!await ask('Forget this drawing and what was said about it? This cannot be undone.', 'Forget')) return;
    await this.act(() => call('POST', '/api/feedback/delete', { json: { feedbackIds: [id] } }));
  }

  async act(run) {
    try {
      await run();
      this.refresh();
    } catch (error) { noteError(error); }
  }
}
