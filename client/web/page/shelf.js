import { Drawing, SIDE } from './drawing.js';
import { button, byId, el } from './dom.js';
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
      nodes.push(el('div', { class: 'example add' }, button('Add another sketch', () => {
        query.drawings.push(new Drawing());
        this.actions.pick(query.drawings.length - 1);
      }, { id: 'add-sketch' })));
    }
    for (const [id, weight] of query.liked) nodes.push(this.photo(id, weight));
    byId('shelf').replaceChildren(...nodes);
  }

  sketch(drawing, i) {
    const query = this.query();
    const canvas = el('canvas', { width: SIDE / 5, height: SIDE / 5 });
    drawing.paint(canvas);
    return el('div', { class: 'example' },
      button(canvas, () => this.actions.pick(i), { 'aria-label': `Sketch ${i + 1}`, 'aria-pressed': String(i === query.active) }),
      query.drawings.length > 1 && button('×', () => {
        query.drawings.splice(i, 1);
        this.actions.pick(Math.min(query.active, query.drawings.length - 1));
        this.actions.changed();
      }, { class: 'off', 'aria-label': `Remove sketch ${i + 1}` }));
  }

  photo(id, weight) {
    return el('div', { class: `example ${weight > 0 ? 'more' : 'less'}` },
      el('div', { class: 'thumb' }, el('img', { src: thumbnailPath(id), alt: id })), weight > 0 ? 'more like' : 'not like',
      button('×', () => {
        this.query().liked.delete(id);
        this.actions.changed();
      }, { class: 'off', 'aria-label': `Remove ${id}` }));
  }
}
