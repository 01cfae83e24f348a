import { Drawing } from './drawing.js';

const TOP_K = 24;

/** What is searched for: sketches, photos liked and disliked, filters. Plain data and its two forms. */
export class SearchQuery {
  constructor() {
    this.drawings = [new Drawing()];
    this.active = 0;
    /** @type {Map<string, number>} weight by photo id: positive is "more like this". */
    this.liked = new Map();
    /** @type {Map<string, string>} */
    this.metadata = new Map();
    /** @type {Map<string, 'with'|'without'>} */
    this.attributes = new Map();
    this.modality = '';
    this.topK = TOP_K;
  }

  get drawing() { return this.drawings[this.active]; }

  /** Whether there is nothing to search by: no drawing that shows enough, and no photo to be like. */
  get empty() { return !this.drawings.some((d) => d.searchable) && ![...this.liked.values()].some((weight) => weight > 0); }

  /** @returns {object} Filter of the API */
  filter() {
    const filter = {};
    if (this.metadata.size) filter.metadata = Object.fromEntries(this.metadata);
    if (this.attributes.size) {
      filter.attributes = [...this.attributes].map(([name, mode]) => (
        mode === 'with' ? { name, min: 0.5 } : { name, max: 0.5 }));
    }
    if (this.modality) filter.modality = this.modality;
    const excluded = [...this.liked].filter(([, weight]) => weight < 0).map(([id]) => id);
    if (excluded.length) filter.excludePhotoIds = excluded;
    return filter;
  }

  /** @returns {Promise<object>} SearchRequest of the API */
  async request() {
    const drawn = this.drawings.filter((d) => d.searchable);
    const images = await Promise.all(drawn.map((d) => d.png()));
    const examples = drawn.map((d, i) => ({ image: images[i], modality: d.modality }));
    for (const [photoId, weight] of this.liked) examples.push({ photoId, weight });
    return { examples, topK: this.topK, filter: this.filter(), withAttributes: true };
  }

  toJSON() {
    return { v: 1, d: this.drawings.filter((d, i) => !d.empty || i === 0).map((d) => d.toJSON()),
      l: [...this.liked], m: [...this.metadata], a: [...this.attributes], o: this.modality, k: this.topK };
  }

  /** @param {object} json of toJSON; a newer form is refused @returns {Promise<SearchQuery>} */
  static async fromJSON(json) {
    if (!json || json.v !== 1) throw new Error('made by another version of this page');
    const query = new SearchQuery();
    query.drawings = await Promise.all((json.d || []).slice(0, 16).map((d) => Drawing.fromJSON(d)));
    if (!query.drawings.length) query.drawings = [new Drawing()];
    query.liked = new Map((json.l || []).map(([id, w]) => [String(id), Number(w) || 1]));
    query.metadata = new Map((json.m || []).map(([k, v]) => [String(k), String(v)]));
    query.attributes = new Map((json.a || []).map(([k, v]) => [String(k), v === 'without' ? 'without' : 'with']));
    query.modality = ['MODALITY_PHOTO', 'MODALITY_SKETCH'].includes(json.o) ? json.o : '';
    query.topK = Math.min(1000, Math.max(1, Number(json.k) || 24));
    return query;
  }
}

async function through(stream, bytes) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

/** @param {SearchQuery} query @returns {Promise<string>} what stands behind the # of a link. */
export async function toFragment(query) {
  const packed = await through(new CompressionStream('deflate-raw'), new TextEncoder().encode(JSON.stringify(query)));
  let text = '';
  for (const byte of packed) text += String.fromCharCode(byte);
  return `q=${btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

/** @param {string} fragment of toFragment @returns {Promise<SearchQuery>} */
export async function fromFragment(fragment) {
  const text = atob(fragment.slice(2).replaceAll('-', '+').replaceAll('_', '/'));
  const plain = await through(new DecompressionStream('deflate-raw'), Uint8Array.from(text, (c) => c.charCodeAt(0)));
  return SearchQuery.fromJSON(JSON.parse(new TextDecoder().decode(plain)));
}
