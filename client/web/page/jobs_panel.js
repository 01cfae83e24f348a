import { call, followJob, noteError, repeat, sentenceOf, withRequest } from './gateway.js';
import { button, durationText, el, note, percent, seconds, table, timeText } from './dom.js';
import { GalleryTraining } from './gallery_training.js';
import { LineChart } from './line_chart.js';
import { ask } from './question.js';

const wordOf = (state) => `${state}`.replace('STATE_', '').toLowerCase();
const PRESETS = ['demo', 'shoes-resnet18', 'shoes', 'shoes-release', 'faces', 'persons'];
const isOver = (state) => /SUCCEEDED|FAILED|CANCELLED/.test(state);

/** Training jobs: the list, the live curves of one job, submitting, cancelling, retrying. */
export class JobsPanel {
  /** @param {object} session of the gateway */
  constructor(session) {
    this.gallery = session.galleryTraining && new GalleryTraining();
    this.body = el('tbody');
    this.detail = el('section', { 'aria-label': 'Selected job', class: 'stack' });
    this.endFollow = () => {};
    this.root = el('div', { class: 'stack' }, this.gallery && this.gallery.root, this.form(),
      table(['Job', 'Name', 'State', 'Progress', 'Created', ''], this.body), this.detail);
    this.stop = repeat(3000, () => this.refresh());
  }

  leave() { this.stop(); this.endFollow(); }

  form() {
    const inputs = {};
    const field = (name, label, props) => {
      inputs[name] = el('input', { type: 'text', id: name, ...props });
      return [el('label', { for: name }, label), inputs[name]];
    };
    const preset = el('select', { id: 'preset' }, PRESETS.map((name) => el('option', { value: name }, name)));
    const fields = [field('job-name', 'Name'), field('target', 'Target data set', { placeholder: 'folder on the trainer', required: true }),
      field('source', 'Source data set', { placeholder: 'folder (optional)' }),
      field('epochs', 'Epochs of step 2', { type: 'number', min: 0, max: 10000, placeholder: 'as in the preset' }),
      field('seed', 'Seed', { type: 'number', min: 0, placeholder: 'as in the preset' })];
    const more = el('textarea', { id: 'more', rows: 2, placeholder: '{"loss": {"triplet": 1}}' });
    const submit = async (event) => {
      event.preventDefault();
      const { target, source, epochs, seed } = inputs;
      try {
        const spec = { ...(more.value.trim() ? JSON.parse(more.value) : {}), preset: preset.value, targetDataset: target.value };
        if (inputs['job-name'].value) spec.name = inputs['job-name'].value;
        if (source.value) spec.sourceDataset = source.value;
        if (epochs.value) spec.step2 = { ...spec.step2, epochs: Number(epochs.value) };
        if (seed.value) spec.seed = seed.value;
        const { job } = await call('POST', '/api/training/jobs', { json: { spec } });
        note(`Job ${job.jobId} was submitted.`);
        this.open(job.jobId);
        this.refresh();
      } catch (error) {
        note(error instanceof SyntaxError ? 'The additional fields are not JSON, such as {"loss": {"triplet": 1}}.' : sentenceOf(error), { bad: true });
      }
    };
    return el('details', { class: 'fold' }, el('summary', {}, 'Submit a job'), el('form', { class: 'form', id: 'submit-job', on: { submit } },
      el('label', { for: 'preset' }, 'Preset'), preset, fields.flat(), el('label', { for: 'more' }, 'More fields'), more, el('span'), el('button', { class: 'main' }, 'Submit')));
  }

  async refresh() {
    if (this.gallery) this.gallery.refresh();
    try {
      const { jobs } = await call('GET', withRequest('/api/training/jobs', { pageSize: 100 }));
      this.body.replaceChildren(...jobs.map((job) => this.row(job)));
      if (!jobs.length) this.body.replaceChildren(el('tr', {}, el('td', { colSpan: 6 }, 'There are no jobs yet.')));
    } catch (error) {
      this.body.replaceChildren(el('tr', {}, el('td', { colSpan: 6 }, sentenceOf(error))));
    }
  }

  row(job) {
    const p = job.progress;
    const left = p && durationText(seconds(p.eta));
    const progress = job.state === 'STATE_RUNNING' && p ? `step ${p.ihdaStep}, epoch ${p.epoch} of ${p.epochs}${left ? `, ${left} left` : ''}`
      : job.publishedVersion !== '0' ? `published as ${job.publishedVersion}` : '';
    return el('tr', { data: { job: job.jobId } }, el('td', {}, button(job.jobId, () => this.open(job.jobId), { class: 'small' })),
      el('td', {}, job.spec.name || ''), el('td', {}, wordOf(job.state), job.reason && el('div', { class: 'wrong' }, job.reason)),
      el('td', {}, progress), el('td', {}, timeText(job.createdAt)),
      el('td', {}, !isOver(job.state) && button('Cancel', () => this.cancel(job.jobId), { class: 'small danger' }),
        /FAILED|CANCELLED/.test(job.state) && button('Retry', () => this.act('retry', job.jobId), { class: 'small' })));
  }

  async cancel(jobId) {
    if (await ask(`Cancel job ${jobId}?`, 'Cancel the job')) this.act('cancel', jobId);
  }

  async act(verb, jobId) {
    try { await call('POST', `/api/training/job/${verb}`, { json: { jobId } }); } catch (error) { noteError(error); }
    this.refresh();
  }

  /** The outcome of each training on confirmed pairs, as a curve and in words. */
  rounds({ rounds }) {
    if (!rounds.length) return [];
    const chart = new LineChart('Accuracy over confirmed pairs', 'pairs');
    for (const round of rounds) {
      chart.add('new model (● published, ○ kept back)', round.pairs, round.candidate, round.publishedVersion !== '0' ? 'dot' : 'ring');
      chart.add('published until then', round.pairs, round.published);
    }
    return [chart.series.size ? chart.root : '', el('ol', { class: 'log' }, rounds.map((round) => el('li', {},
      `${timeText(round.endedAt)}, ${round.pairs} pairs${round.candidate === undefined ? '' : `, ${round.metric} ${percent(round.candidate)}`}: ${round.reason}`)))];
  }

  /** Shows a job's curves and messages. @param {string} jobId */
  open(jobId) {
    this.endFollow();
    const losses = new LineChart('Losses');
    const quality = new LineChart('Rank-1 and mAP');
    const words = el('ol', { class: 'log' });
    const state = el('span', { class: 'muted', role: 'status' });
    const rounds = el('div', { class: 'charts' });
    this.detail.replaceChildren(el('div', { class: 'row' }, el('h2', {}, `Job ${jobId}`), state), rounds, el('div', { class: 'charts' }, losses.root, quality.root), words);
    const showRounds = () => call('GET', withRequest('/api/training/job', { jobId })).then(({ job }) => rounds.replaceChildren(...this.rounds(job)), () => {});
    showRounds();
    let jobState = '';
    this.endFollow = followJob(jobId, (message) => {
      const p = message.progress;
      jobState = wordOf(message.state);
      state.textContent = jobState;
      if (p) {
        const x = Number(message.event);
        for (const loss of p.losses) losses.add(loss.name, x, loss.value);
        quality.add('rank-1', x, p.rank1);
        quality.add('mAP', x, p.mAP);
        quality.add('mAP, photo to sketch', x, p.photoToSketchMAP);
      }
      if (message.message) words.append(el('li', {}, message.message));
      while (words.children.length > 200) words.firstChild.remove();
      if (isOver(message.state)) { this.refresh(); showRounds(); }
    }, (way, sentence) => { state.textContent = way === 'away' ? sentence : jobState; });
  }
}
