import { call, noteError, repeat, sentenceOf } from './gateway.js';
import { button, durationText, el, note, percent, seconds, table, timeText } from './dom.js';

const WORDS = { STATE_PUBLISHED: 'published', STATE_LOADING: 'loading', STATE_WARMING: 'warming up', STATE_EMBEDDING: 'embedding the gallery',
  STATE_SERVING: 'serving', STATE_RETIRED: 'retired', STATE_FAILED: 'failed' };

/** The versions that the server knows, the one that it serves, and rolling back. */
export class ModelPanel {
  constructor() {
    this.head = el('p', { role: 'status' });
    this.follow = button('Follow the newest', () => this.serve({}), { id: 'follow' });
    this.body = el('tbody');
    this.root = el('div', { class: 'stack' }, el('div', { class: 'row' }, this.head, el('span', { class: 'grow' }), this.follow),
      table(['Version', 'State', 'Rank-1', 'Rank-10', 'mAP', 'Network', 'Created', ''], this.body));
    this.stop = repeat(1500, () => this.refresh());
  }

  leave() { this.stop(); }

  async refresh() {
    try { this.show(await call('GET', '/api/model')); } catch (error) { this.head.textContent = sentenceOf(error); }
  }

  show(status) {
    const serving = Number(status.servingVersion);
    const pinned = status.pinnedVersion === undefined ? null : Number(status.pinnedVersion);
    this.head.textContent = `${serving ? `Version ${serving} serves on ${status.device}` : 'No model serves yet'}; ${
      pinned === null ? 'following the newest.' : `pinned to version ${pinned}.`}`;
    this.follow.disabled = pinned === null;
    this.body.replaceChildren(...status.versions.map((version) => this.row(version, pinned)));
    if (!status.versions.length) this.body.replaceChildren(el('tr', {}, el('td', { colSpan: 8 }, 'Nothing is published yet. Train a model, or wait for the one that is being trained.')));
  }

  row(version, pinned) {
    const number = Number(version.version);
    const eta = durationText(seconds(version.eta));
    const state = version.state === 'STATE_EMBEDDING'
      ? [el('progress', { max: 1, value: version.progress, 'aria-label': 'Gallery embedded' }), `${Math.round(version.progress * 100)} %${eta && `, ${eta} left`}`]
      : [WORDS[version.state] || version.state];
    if (version.failure) state.push(el('div', { class: 'wrong' }, version.failure));
    const test = version.evaluations.find((e) => e.split === 'test') || version.evaluations[0];
    const numbers = test ? [percent(test.rank1), percent(test.rank10), percent(test.mAP)] : ['–', '–', '–'];
    return el('tr', { data: { version: number, state: version.state } }, el('td', {}, String(number)), el('td', {}, state),
      numbers.map((text) => el('td', { class: 'number' }, text)), el('td', {}, `${version.arch}, ${version.dimension}`),
      el('td', {}, timeText(version.createdAt)),
      el('td', {}, button(pinned === number ? 'Pinned' : 'Pin', () => this.serve({ version: String(number) }), { class: 'small', disabled: pinned === number, 'aria-label': `Pin version ${number}` })));
  }

  async serve(request) {
    try {
      this.show((await call('POST', '/api/model/serving', { json: request })).status);
      note(request.version ? `Version ${request.version} is now pinned.` : 'Now following the newest version.');
    } catch (error) { noteError(error); }
  }
}
