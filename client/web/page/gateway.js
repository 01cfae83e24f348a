/** An error of the gateway, or of the way to it, in words for a person. */
export class GatewayError extends Error {
  /** @param {{status: number, code: string, sentence: string, requestId?: string, retryAfter?: number}} what */
  constructor({ status, code, sentence, requestId = '', retryAfter = 0 }) {
    super(sentence);
    Object.assign(this, { status, code, sentence, requestId, retryAfter });
  }

  /** Whether the same call may succeed later without a change. */
  get passing() { return ['NETWORK', 'UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED'].includes(this.code); }
}

const OWN_WORDS = {
  413: 'The file is too large for the server. Use a smaller one.',
  429: 'The server is busy. It is tried again in a moment.',
  503: 'The search server does not answer. It is tried again by itself.',
  504: 'The server took too long. Try again.',
};

async function errorOf(response) {
  let told = {};
  try { told = (await response.json()).error || {}; } catch { /* not ours: a proxy's page */ }
  return new GatewayError({
    status: response.status,
    code: told.code || (response.status === 503 || response.status === 502 ? 'UNAVAILABLE' : 'UNKNOWN'),
    sentence: told.sentence || OWN_WORDS[response.status] || told.message || `The server answered with error ${response.status}.`,
    requestId: told.requestId || response.headers.get('x-request-id') || '',
    retryAfter: Number(response.headers.get('retry-after')) || 0,
  });
}

/**
 * Calls the gateway. Throws GatewayError, or AbortError where the signal said so.
 * @param {string} method
 * @param {string} path
 * @param {{json?: object, raw?: Blob, signal?: AbortSignal, timeoutMs?: number}} [options]
 * @returns {Promise<object|null>} the answer's JSON
 */
export async function call(method, path, { json, raw, signal, timeoutMs = 10000 } = {}) {
  const headers = { 'x-timeout-ms': String(timeoutMs) };
  if (json !== undefined) headers['content-type'] = 'application/json';
  else if (raw) headers['content-type'] = raw.type || 'application/octet-stream';
  const limit = AbortSignal.timeout(timeoutMs + 3000);
  let response;
  try {
    response = await fetch(path, { method, headers, body: json !== undefined ? JSON.stringify(json) : raw,
      signal: signal ? anySignal(signal, limit) : limit });
    if (!response.ok) throw await errorOf(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    if (signal && signal.aborted) throw new DOMException('superseded', 'AbortError');
    if (error.name === 'TimeoutError') {
      throw new GatewayError({ status: 0, code: 'DEADLINE_EXCEEDED', sentence: OWN_WORDS[504] });
    }
    throw new GatewayError({ status: 0, code: 'NETWORK', sentence: 'The server cannot be reached. Check the connection; it is tried again by itself.' });
  }
}

function anySignal(first, second) {
  if (AbortSignal.any) return AbortSignal.any([first, second]);
  const both = new AbortController();
  for (const s of [first, second]) s.addEventListener('abort', () => both.abort(s.reason), { once: true });
  if (first.aborted) both.abort();
  return both.signal;
}

const withId = (path, id) => `${path}?id=${encodeURIComponent(id)}`;

/** @param {string} id @returns {string} path of a gallery item's facts. */
export const photoPath = (id) => withId('/api/photo', id);

/** @param {string} id @returns {string} */
export const thumbnailPath = (id) => withId('/api/photo/thumbnail', id);

/** @param {string} id @returns {string} */
export const originalPath = (id) => withId('/api/photo/original', id);

/** @param {string} path @param {object} request the RPC's, as JSON @returns {string} */
export const withRequest = (path, request) => `${path}?request=${encodeURIComponent(JSON.stringify(request))}`;

/**
 * Calls `run` at once and then again and again, while the page is in sight.
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
 * stream is closed while this one is out of sight, and taken up with the event after the last one.
 * @param {string} jobId
 * @param {(message: object) => void} onMessage
 * @param {(state: 'live'|'away'|'ended') => void} onState
 * @returns {() => void} ends it
 */
export function followJob(jobId, onMessage, onState) {
  let ended = false;
  let source = null;
  let timer = 0;
  let last = 0;
  const close = () => { clearTimeout(timer); if (source) source.close(); source = null; };
  const end = () => { ended = true; close(); document.removeEventListener('visibilitychange', turn); };
  const turn = () => {
    if (ended || document.hidden) { close(); return; }
    if (source) return;
    source = new EventSource(withRequest('/api/training/job/watch', { jobId, fromEvent: String(last + 1) }));
    source.onmessage = (event) => {
      onState('live');
      const message = JSON.parse(event.data);
      // A repetition says only that the job still lives.
      if (Number(message.event) <= last) return;
      last = Number(message.event);
      onMessage(message);
    };
    source.addEventListener('end', () => { onState('ended'); end(); });
    source.onerror = () => {
      if (ended) return;
      onState('away');
      close();
      timer = setTimeout(turn, 3000);
    };
  };
  document.addEventListener('visibilitychange', turn);
  turn();
  return end;
}
