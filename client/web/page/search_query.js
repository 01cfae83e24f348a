import { Drawing } from './drawing.js';
import { deflate, inflate } from './deflate.js';

const TOP_K = 24;
// Browsers allow far longer addresses, but beyond this a page that shows one slows down.
const MAX_FRAGMENT_CHARACTERS = 60000;
const MAX_PLAIN_BYTES = 1 << 22;
// Sides that pictures are shrunk to in turn until a link is short enough.
const PICTURE_SIDES = [0, 256, 192, 128];

/** A query: sketches, liked and disliked photos, filters. Plain data and its two serialised forms. */
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
    /** "#rrggbb", or empty; photos of this colour come first, or are the only ones. */
    this.colour = '';
    this.colourOnly = false;
    this.topK = TOP_K;
  }

  get drawing() { return this.drawings[this.active]; }

  /** Whether there is nothing to search with: no drawing with enough ink, and no liked photo. */
  get empty() { return !this.drawings.some((d) => d.searchable) && ![...this.liked.values()].some((weight) => weight > 0); }

  /** Whether there is nothing to keep in a link. */
  get plain() {
    return this.drawings.every((d) => d.empty) && !this.liked.size && !this.metadata.size && !this.attributes.size
      && !this.modality && !this.colour && this.topK === TOP_K;
  }

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
    if (this.colour && this.colourOnly) filter.colors = [{ color: { rgb: this.colour } }];
    return filter;
  }

  /** @returns {Promise<object>} SearchRequest of the API */
  async request() {
    const drawn = this.drawings.filter((d) => d.searchable);
    const images = await Promise.all(drawn.map((d) => d.png()));
    const examples = drawn.map((d, i) => ({ image: images[i], modality: d.modality }));
    for (const [photoId, weight] of this.liked) examples.push({ photoId, weight });
    const request = { examples, topK: this.topK, filter: this.filter(), withAttributes: true };
    // Also among photos of this colour only, those with more of it come first.
    if (this.colour) request.colorPreferences = [{ color: { rgb: this.colour } }];
    return request;
  }

  /** @param {number} [side] see Drawing.pack @returns {object} */
  pack(side = 0) {
    const kept = this.drawings.filter((d, i) => !d.empty || i === 0);
    return { v: 1, d: kept.map((d) => d.pack(side)), l: [...this.liked], m: [...this.metadata], a: [...this.attributes], o: this.modality,
      h: this.colour, u: this.colourOnly, k: this.topK, c: Math.max(0, kept.indexOf(this.drawing)) };
  }

  toJSON() { return this.pack(); }

  /** @param {object} json of pack; a newer form is refused @returns {Promise<SearchQuery>} */
  static async fromJSON(json) {
    if (!json || json.v !== 1) throw new Error('made by another version of this page');
    const query = new SearchQuery();
    query.drawings = await Promise.all((json.d || []).slice(0, 16).map((d) => Drawing.fromJSON(d)));
    if (!query.drawings.length) query.drawings = [new Drawing()];
    query.liked = new Map((json.l || []).map(([id, w]) => [String(id), Number(w) || 1]));
    query.metadata = new Map((json.m || []).map(([k, v]) => [String(k), String(v)]));
    query.attributes = new Map((json.a || []).map(([k, v]) => [String(k), v === 'without' ? 'without' : 'with']));
    query.modality = ['MODALITY_PHOTO', 'MODALITY_SKETCH'].includes(json.o) ? json.o : '';
    query.colour = /^#[0-9a-f]{6}$/.test(json.h) ? json.h : '';
    query.colourOnly = Boolean(query.colour) && json.u === true;
    query.topK = Math.min(1000, Math.max(1, Math.round(Number(json.k)) || TOP_K));
    query.active = query.drawings[json.c] ? Number(json.c) : 0;
    return query;
  }
}

/** @param {SearchQuery} query @returns {string|null} the part of a link after the #; null if it would be too long. */
export function toFragment(query) {
  if (query.plain) return '';
  for (const side of PICTURE_SIDES) {
    let text = '';
    for (const byte of deflate(new TextEncoder().encode(JSON.stringify(query.pack(side))))) text += String.fromCharCode(byte);
    const fragment = `q=${btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
    if (fragment.length <= MAX_FRAGMENT_CHARACTERS) return fragment;
    if (!query.drawings.some((d) => d.hasPicture)) break;
  }
  return null;
}

/** @param {string} fragment of toFragment @returns {Promise<SearchQuery>} throws Error for an invalid one */
export async function fromFragment(fragment) {
  const text = atob(fragment.slice(2).replaceAll('-', '+').replaceAll('_', '/'));
  const plain = inflate(Uint8Array.from(text, (c) => c.charCodeAt(0)), MAX_PLAIN_BYTES);
  return SearchQuery.fromJSON(JSON.parse(new TextDecoder().decode(plain)));
}
