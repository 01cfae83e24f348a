import { note } from './dom.js';

/** An error from the gateway, or on the way to it, in words for a person. */
export class GatewayError extends Error {
  /** @param {{status: number, code: string, sentence: string, requestId?: string, retryAfter?: number, ours?: boolean}} what
   *    retryAfter in seconds; ours: the error is the gateway's, not from something in front of it */
  constructor({ status, code, sentence, requestId = '', retryAfter = 0, ours = false }) {
    super(sentence);
    Object.assign(this, { status, code, sentence, requestId, retryAfter, ours });
  }

  /** @param {number} status of a response that is not the gateway's */
  static foreign(status) {
    return new GatewayError({ status, code: 'FOREIGN',
      sentence: 'Something between this page and the server, perhaps a proxy, answered instead of the server. Reload the page.' });
  }

  /** Whether the same call may succeed later without a change. An exceeded limit stays exceeded. */
  get passing() {
    return ['NETWORK', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(this.code) || (this.code === 'RESOURCE_EXHAUSTED' && this.retryAfter > 0);
  }
}

/** @param {unknown} error anything that was thrown @returns {string} a sentence for a person */
export function sentenceOf(error) {
  if (error instanceof GatewayError) return error.sentence;
  console.error(error);
  return 'Something went wrong on this page. Reload it.';
}

/** Shows a note of an error. @param {unknown} error */
export const noteError = (error) => note(sentenceOf(error), { bad: true });

// For responses that are not the gateway's, such as a proxy's pages.
const PROXY_CODES = { 408: 'DEADLINE_EXCEEDED', 429: 'RESOURCE_EXHAUSTED', 502: 'UNAVAILABLE', 503: 'UNAVAILABLE', 504: 'DEADLINE_EXCEEDED' };
const AWAY = 'The server is not responding at the moment.';
const LATE = 'The server took too long. Try again.';
const PROXY_SENTENCES = {
  401: 'The server, or a proxy in front of it, requires a login. Reload the page.',
  403: 'The server, or a proxy in front of it, does not allow this.',
  407: 'A proxy in front of the server requires a login. Reload the page.',
  408: LATE,
  413: 'That is too large for the server, or for a proxy in front of it. Use a smaller file.',
  414: 'That is too long for the server, or for a proxy in front of it.',
  429: 'The server is busy. Try again in a moment.',
  502: AWAY,
  503: AWAY,
  504: LATE,
};
const UNREACHABLE = 'The server cannot be reached. Check the connection.';
const UNFOLLOWED = 'The events of this job are not available at the moment. Retrying.';
const MAX_RETRY_AFTER_S = 3600;

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @returns {object|null} the object that the text encodes; null for anything else. */
function objectIn(text) {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch { return null; }
}

/** @param {string|null} text of Retry-After: seconds or a date @returns {number} seconds from now; 0 for neither */
function secondsOf(text) {
  const seconds = /^\d+$/.test(text || '') ? Number(text) : Math.ceil((Date.parse(text || '') - Date.now()) / 1000);
  return Math.min(MAX_RETRY_AFTER_S, Math.max(0, seconds || 0));
}

async function errorOf(response) {
  const { status, headers } = response;
  const answer = objectIn(await response.text());
  const details = answer && isObject(answer.error) ? answer.error : {};
  const ours = Boolean(details.code);
  return new GatewayError({
    status,
    ours,
    code: details.code || PROXY_CODES[status] || 'UNKNOWN',
    sentence: details.sentence || PROXY_SENTENCES[status] || `The server, or a proxy in front of it, answered with error ${status}.`,
    requestId: details.requestId || headers.get('x-request-id') || '',
    // The gateway omits the header if trying again does not help; a proxy's limit is always
    // temporary.
    retryAfter: secondsOf(headers.get('retry-after')) || (status === 429 && !ours ? 1 : 0),
  });
}

/**
 * Calls the gateway. Throws GatewayError, or AbortError if the signal is aborted.
 * @param {string} method
 * @param {string} path
 * @param {{json?: object, raw?: Blob, signal?: AbortSignal, timeoutMs?: number}} [options]
 * @returns {Promise<object|null>} the answer's JSON, an object
 */
export async function call(method, path, { json, raw, signal, timeoutMs = 10000 } = {}) {
  const headers = { 'x-timeout-ms': String(timeoutMs) };
  if (json !== undefined) headers['content-type'] = 'application/json';
  else if (raw) headers['content-type'] = raw.type || 'application/octet-stream';
  // AbortSignal.timeout and AbortSignal.any are newer than some browsers that this page supports.
  const ender = new AbortController();
  const end = () => ender.abort();
  let late = false;
  const limit = setTimeout(() => { late = true; end(); }, timeoutMs + 3000);
  if (signal) signal.addEventListener('abort', end);
  if (signal && signal.aborted) end();
  try {
    const response = await fetch(path, { method, headers, body: json !== undefined ? JSON.stringify(json) : raw, signal: ender.signal });
    if (!response.ok) throw await errorOf(response);
    if (response.status === 204) return null;
    const answer = objectIn(await response.text());
    if (!answer) throw GatewayError.foreign(response.status);
    return answer;
  } catch (error) {
    if (signal && signal.aborted) throw new DOMException('superseded', 'AbortError');
    if (error instanceof GatewayError) throw error;
    throw late ? new GatewayError({ status: 0, code: 'DEADLINE_EXCEEDED', sentence: LATE })
      : new GatewayError({ status: 0, code: 'NETWORK', sentence: UNREACHABLE });
  } finally {
    clearTimeout(limit);
    if (signal) signal.removeEventListener('abort', end);
  }
}

const withId = (path, id) => `${path}?id=${encodeURIComponent(id)}`;

/** @param {string} id @returns {string} path of a gallery item's properties. */
export const photoPath = (id) => withId('/api/photo', id);

/** @param {string} id @returns {string} */
export const thumbnailPath = (id) => withId('/api/photo/thumbnail', id);

/** @param {string} id @returns {string} */
export const originalPath = (id) => withId('/api/photo/original', id);

/** @param {string} path @param {object} request the RPC's, as JSON @returns {string} */
export const withRequest = (path, request) => `${path}?request=${encodeURIComponent(JSON.stringify(request))}`;

/**
 * Calls `run` immediately and then repeatedly while the page is visible.
 * @param {number} everyMs
 * @param {() => Promise<void>} run
 * @returns {() => void} ends it
 */
export function repeat(everyMs, run) {
  let ended = false;
  let timer = 0;
  const turn = async () => {
    clearTimeout(timer);
    if (ended || document.hidden) return;
    await run().catch(() => {});
    clearTimeout(timer);
    if (!ended) timer = setTimeout(turn, everyMs);
  };
  document.addEventListener('visibilitychange', turn);
  turn();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', turn);
  };
}

/**
 * Follows a job's events. A browser has six connections to one server for all its tabs, so the
 * stream is closed while this tab is hidden, and then resumed after the last event.
 * @param {string} jobId
 * @param {(message: object) => void} onMessage
 * @param {(state: 'live'|'away'|'ended', sentence: string) => void} onState `sentence` says why it is away
 * @returns {() => void} ends it
 */
export function followJob(jobId, onMessage, onState) {
  let ended = false;
  let source = null;
  let timer = 0;
  let last = 0;
  // Whether an event has arrived since the stream was opened.
  let heard = false;
  const close = () => { clearTimeout(timer); if (source) source.close(); source = null; };
  const end = () => { ended = true; close(); document.removeEventListener('visibilitychange', turn); };
  // An EventSource does not say why it failed, but a call for the job does.
  const explain = async () => {
    try {
      await call('GET', withRequest('/api/training/job', { jobId }));
      if (!ended && !heard) onState('away', UNFOLLOWED);
    } catch (error) {
      if (ended) return;
      onState('away', sentenceOf(error));
      if (!error.passing) { end(); return; }
    }
    if (!ended && !source) timer = setTimeout(turn, 3000);
  };
  const turn = () => {
    if (ended || document.hidden) { close(); return; }
    if (source) return;
    heard = false;
    source = new EventSource(withRequest('/api/training/job/watch', { jobId, fromEvent: String(last + 1) }));
    source.onmessage = (event) => {
      const message = objectIn(event.data);
      if (!message) return;
      heard = true;
      onState('live', '');
      // A repeated event only says that the job is still alive.
      if (Number(message.event) <= last) return;
      last = Number(message.event);
      onMessage(message);
    };
    source.addEventListener('end', () => { onState('ended', ''); end(); });
    source.onerror = () => {
      if (ended) return;
      close();
      explain();
    };
  };
  document.addEventListener('visibilitychange', turn);
  turn();
  return end;
}
