import { button, byId, el } from './dom.js';
import { Drawing } from './drawing.js';

const KEY = 's2p-history';
const KEPT = 12;

/** The last searches, kept in this browser only. */
export class SearchHistory {
  /** @param {(json: object) => void} open opens one again */
  constructor(open) {
    this.open = open;
    try { this.entries = JSON.parse(localStorage.getItem(KEY)) || []; } catch { this.entries = []; }
    this.show();
  }

  /** @param {import('./search_query.js').SearchQuery} query */
  add(query) {
    if (query.empty) return;
    const json = JSON.parse(JSON.stringify(query));
    const text = JSON.stringify(json);
    this.entries = [json, ...this.entries.filter((e) => JSON.stringify(e) !== text)].slice(0, KEPT);
    // If the store is full or forbidden, drop the oldest entries, in the end all.
    for (; this.entries.length; this.entries.pop()) {
      try { localStorage.setItem(KEY, JSON.stringify(this.entries)); break; } catch { /* try fewer */ }
    }
    this.show();
  }

  async show() {
    const nodes = await Promise.all(this.entries.map(async (entry) => {
      const canvas = el('canvas', { width: 128, height: 128 });
      try { (await Drawing.fromJSON(entry.d[0])).paint(canvas); } catch { /* shown blank */ }
      return el('li', {}, button(canvas, () => this.open(entry), { 'aria-label': 'Repeat this search' }));
    }));
    byId('history').replaceChildren(...nodes);
  }
}
