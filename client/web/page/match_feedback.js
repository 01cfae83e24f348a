import { call, noteError } from './gateway.js';
import { note } from './dom.js';
import { ask } from './question.js';

const WHAT_IS_KEPT = [
  'Help this search to get better?',
  'If you agree, the server keeps this each time you mark a photo: your drawing as a picture; which photo you marked, with its checksum; '
    + 'whether it is the one you meant; the time; and the name under which this page calls the server, which is the same for all visitors.',
  'An operator looks at it, and the time of that is kept, too. What is accepted is copied with the photo, and the model is trained with it.',
  'Neither your name nor your address is kept with it, nor what you search for without marking anything. Operators can delete your drawings '
    + 'at any time; a model that was trained with them stays as it is.',
];

/** What somebody says about the results of a drawing: "this is it", or "not it". */
export class MatchFeedback {
  /**
   * @param {() => import('./drawing.js').Drawing} drawing the one on the paper
   * @param {() => boolean} isCurrent whether the visible results are those of the drawing as it is
   * @param {() => void} changed called when marks can be made, or one was made
   */
  constructor(drawing, isCurrent, changed) {
    this.drawing = drawing;
    this.isCurrent = isCurrent;
    this.changed = changed;
    this.collected = false;
    // Asked once per visit; the answer is kept nowhere.
    this.agreed = false;
    /** Verdicts by photo id, for each state of a drawing: its last step tells the states apart. */
    this.marks = new WeakMap();
    // A server that does not collect feedback refuses.
    call('GET', '/api/feedback/stats').then(() => { this.collected = true; changed(); }, () => {});
  }

  /** Whether results can be marked: the server collects feedback, and there is a drawing that it can learn from. */
  get possible() {
    const drawing = this.drawing();
    return this.collected && drawing.searchable && drawing.modality === 'MODALITY_SKETCH';
  }

  /** Whether a mark can be made now: it says what the drawing on the paper meant, so the results must be its own. */
  get open() { return this.possible && this.isCurrent(); }

  get lastStep() { const { steps, done } = this.drawing(); return steps[done - 1]; }

  /** @param {string} photoId @returns {string} "VERDICT_MATCH", "VERDICT_NO_MATCH" or "" */
  verdictOf(photoId) {
    const marks = this.lastStep && this.marks.get(this.lastStep);
    return (marks && marks.get(photoId)) || '';
  }

  /** Asks before the first mark is kept. @param {string} photoId @param {string} verdict */
  async mark(photoId, verdict) {
    const step = this.lastStep;
    if (!this.open || this.verdictOf(photoId) === verdict) return;
    const image = await this.drawing().png();
    if (!this.agreed && !await ask(WHAT_IS_KEPT, 'Keep my answers', { danger: false })) return;
    this.agreed = true;
    try {
      await call('POST', '/api/feedback', { json: { image, photoId, verdict } });
    } catch (error) {
      noteError(error);
      return;
    }
    if (!this.marks.has(step)) this.marks.set(step, new Map());
    this.marks.get(step).set(photoId, verdict);
    note(verdict === 'VERDICT_MATCH' ? `Kept: ${photoId} is what you drew. Thank you.` : `Kept: ${photoId} is not what you drew. Thank you.`);
    this.changed();
  }
}
