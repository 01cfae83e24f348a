import { call, originalPath, photoPath, sentenceOf } from './gateway.js';
import { button, byId, bytesText, el, timeText } from './dom.js';
import { SIDE } from './drawing.js';

/** One large photo next to or under the sketch. */
export class PhotoDetail {
  /**
   * @param {() => import('./drawing.js').Drawing} drawing the sketch to show
   * @param {() => object[]} matches
   * @param {import('./match_feedback.js').MatchFeedback} feedback
   */
  constructor(drawing, matches, feedback) {
    this.dialog = byId('detail');
    this.drawing = drawing;
    this.matches = matches;
    this.feedback = feedback;
    this.overlay = false;
    this.photoId = '';
    /** The buttons that say whether the visible photo is what was drawn. */
    this.marks = [];
    this.dialog.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { event.preventDefault(); this.show(this.index + step); }
    });
    this.dialog.addEventListener('click', (event) => { if (event.target === this.dialog) this.dialog.close(); });
  }

  /** @param {number} index of the match */
  show(index) {
    const match = this.matches()[index];
    if (!match) return;
    this.index = index;
    this.photoId = match.photoId;
    const sketch = el('canvas', { width: SIDE, height: SIDE, role: 'img', 'aria-label': 'The sketch' });
    this.drawing().paint(sketch);
    const photo = el('img', { src: originalPath(match.photoId), alt: `Photo ${match.photoId}`, on: { error: () => {
      photo.replaceWith(el('p', { class: 'state bad' }, 'The photo cannot be loaded at the moment.'));
    } } });
    const sides = el('div', { class: this.overlay ? 'sides overlay' : 'sides' },
      el('figure', { class: 'sketch' }, sketch, el('figcaption', {}, 'Sketch')),
      el('figure', {}, photo, el('figcaption', {}, 'Photo')));
    const facts = el('dl', { class: 'facts' }, this.rows(this.factsOf(match)));
    this.marks = Object.entries({ VERDICT_MATCH: 'This is it', VERDICT_NO_MATCH: 'Not it' }).map(([verdict, text]) => (
      button(text, () => this.feedback.mark(match.photoId, verdict), { data: { verdict } })));
    this.showMarks();
    this.dialog.replaceChildren(
      el('div', { class: 'row' }, el('h2', { id: 'detail-title' }, match.photoId), el('span', { class: 'grow' }), this.marks,
        button('Previous', () => this.show(index - 1), { disabled: index === 0 }),
        button('Next', () => this.show(index + 1), { disabled: index + 1 >= this.matches().length }),
        button('Overlay', () => { this.overlay = !this.overlay; this.show(index); }, { 'aria-pressed': String(this.overlay) }),
        button('Close', () => this.dialog.close(), { id: 'detail-close' })),
      sides, facts);
    if (!this.dialog.open) this.dialog.showModal();
    byId('detail-close').focus();
    this.addStored(match.photoId, facts);
  }

  /** Shows what was said about this photo. */
  showMarks() {
    for (const mark of this.marks) {
      mark.hidden = !this.feedback.possible;
      mark.disabled = !this.feedback.open;
      mark.setAttribute('aria-pressed', String(this.feedback.verdictOf(this.photoId) === mark.dataset.verdict));
    }
  }

  factsOf(match) {
    const strong = match.attributes.filter((a) => a.score >= 0.5).sort((a, b) => b.score - a.score);
    return [['Rank', String(match.rank)], ['Score (cosine)', match.score.toFixed(4)],
      ...(match.colorScore ? [['Added for its colour', match.colorScore.toFixed(4)]] : []), ...Object.entries(match.metadata).sort(),
      ...(strong.length ? [['Attributes', strong.map((a) => `${a.name.replaceAll('_', ' ')} ${Math.round(a.score * 100)} %`).join(', ')]] : [])];
  }

  rows(facts) { return facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))); }

  async addStored(id, facts) {
    try {
      const photo = await call('GET', photoPath(id));
      facts.append(...this.rows([['Size', `${photo.width} × ${photo.height}, ${bytesText(photo.bytes)}`],
        ['Type', photo.contentType], ['Added', timeText(photo.createdAt)]]));
    } catch (error) {
      facts.append(...this.rows([['Details', sentenceOf(error)]]));
    }
  }
}
