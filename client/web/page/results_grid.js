import { thumbnailPath } from './gateway.js';
import { button, byId, el } from './dom.js';

/** The photos found, as a grid that the arrow keys navigate. */
export class ResultsGrid {
  /**
   * @param {{open: (index: number) => void, like: (id: string, weight: number) => void,
   *   weightOf: (id: string) => number, filter: (key: string, value: string) => void}} actions
   * @param {import('./match_feedback.js').MatchFeedback} feedback
   */
  constructor(actions, feedback) {
    this.list = byId('results');
    this.actions = actions;
    this.feedback = feedback;
    this.matches = [];
    /** Cards by photo id: a photo that stays is moved, not redrawn. */
    this.cards = new Map();
    this.list.addEventListener('keydown', (event) => this.key(event));
  }

  /** @param {object[]} matches of SearchResponse */
  show(matches) {
    this.matches = matches;
    const kept = new Map();
    const nodes = matches.map((match, index) => {
      const card = this.cards.get(match.photoId) || this.makeCard(match.photoId);
      kept.set(match.photoId, card);
      this.fill(card, match, index);
      return card.node;
    });
    this.cards = kept;
    this.list.replaceChildren(...nodes);
    this.list.classList.remove('stale');
  }

  clear() { this.show([]); }

  /** Shows that the visible results belong to an earlier sketch. */
  setStale() { this.list.classList.add('stale'); }

  makeCard(id) {
    const card = { image: el('img', { alt: '', loading: 'lazy', decoding: 'async', src: thumbnailPath(id) }),
      rank: el('b'), score: el('span', { class: 'muted' }), meta: el('div', { class: 'card-meta' }) };
    card.image.addEventListener('error', () => { card.image.alt = 'no picture'; card.broken = true; });
    card.openButton = button(card.image, () => this.actions.open(this.indexOf(id)), { class: 'card-open' });
    card.more = button('More like', () => this.toggle(id, 1), { class: 'small', 'aria-label': `More like ${id}` });
    card.less = button('Not like', () => this.toggle(id, -1), { class: 'small', 'aria-label': `Not like ${id}` });
    card.match = button('This is it', () => this.feedback.mark(id, 'VERDICT_MATCH'), { class: 'small card-match', 'aria-label': `${id} is what I drew` });
    card.node = el('li', { class: 'card', data: { photo: id } }, card.openButton,
      el('div', {}, el('div', { class: 'card-line' }, card.rank, card.score),
        el('span', { class: 'card-id', title: id }, id), card.meta),
      el('div', { class: 'card-acts' }, card.more, card.less, card.match));
    return card;
  }

  fill(card, match, index) {
    // A thumbnail that failed to load is requested again.
    if (card.broken) { card.broken = false; card.image.alt = ''; card.image.src = thumbnailPath(match.photoId); }
    const score = match.score.toFixed(3);
    card.rank.textContent = `${match.rank}.`;
    card.score.textContent = score;
    card.openButton.setAttribute('aria-label', `Rank ${match.rank}, ${match.photoId}, score ${score}: view details`);
    card.openButton.dataset.index = String(index);
    const weight = this.actions.weightOf(match.photoId);
    card.more.setAttribute('aria-pressed', String(weight > 0));
    card.less.setAttribute('aria-pressed', String(weight < 0));
    card.node.classList.toggle('more', weight > 0);
    this.showMark(card, match.photoId);
    card.meta.replaceChildren(...Object.entries(match.metadata).sort().slice(0, 6).map(([key, value]) => (
      button(`${key}: ${value}`, () => this.actions.filter(key, value), { class: 'tag', title: `Only ${key} = ${value}` }))));
  }

  showMark(card, id) {
    card.match.hidden = !this.feedback.possible;
    card.match.disabled = !this.feedback.open;
    card.match.setAttribute('aria-pressed', String(this.feedback.verdictOf(id) === 'VERDICT_MATCH'));
  }

  /** Shows what was said about the visible results. */
  showMarks() { for (const [id, card] of this.cards) this.showMark(card, id); }

  indexOf(id) { return this.matches.findIndex((match) => match.photoId === id); }

  toggle(id, weight) { this.actions.like(id, this.actions.weightOf(id) === weight ? 0 : weight); }

  key(event) {
    const at = Number(event.target.dataset.index);
    if (!event.target.classList.contains('card-open') || event.ctrlKey || event.metaKey || event.altKey) return;
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(' ').length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (step) {
      const next = this.list.querySelector(`[data-index="${at + step}"]`);
      if (next) next.focus();
    } else if (event.key === '+' || event.key === '-') {
      this.toggle(this.matches[at].photoId, event.key === '+' ? 1 : -1);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
