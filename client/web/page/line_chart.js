import { el } from './dom.js';

const WIDTH = 560;
const HEIGHT = 220;
const MARGIN = { left: 48, right: 8, top: 10, bottom: 22 };
const KEPT = 600;

function svg(tag, attributes) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

/** Growing curves, one for each name. */
export class LineChart {
  /** @param {string} title @param {string} [unit] of x, to be shown */
  constructor(title, unit) {
    this.unit = unit;
    this.series = new Map();
    this.picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title });
    this.legend = el('figcaption', { class: 'legend' });
    this.root = el('figure', { class: 'chart' }, el('b', {}, title), this.picture, this.legend);
    this.wanted = false;
  }

  /** @param {string} name @param {number} x @param {number} y @param {'dot'|'ring'} [mark] shows the point */
  add(name, x, y, mark) {
    if (!Number.isFinite(y)) return;
    if (!this.series.has(name)) this.series.set(name, []);
    const points = this.series.get(name);
    points.push([x, y, mark]);
    // Drop every second point, so that the whole run stays visible.
    if (points.length > KEPT) this.series.set(name, points.filter((p, i) => i % 2 === 1));
    if (!this.wanted) {
      this.wanted = true;
      requestAnimationFrame(() => { this.wanted = false; this.draw(); });
    }
  }

  draw() {
    const all = [...this.series.values()].flat();
    const xs = all.map((p) => p[0]);
    const left = Math.min(...xs);
    const right = Math.max(...xs, left + 1);
    const top = Math.max(...all.map((p) => p[1])) || 1;
    const bottom = Math.min(0, ...all.map((p) => p[1]));
    const x = (v) => MARGIN.left + ((v - left) / (right - left)) * (WIDTH - MARGIN.left - MARGIN.right);
    const y = (v) => HEIGHT - MARGIN.bottom - ((v - bottom) / (top - bottom)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    const tick = (text, at, height, anchor) => {
      const label = svg('text', { x: at, y: height, 'text-anchor': anchor, class: 'tick' });
      label.textContent = text;
      return label;
    };
    const nodes = [0, 0.5, 1].map((share) => bottom + share * (top - bottom)).flatMap((value) => [
      svg('line', { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(value), y2: y(value), class: 'rule' }),
      tick(value.toPrecision(3), MARGIN.left - 6, y(value) + 4, 'end')]);
    if (this.unit) nodes.push(tick(left, x(left), HEIGHT - 4, 'start'), tick(`${right} ${this.unit}`, x(right), HEIGHT - 4, 'end'));
    [...this.series.values()].forEach((points, i) => {
      nodes.push(svg('polyline', { class: `curve c${i % 8}`, points: points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(' ') }),
        ...points.filter((p) => p[2]).map((p) => svg('circle', { class: `mark ${p[2]} c${i % 8}`, cx: x(p[0]), cy: y(p[1]), r: 4 })));
    });
    this.picture.replaceChildren(...nodes);
    this.legend.replaceChildren(...[...this.series].map(([name, points], i) => el('span', { class: `key c${i % 8}` },
      `${name} ${points[points.length - 1][1].toPrecision(3)}`)));
  }
}
