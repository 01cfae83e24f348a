import { call, repeat, sentenceOf } from './gateway.js';
import { byId, note } from './dom.js';

const BUSY = { STATE_LOADING: 'loading', STATE_WARMING: 'warming up', STATE_EMBEDDING: 'embedding the gallery' };

/** The served model's version in the page's header. Fires `swap` when another version is served. */
export class ModelBadge extends EventTarget {
  constructor() {
    super();
    this.version = null;
    this.badge = byId('model-badge');
    repeat(2000, () => this.ask());
  }

  async ask() {
    try {
      this.show(await call('GET', '/api/model', { timeoutMs: 4000 }));
    } catch (error) {
      this.badge.textContent = 'Server unreachable';
      this.badge.title = sentenceOf(error);
    }
  }

  /** @param {number} version from a response */
  saw(version) { if (this.version !== null && version > 0 && version !== this.version) this.ask(); }

  show(status) {
    const version = Number(status.servingVersion);
    const coming = status.versions.find((v) => BUSY[v.state]);
    const progress = coming && coming.state === 'STATE_EMBEDDING' ? ` ${Math.round(coming.progress * 100)} %` : '';
    this.badge.textContent = (version ? `Model ${version}` : 'No model yet')
      + (coming ? ` · ${coming.version} ${BUSY[coming.state]}${progress}` : '');
    this.badge.title = `on ${status.device || '?'}`;
    if (this.version !== null && version !== this.version) {
      this.badge.classList.add('fresh');
      setTimeout(() => this.badge.classList.remove('fresh'), 8000);
      if (version) note(this.version ? `Model ${version} is now served instead of ${this.version}.` : `Model ${version} is now served.`);
      this.version = version;
      this.dispatchEvent(new Event('swap'));
    }
    this.version = version;
  }
}
