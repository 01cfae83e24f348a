import { button, el } from './dom.js';
import { call, noteError } from './gateway.js';

const PATH = '/api/training/gallery';
// As in s2p-trainer start: sketches made from more photos teach little.
const ENOUGH_PHOTOS = 1500;

/** Training that begins with the photos of the gallery: the gateway copies them, and submits a job. */
export class GalleryTraining {
  constructor() {
    this.weights = el('input', { type: 'text', id: 'weights', placeholder: 'file on the trainer; without it less is found' });
    this.state = el('span', { role: 'status' });
    this.end = button('Cancel', () => this.send(`${PATH}/cancel`, {}));
    this.root = el('details', { class: 'fold' }, el('summary', {}, 'Begin with the photos of this gallery'),
      el('form', { class: 'form', id: 'train-gallery', on: { submit: (event) => { event.preventDefault(); this.submit(); } } },
        el('label', { for: 'weights' }, 'ImageNet weights'), this.weights,
        el('span'), el('div', { class: 'row' }, el('button', { class: 'main' }, 'Begin'), this.end, this.state)));
  }

  async submit() {
    const weights = this.weights.value;
    const stats = await call('GET', '/api/gallery/stats').catch(noteError);
    if (!stats) return;
    const spec = { name: 'gallery', pairFraction: Math.min(1, ENOUGH_PHOTOS / stats.photoCount), preset: weights ? 'day-one' : 'day-one-from-nothing' };
    if (weights) spec.initialWeights = weights;
    this.send(PATH, { spec });
  }

  send(path, json) { return call('POST', path, { json }).then((now) => this.show(now), noteError); }

  refresh() { call('GET', PATH).then((now) => this.show(now), () => {}); }

  show({ state, sentence }) {
    const busy = state.endsWith('ING');
    this.state.textContent = sentence;
    this.end.hidden = !busy;
    if (busy) this.root.open = true;
  }
}
