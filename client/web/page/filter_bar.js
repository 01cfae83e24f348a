import { ColourWell } from './colour_well.js';
import { button, byId, el } from './dom.js';

const SHOWN_ATTRIBUTES = 6;
const KINDS = [['', 'Photos and sketches'], ['MODALITY_PHOTO', 'Photos only'], ['MODALITY_SKETCH', 'Sketches only']];

/** The filters of the results: metadata, kind, number, colour, and the attributes seen in the sketch. */
export class FilterBar {
  /** @param {() => import('./search_query.js').SearchQuery} query @param {() => void} changed */
  constructor(query, changed) {
    this.query = query;
    this.changed = changed;
    this.attributes = [];
    this.build();
  }

  build() {
    this.pills = el('span', { class: 'row' });
    this.colour = new ColourWell(this.query, this.changed);
    this.count = el('input', { type: 'number', id: 'top-k', min: 1, max: 1000, on: { change: () => {
      this.query().topK = Math.min(1000, Math.max(1, Math.round(Number(this.count.value)) || 24));
      this.show();
      this.changed();
    } } });
    this.kind = el('select', { id: 'modality', on: { change: () => { this.query().modality = this.kind.value; this.changed(); } } },
      KINDS.map(([value, text]) => el('option', { value }, text)));
    const key = el('input', { type: 'text', id: 'filter-key', placeholder: 'key', 'aria-label': 'Metadata key', maxLength: 64 });
    const value = el('input', { type: 'text', id: 'filter-value', placeholder: 'value', 'aria-label': 'Metadata value' });
    const add = () => { if (key.value) { this.addMetadata(key.value, value.value); key.value = value.value = ''; } };
    for (const input of [key, value]) input.addEventListener('keydown', (event) => { if (event.key === 'Enter') add(); });
    byId('filters').replaceChildren(
      el('label', {}, 'Show', this.count), el('label', {}, 'of', this.kind), this.colour.node,
      el('span', { class: 'row' }, key, '=', value, button('Filter', add, { id: 'filter-add' })),
      this.pills);
    this.show();
  }

  addMetadata(key, value) {
    this.query().metadata.set(key, value);
    this.show();
    this.changed();
  }

  /** Shows the current query. */
  show() {
    const query = this.query();
    this.count.value = query.topK;
    this.kind.value = query.modality;
    this.colour.show();
    this.pills.replaceChildren(...[...query.metadata].map(([key, value]) => el('span', { class: 'pill' }, `${key} = ${value}`,
      button('×', () => {
        query.metadata.delete(key);
        this.show();
        this.changed();
      }, { 'aria-label': `Remove the filter ${key}` }))));
    this.showAttributes(this.attributes);
  }

  /** @param {{name: string, score: number}[]} attributes as predicted from the sketch */
  showAttributes(attributes) {
    this.attributes = attributes;
    const chosen = this.query().attributes;
    const shown = [...attributes].sort((a, b) => b.score - a.score).filter((a, i) => i < SHOWN_ATTRIBUTES || chosen.has(a.name));
    for (const name of chosen.keys()) if (!shown.some((a) => a.name === name)) shown.push({ name, score: NaN });
    byId('attributes').replaceChildren(...shown.map(({ name, score }) => {
      const mode = chosen.get(name) || 'any';
      const says = { any: '', with: 'only ', without: 'no ' }[mode];
      return button(`${says}${name.replaceAll('_', ' ')}${Number.isFinite(score) ? ` ${Math.round(score * 100)} %` : ''}`, () => this.turn(name, mode), { class: 'chip', data: { mode, attribute: name }, 'aria-pressed': String(mode !== 'any'), title: 'Click: only photos with it, photos without it, all' });
    }));
  }

  turn(name, mode) {
    const next = { any: 'with', with: 'without', without: '' }[mode];
    if (next) this.query().attributes.set(name, next);
    else this.query().attributes.delete(name);
    this.show();
    this.changed();
  }
}
