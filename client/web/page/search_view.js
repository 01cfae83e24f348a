import { CanvasBoard } from './canvas_board.js';
import { FilterBar } from './filter_bar.js';
import { MatchFeedback } from './match_feedback.js';
import { PhotoDetail } from './photo_detail.js';
import { ResultsGrid } from './results_grid.js';
import { SearchHistory } from './search_history.js';
import { SearchQuery, fromFragment, toFragment } from './search_query.js';
import { SearchSession } from './search_session.js';
import { Shelf } from './shelf.js';
import { button, byId, copyText, download, el, note } from './dom.js';
import { call, sentenceOf } from './gateway.js';
import { readPicture } from './pictures.js';

// Some programs cut longer links when they send them.
const LONG_LINK_CHARACTERS = 6000;
const LINK_AGAIN_MS = 2000;

/** The search view: holds the query, and keeps paper, shelf, filters and results in step with it. */
export class SearchView {
  /** @param {import('./model_badge.js').ModelBadge} badge */
  constructor(badge) {
    this.badge = badge;
    this.query = new SearchQuery();
    this.response = null;
    // Whether the visible results are those of the query as it is.
    this.isCurrent = false;
    // The fragment of the address that this view last wrote or read.
    this.written = '';
    this.linkTimer = 0;
    // Identifies the link being opened; any later change cancels it.
    this.turn = 0;
    const query = () => this.query;
    this.board = new CanvasBoard(byId('board'), this.query.drawing);
    this.session = new SearchSession(query, (state) => this.showSearch(state));
    this.filters = new FilterBar(query, () => this.changed());
    this.shelf = new Shelf(query, { pick: (i) => this.pick(i), changed: () => this.changed() });
    this.feedback = new MatchFeedback(() => this.query.drawing, () => this.isCurrent, () => this.showMarks());
    this.detail = new PhotoDetail(() => this.query.drawing, () => (this.response ? this.response.matches : []), this.feedback);
    this.grid = new ResultsGrid({ open: (i) => this.detail.show(i), like: (id, weight) => this.like(id, weight),
      weightOf: (id) => this.query.liked.get(id) || 0, filter: (key, value) => this.filters.addMetadata(key, value) }, this.feedback);
    this.history = new SearchHistory((json) => this.takeUp(json));
    this.board.addEventListener('change', () => this.changed());
    this.board.addEventListener('touch', () => { byId('paper-hint').hidden = true; });
    badge.addEventListener('swap', () => this.session.again());
    this.wireTools();
    this.wirePictures();
    document.addEventListener('keydown', (event) => this.key(event));
    addEventListener('hashchange', () => { if (!byId('search-view').hidden) this.enter(); });
    this.show();
    this.showSearch({ kind: 'idle' });
  }

  wireTools() {
    const click = (id, run) => byId(id).addEventListener('click', run);
    click('tool-pen', () => this.setTool('pen'));
    click('tool-eraser', () => this.setTool('eraser'));
    for (const name of ['undo', 'redo', 'mirror', 'clear']) click(name, () => this.board[name]());
    click('new-search', () => this.startOver());
    click('share', () => this.share());
    click('export-json', () => this.exportJson());
    click('export-csv', () => this.exportCsv());
    byId('stroke-width').addEventListener('input', (event) => { this.board.width = Number(event.target.value); });
    byId('is-photo').addEventListener('change', (event) => {
      this.query.drawing.modality = event.target.checked ? 'MODALITY_PHOTO' : 'MODALITY_SKETCH';
      this.changed();
    });
  }

  wirePictures() {
    const input = byId('upload-file');
    byId('upload').addEventListener('click', () => input.click());
    input.addEventListener('change', () => { this.picture(input.files[0]); input.value = ''; });
    const view = byId('search-view');
    const paper = byId('paper');
    view.addEventListener('dragover', (event) => { event.preventDefault(); paper.classList.add('drop'); });
    view.addEventListener('dragleave', () => paper.classList.remove('drop'));
    view.addEventListener('drop', (event) => {
      event.preventDefault();
      paper.classList.remove('drop');
      if (event.dataTransfer.files.length > 1) note('Only the first picture is used for the search.');
      this.picture(event.dataTransfer.files[0]);
    });
    document.addEventListener('paste', (event) => {
      if (view.hidden || !event.clipboardData.files.length) return;
      event.preventDefault();
      this.picture(event.clipboardData.files[0]);
    });
  }

  /** @param {File} [file] the picture to put on the paper */
  async picture(file) {
    if (!file) return;
    let bitmap;
    try {
      bitmap = await readPicture(file);
    } catch (error) {
      note(error.message, { bad: true });
      return;
    }
    this.board.apply({ kind: 'image', bitmap });
  }

  setTool(tool) {
    this.board.tool = tool;
    byId('tool-pen').setAttribute('aria-pressed', String(tool === 'pen'));
    byId('tool-eraser').setAttribute('aria-pressed', String(tool === 'eraser'));
  }

  pick(index) {
    this.query.active = index;
    this.board.show(this.query.drawing);
    this.show();
    this.showMarks();
    this.writeLink();
  }

  like(id, weight) {
    if (weight) this.query.liked.set(id, weight);
    else this.query.liked.delete(id);
    this.changed();
  }

  startOver() {
    if (!this.query.empty) this.history.add(this.query);
    this.take(new SearchQuery());
  }

  /** Switches to another query. @param {SearchQuery} query */
  take(query) {
    this.query = query;
    this.board.show(query.drawing);
    this.filters.show();
    this.changed();
  }

  changed() {
    this.turn += 1;
    this.show();
    this.session.touch();
    this.writeLink();
  }

  show() {
    const { drawing } = this.query;
    byId('undo').disabled = !drawing.canUndo;
    byId('redo').disabled = !drawing.canRedo;
    byId('clear').disabled = byId('mirror').disabled = drawing.empty;
    byId('paper-hint').hidden = !drawing.empty;
    byId('is-photo').checked = drawing.modality === 'MODALITY_PHOTO';
    byId('share').disabled = this.query.plain;
    for (const id of ['export-json', 'export-csv']) byId(id).disabled = this.query.empty;
    this.shelf.show();
  }

  showSearch({ kind, response, latencyMs, error }) {
    const status = byId('search-status');
    if (kind !== 'slow') {
      this.isCurrent = kind === 'results';
      this.showMarks();
    }
    // An error stays visible until there is news: the next attempt may fail the same way.
    if (kind === 'searching') { this.grid.setStale(); return; }
    if (kind === 'slow') { status.textContent = 'Still searching …'; return; }
    byId('search-state').hidden = true;
    if (kind === 'results') { this.showResponse(response, latencyMs); return; }
    status.textContent = '';
    if (kind === 'idle') {
      this.response = null;
      this.grid.clear();
      this.filters.showAttributes([]);
      this.showState(this.idleWords());
    } else {
      this.grid.setStale();
      this.showState(`${sentenceOf(error)}${error.passing ? ' Retrying.' : ''}`, { bad: true,
        more: error.requestId ? `Request ${error.requestId}` : '' });
    }
  }

  showMarks() {
    this.grid.showMarks();
    this.detail.showMarks();
  }

  idleWords() {
    const { query } = this;
    if (query.drawings.some((d) => !d.empty)) return 'This is too little to search with. Draw more of it.';
    if (query.liked.size) return 'Draw something, or mark a photo "More like". "Not like" alone is not enough to search.';
    return 'Draw something, and photos that look like it will appear here.';
  }

  showResponse(response, latencyMs) {
    this.response = response;
    this.badge.saw(Number(response.modelVersion));
    this.grid.show(response.matches);
    this.filters.showAttributes(response.queryAttributes);
    const count = response.matches.length;
    byId('search-status').textContent = `${count} ${count === 1 ? 'photo' : 'photos'} in ${Math.round(latencyMs)} ms, model ${response.modelVersion}`;
    if (count === 0) this.explainNothing();
    clearTimeout(this.historyTimer);
    this.historyTimer = setTimeout(() => this.history.add(this.query), 4000);
  }

  async explainNothing() {
    const { query } = this;
    const onlyColour = query.colour && query.colourOnly;
    if (query.metadata.size || query.attributes.size || query.modality || onlyColour) {
      this.showState('No photo matches the filters.', { action: 'Remove the filters', run: () => {
        query.metadata.clear();
        query.attributes.clear();
        query.modality = '';
        query.colourOnly = false;
        this.filters.show();
        this.changed();
      } });
      return;
    }
    const stats = await call('GET', '/api/gallery/stats').catch(() => null);
    const empty = stats && Number(stats.photoCount) + Number(stats.sketchCount) === 0;
    this.showState(empty ? 'The gallery is empty. Add photos in the operator view.' : 'Nothing was found.');
  }

  showState(text, { bad = false, more = '', action = '', run = null } = {}) {
    const state = byId('search-state');
    state.className = bad ? 'state bad' : 'state';
    state.hidden = false;
    state.replaceChildren(...[el('p', {}, text), more && el('small', { class: 'muted' }, more),
      action && button(action, run)].filter(Boolean));
  }

  /** Puts the query into the address, or nothing if it is too long. */
  writeLink() {
    clearTimeout(this.linkTimer);
    if (byId('search-view').hidden) return;
    this.written = toFragment(this.query) || '';
    if (this.written === location.hash.slice(1)) return;
    // Browsers refuse when the address changes too often, Safari with an exception.
    try { history.replaceState(null, '', this.path); } catch { /* retried later */ }
    if (this.written !== location.hash.slice(1)) this.linkTimer = setTimeout(() => this.writeLink(), LINK_AGAIN_MS);
  }

  /** The path of this view, including the search. */
  get path() { return this.written ? `/#${this.written}` : '/'; }

  /** Shows the query in the address, unless this view wrote it. */
  async enter() {
    this.turn += 1;
    const { turn } = this;
    const fragment = location.hash.slice(1);
    if (fragment === this.written) return;
    let query = new SearchQuery();
    if (fragment.startsWith('q=')) {
      query = await fromFragment(fragment).catch(() => null);
      if (turn !== this.turn) return;
      if (!query) note('This link is damaged: it contains no search.', { bad: true });
    }
    if (query) this.take(query);
    else this.writeLink();
  }

  /** @param {object} json of a search in the history */
  async takeUp(json) {
    this.turn += 1;
    const { turn } = this;
    try {
      const query = await SearchQuery.fromJSON(json);
      if (turn === this.turn) this.take(query);
    } catch {
      if (turn === this.turn) note('This search was saved by another version of the page and cannot be opened.', { bad: true });
    }
  }

  async share() {
    this.writeLink();
    if (!this.written) {
      note('The pictures in this search are too large for a link.', { bad: true });
      return;
    }
    const link = `${location.origin}${this.path}`;
    if (!await copyText(link)) note('The link is in the address bar.');
    else if (link.length <= LONG_LINK_CHARACTERS) note('The link was copied.');
    else note(`The link was copied. With a picture in it, it has ${link.length.toLocaleString()} characters; some programs cut such links.`);
  }

  exportJson() {
    if (this.response) download('matches.json', 'application/json', `${JSON.stringify(this.response, null, 2)}\n`);
  }

  exportCsv() {
    if (!this.response) return;
    // A cell that a spreadsheet would treat as a formula gets an apostrophe.
    const cell = (text) => `"${String(text).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
    const lines = this.response.matches.map((m) => [m.rank, m.score.toFixed(6), cell(m.photoId),
      cell(Object.entries(m.metadata).map(([k, v]) => `${k}=${v}`).join('; ')), this.response.modelVersion].join(','));
    download('matches.csv', 'text/csv', ['rank,score,photo_id,metadata,model_version', ...lines, ''].join('\r\n'));
  }

  key(event) {
    if (byId('search-view').hidden || document.querySelector('dialog[open]')) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== 'range') return;
    const undo = event.key.toLowerCase() === 'z';
    if (event.ctrlKey || event.metaKey) {
      if (undo && !event.shiftKey) this.board.undo();
      else if (undo || event.key.toLowerCase() === 'y') this.board.redo();
      else return;
      event.preventDefault();
      return;
    }
    if (event.altKey) return;
    const width = byId('stroke-width');
    const runs = { p: () => this.setTool('pen'), e: () => this.setTool('eraser'), m: () => this.board.mirror(),
      n: () => this.startOver(), Delete: () => this.board.clear(),
      '[': () => { width.stepDown(2); }, ']': () => { width.stepUp(2); } };
    const run = runs[event.key];
    if (!run) return;
    event.preventDefault();
    run();
    this.board.width = Number(width.value);
  }
}
