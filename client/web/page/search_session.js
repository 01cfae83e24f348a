import { GatewayError, call } from './gateway.js';

const PAUSE_MS = 60;
const SLOW_MS = 1500;

/**
 * Keeps the results in step with the query: the first change is searched immediately, and those that
 * follow within 60 ms together; a newer search aborts the older one, and a late response is dropped.
 */
export class SearchSession {
  /**
   * @param {() => object} query gives the SearchQuery to search with
   * @param {(state: {kind: string, response?: object, latencyMs?: number, error?: Error}) => void} report
   *   kind: idle, searching, slow, results, error
   */
  constructor(query, report) {
    this.query = query;
    this.report = report;
    this.running = null;
    this.timer = 0;
    this.lastStart = -PAUSE_MS;
    this.failures = 0;
    this.changedAt = 0;
  }

  /** To be called when the query has changed. */
  touch() {
    this.changedAt = performance.now();
    this.failures = 0;
    this.stop();
    if (this.query().empty) { this.report({ kind: 'idle' }); return; }
    const wait = Math.max(0, this.lastStart + PAUSE_MS - this.changedAt);
    if (wait === 0) { this.start(); return; }
    // The visible results already belong to another query.
    this.report({ kind: 'searching' });
    this.timer = setTimeout(() => this.start(), wait);
  }

  /** Searches again with the same query, if there is one. */
  again() { if (!this.query().empty) { this.changedAt = performance.now(); this.stop(); this.start(); } }

  stop() {
    clearTimeout(this.timer);
    if (this.running) this.running.abort();
    this.running = null;
  }

  async start() {
    const mine = new AbortController();
    this.running = mine;
    this.lastStart = performance.now();
    this.report({ kind: 'searching' });
    const slow = setTimeout(() => { if (this.running === mine) this.report({ kind: 'slow' }); }, SLOW_MS);
    try {
      const json = await this.query().request();
      if (this.running !== mine) return;
      const response = await call('POST', '/api/search', { json, signal: mine.signal });
      if (this.running !== mine) return;
      if (!Array.isArray(response.matches)) throw GatewayError.foreign(200);
      this.failures = 0;
      this.running = null;
      this.report({ kind: 'results', response, latencyMs: performance.now() - this.changedAt });
    } catch (error) {
      if (this.running !== mine) return;
      this.running = null;
      this.failures += 1;
      this.report({ kind: 'error', error });
      if (error.passing) {
        const wait = Math.max(error.retryAfter * 1000, Math.min(8000, 500 * 2 ** this.failures));
        this.timer = setTimeout(() => this.again(), wait);
      }
    } finally {
      clearTimeout(slow);
    }
  }
}
