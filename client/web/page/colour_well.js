import { button, el } from './dom.js';

// A browser's colour field always has a value; this one shows while nothing is chosen.
const UNCHOSEN = '#c0392b';
const USES = [['first', 'first'], ['only', 'only']];

/** The colour of what is looked for, which a drawing cannot say. */
export class ColourWell {
  /** @param {() => import('./search_query.js').SearchQuery} query @param {() => void} changed */
  constructor(query, changed) {
    this.query = query;
    this.well = el('input', { type: 'color', id: 'colour', on: { input: () => this.pick(this.well.value, changed) } });
    this.use = el('select', { id: 'colour-use', 'aria-label': 'Photos of this colour', on: { change: () => {
      query().colourOnly = this.use.value === 'only';
      changed();
    } } }, USES.map(([value, text]) => el('option', { value }, text)));
    this.off = button('×', () => {
      this.pick('', changed);
      // The button that had the focus is gone.
      this.well.focus();
    }, { id: 'colour-off', 'aria-label': 'Search without a colour' });
    this.node = el('span', { class: 'row well' }, el('label', {}, 'Colour', this.well), this.use, this.off);
  }

  pick(colour, changed) {
    this.query().colour = colour;
    this.show();
    changed();
  }

  /** Shows the current query. */
  show() {
    const { colour, colourOnly } = this.query();
    this.well.value = colour || UNCHOSEN;
    this.well.title = colour ? `Colour ${colour}` : 'Choose the colour of what you are looking for';
    this.node.classList.toggle('unchosen', !colour);
    this.use.value = colourOnly ? 'only' : 'first';
    this.use.hidden = this.off.hidden = !colour;
  }
}
