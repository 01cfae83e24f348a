// The page without a gateway: its files from the source tree, and answers that a scenario chooses. The
// origin is plain HTTP with a name, as in a home network: browsers give such a page less than one from localhost.
import { readFileSync } from 'node:fs';
import { withPage } from './browser.mjs';

const ORIGIN = 'http://page.test';
const FILES = new URL('../../client/web/page/', import.meta.url);
const TYPES = { html: 'text/html; charset=utf-8', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
  + "form-action 'none'; frame-ancestors 'none'";
const DOT = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

const photo = (photoId) => ({ photoId, width: 60, height: 40, bytes: '1000', contentType: 'image/png', metadata: { kind: 'shoe' },
  createdAt: '2026-01-02T03:04:05Z', modality: 'MODALITY_PHOTO' });

/** Successful responses of the API. A scenario replaces those that it tests: `gateway.on['POST /api/search'] = ...`. */
export class GatewayDouble {
  constructor() {
    this.photoIds = ['boot', 'cross', 'bars'];
    /** Bodies of the searches, and "METHOD path" of all calls of the API, in order. */
    this.searches = [];
    this.calls = [];
    this.on = {
      'GET /api/session': () => ({ operator: true, loginRequired: false, trainer: true, maxBodyBytes: 1 << 20 }),
      'GET /api/model': () => ({ servingVersion: '1', device: 'cpu', versions: [] }),
      'GET /api/gallery/stats': () => ({ photoCount: '3', sketchCount: '0', totalBytes: '3000', modelVersion: '1', dimension: 64 }),
      'GET /api/photos': () => ({ photos: this.photoIds.map(photo), nextPageToken: '' }),
      'GET /api/photo': (url) => photo(url.searchParams.get('id')),
      'GET /api/photo/thumbnail': () => ({ body: DOT, contentType: 'image/png' }),
      'GET /api/photo/original': () => ({ body: DOT, contentType: 'image/png' }),
      'PUT /api/photo': () => ({ result: 'RESULT_ADDED' }),
      'POST /api/search': () => this.found(),
      'GET /api/training/jobs': () => ({ jobs: [] }),
    };
  }

  /** The response to a search. */
  found() {
    return { modelVersion: '1', queryAttributes: [{ name: 'high_heel', score: 0.9 }], matches: this.photoIds.map((photoId, i) => ({
      photoId, rank: i + 1, score: 0.9 - i / 10, metadata: { kind: 'shoe' }, attributes: [] })) };
  }

  /** @returns {object|string} the response to fulfil the request with; a string for a kind of broken connection */
  async answer(request) {
    const url = new URL(request.url());
    const name = `${request.method()} ${url.pathname}`;
    if (!url.pathname.startsWith('/api/')) return this.file(url.pathname);
    this.calls.push(name);
    if (name === 'POST /api/search') this.searches.push(request.postDataJSON());
    const made = this.on[name] ? await this.on[name](url, request) : { status: 404, json: {} };
    if (typeof made === 'string' || made.body !== undefined || made.json !== undefined) return made;
    return { json: made };
  }

  file(path) {
    const name = path === '/' || path === '/operator' ? 'index.html' : path.replace('/assets/', '');
    try {
      return { body: readFileSync(new URL(name, FILES)), contentType: TYPES[name.split('.').pop()], headers: { 'content-security-policy': POLICY } };
    } catch { return { status: 404, body: '' }; }
  }

  async attach(context) {
    await context.route('**/*', async (route) => {
      const answer = await this.answer(route.request());
      // A closed page no longer needs an answer.
      await (typeof answer === 'string' ? route.abort(answer) : route.fulfill(answer)).catch(() => {});
    });
  }
}

/** An error in the gateway's form. */
export const refusal = (status, code, sentence, headers = {}) => ({ status, headers, json: { error: { code, message: `${code}: of a library`, sentence,
  requestId: 'r-1' } } });

/** Runs `scenario(page, gateway, context)` on the page alone. `path` with the leading slash. */
export async function withPageAlone(scenario, { path = '/', prepare = async () => {} } = {}) {
  const gateway = new GatewayDouble();
  await withPage(ORIGIN + path, { prepare: async (context) => { await gateway.attach(context); await prepare(context, gateway); } },
    (page, context) => scenario(page, gateway, context));
}
