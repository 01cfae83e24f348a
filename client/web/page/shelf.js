import { Drawing, SIDE } from './drawing.js';
import { byId, el } from './dom.js';
import { thumbnailPath } from './gateway.js';

const MAX_EXAMPLES = 16;

/** Small views of the examples to search with: every sketch of the target, and the liked and disliked photos. */
export class Shelf {
  /** @param {() => import('./search_query.js').SearchQuery} query @param {{pick: (i: number) => void, changed: () => void}} actions */
  constructor(query, actions) {
    this.query = query;
    this.actions = actions;
  }

  show() {
    const query = this.query();
    const examples = query.drawings.length + query.liked.size;
    const nodes = query.drawings.length > 1 || query.liked.size || !query.empty
      ? query.drawings.map((drawing, i) => this.sketch(drawing, i)) : [];
    if (!query.drawing.empty && examples < MAX_EXAMPLES) {
      nodes.push(el('div', { class: 'example add' }, el('button', { type: 'button', id: 'add-sketch', on: { click: () => {
        query.drawings.push(new Drawing());
        this.actions.pick(query.drawings.length - 1);
      } } }, 'Add another sketch')));
    }
    for (const [id, weight] of query.liked) nodes.push(this.photo(id, weight));
    byId('shelf').replaceChildren(...nodes);
  }

  sketch(drawing, i) {
    const query = this.query();
    const canvas = el('canvas', { width: SIDE / 5, height: SIDE / 5 });
    drawing.paint(canvas);
    return el('div', { class: 'example' },
      el('button', { type: 'button', 'aria-label': `Sketch ${i + 1}`, 'aria-pressed': String(i === query.active),
        on: { click: () => this.actions.pick(i) } }, canvas),
      query.drawings.length > 1 && el('button', { type: 'button', class: 'off', 'aria-label': `Remove sketch ${i + 1}`, on: { click: () => {
        query.drawings.splice(i, 1);
        this.actions.pick(Math.min(query.active, query.drawings.length - 1));
        this.actions.changed();
      } } }, '×'));
  }

  photo(id, weight) {
    return el('div', { class: `example ${weight > 0 ? 'more' : 'less'}` },
      el('div', { class: 'thumb' }, el('img', { src: thumbnailPath(id), alt: id })), weight > 0 ? 'more like' : 'not like',
      el('button', { type: 'button', class: 'off', 'aria-label': `Remove ${id}`, on: { click: () => {
        this.query().liked.delete(id);
        this.actions.changed();
      } } }, '×'));
  }
}
