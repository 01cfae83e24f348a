/**
 * Builds an element. `props` are properties, except: `on` (event listeners), `data` (data-…) and
 * names with a dash or "role", which become attributes.
 * @param {string} tag
 * @param {object} [props]
 * @param {...(Node|string|null|false|undefined)} children
 * @returns {HTMLElement}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === 'on') for (const [type, call] of Object.entries(value)) node.addEventListener(type, call);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name.includes('-') || name === 'role' || name === 'for') node.setAttribute(name, value);
    else if (name === 'class') node.className = value;
    else node[name] = value;
  }
  node.append(...children.flat().filter((c) => c !== null && c !== false && c !== undefined));
  return node;
}

/** A button that `run` is called for. @param {string|Node} label @param {Function} run @param {object} [props] as el's */
export const button = (label, run, props = {}) => el('button', { type: 'button', ...props, on: { click: run } }, label);

/** @param {string[]} headings @param {HTMLElement} body a tbody */
export const table = (headings, body) => el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {},
  headings.map((name) => el('th', { scope: 'col' }, name)))), body));

/** @param {string} id @returns {HTMLElement} the element with this id. */
export const byId = (id) => document.getElementById(id);

/** Shows a temporary note. @param {string} text @param {{bad?: boolean, action?: string, run?: Function}} [options] */
export function note(text, { bad = false, action = '', run = null } = {}) {
  const box = byId('notes');
  // A message that is already shown is not repeated.
  for (const old of [...box.children]) if (old.firstChild.textContent === text) old.remove();
  const line = el('div', { class: bad ? 'note bad' : 'note' }, el('span', {}, text),
    action && button(action, () => { line.remove(); run(); }, { class: 'small' }),
    button('×', () => line.remove(), { class: 'small quiet', 'aria-label': 'Dismiss' }));
  while (box.children.length >= 4) box.firstChild.remove();
  box.append(line);
  setTimeout(() => line.remove(), bad ? 12000 : 6000);
}

/** @param {number|string} count bytes @returns {string} such as "3.4 MB". */
export function bytesText(count) {
  let n = Number(count || 0);
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (n < 1000 || unit === 'GB') return `${n >= 10 || unit === 'B' ? Math.round(n) : n.toFixed(1)} ${unit}`;
    n /= 1000;
  }
  return '';
}

/** @param {number} share @returns {string} such as "48.2 %". */
export const percent = (share) => `${(share * 100).toFixed(1)} %`;

/** @param {string} [duration] protobuf's JSON form, "3.5s" @returns {number} seconds, or NaN. */
export const seconds = (duration) => (duration ? parseFloat(duration) : NaN);

/** @param {number} s seconds @returns {string} such as "2 min 5 s". */
export function durationText(s) {
  if (!Number.isFinite(s)) return '';
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s` : `${Math.round(s)} s`;
}

/** @param {string} [stamp] RFC 3339 @returns {string} in the reader's own format. */
export const timeText = (stamp) => (stamp ? new Date(stamp).toLocaleString() : '');

/** Copies a text. @param {string} text @returns {Promise<boolean>} whether the browser allowed it */
export async function copyText(text) {
  // Only pages loaded over https or from localhost have a clipboard.
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* the older way may be allowed */ }
  }
  const before = document.activeElement;
  const area = el('textarea', { class: 'copied', value: text, readOnly: true, 'aria-hidden': 'true' });
  document.body.append(area);
  area.select();
  let copied = false;
  try { copied = document.execCommand('copy'); } catch { /* not allowed either */ }
  area.remove();
  if (before) before.focus();
  return copied;
}

/** Offers a text as a file to download. @param {string} name @param {string} type @param {string} text */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
