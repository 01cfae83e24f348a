import { pictureFrom } from './pictures.js';

/** Side of the square paper, in its own units. */
export const SIDE = 640;

// Ink is detected on a smaller copy: that costs a quarter, and the thinnest line still shows.
const LOOK_SIDE = SIDE / 2;
// A pixel is ink if a channel is darker than this. An eraser's soft edge leaves lighter pixels.
const INK_BELOW = 245;
// Ink that covers less than this many units, as black, is invisible: the paper counts as empty.
const SEEN_AREA = 4;
// A drawing that covers less, or whose longer side is shorter, is a dot or an accidental stroke.
const LEAST_AREA = 64;
const LEAST_SIDE = 48;
// A picture is kept without loss if it has at most this many characters of base64.
const LOSSLESS_CHARACTERS = 40000;
const LOSSY_SIDE = 384;
const MAX_STEPS = 20000;

function canvasOf(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** Draws the part of a stroke from point `from` on. @param {CanvasRenderingContext2D} pen @param {object} stroke @param {number} [from] */
export function drawStroke(pen, stroke, from = 0) {
  const p = stroke.points;
  pen.strokeStyle = pen.fillStyle = stroke.kind === 'erase' ? '#fff' : '#000';
  pen.lineCap = pen.lineJoin = 'round';
  if (p.length === 3 && from === 0) {
    pen.beginPath();
    pen.arc(p[0], p[1], (stroke.width * p[2]) / 2, 0, 7);
    pen.fill();
  }
  for (let i = Math.max(from * 3, 3); i < p.length; i += 3) {
    pen.lineWidth = Math.max(1, stroke.width * p[i + 2]);
    pen.beginPath();
    pen.moveTo(p[i - 3], p[i - 2]);
    pen.lineTo(p[i], p[i + 1]);
    pen.stroke();
  }
}

/** The amount of visible ink: 'nothing', 'little' (a dot) or 'enough' to search with. */
function inkOf(drawing) {
  const canvas = canvasOf(LOOK_SIDE, LOOK_SIDE);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  drawing.paint(canvas);
  const { data } = pen.getImageData(0, 0, LOOK_SIDE, LOOK_SIDE);
  let darkness = 0;
  let [left, top, right, bottom] = [LOOK_SIDE, LOOK_SIDE, -1, -1];
  for (let i = 0; i < data.length; i += 4) {
    const light = Math.min(data[i], data[i + 1], data[i + 2]);
    if (light >= INK_BELOW) continue;
    const x = (i / 4) % LOOK_SIDE;
    const y = Math.floor(i / 4 / LOOK_SIDE);
    darkness += 255 - light;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = y;
  }
  const unit = SIDE / LOOK_SIDE;
  const area = (darkness / 255) * unit * unit;
  if (area < SEEN_AREA) return 'nothing';
  const side = Math.max(right - left, bottom - top) * unit;
  return area < LEAST_AREA || side < LEAST_SIDE ? 'little' : 'enough';
}

/** One sketch: a list of steps of which the first `done` count, so that undo and redo are a number. */
export class Drawing {
  constructor() {
    this.steps = [];
    this.done = 0;
    /** "MODALITY_SKETCH" or "MODALITY_PHOTO": which encoder reads it. */
    this.modality = 'MODALITY_SKETCH';
    this.seen = '';
  }

  /** @param {{kind: string}} step one of pen, erase (points, width), clear, mirror, image (bitmap) */
  add(step) {
    this.steps.length = this.done;
    this.steps.push(step);
    this.done = this.steps.length;
    this.seen = '';
  }

  undo() { if (this.done > 0) this.done -= 1; this.seen = ''; }

  redo() { if (this.done < this.steps.length) this.done += 1; this.seen = ''; }

  get canUndo() { return this.done > 0; }

  get canRedo() { return this.done < this.steps.length; }

  /** The steps that still show: those after the last clearing. */
  get shown() {
    const steps = this.steps.slice(0, this.done);
    return steps.slice(steps.map((s) => s.kind).lastIndexOf('clear') + 1);
  }

  /** Counts only visible ink: an erased line, or one outside the paper, is nothing. */
  get ink() {
    if (!this.seen) this.seen = this.shown.some((s) => s.kind === 'pen' || s.kind === 'image') ? inkOf(this) : 'nothing';
    return this.seen;
  }

  get hasPicture() { return this.shown.some((s) => s.kind === 'image'); }

  get empty() { return this.ink === 'nothing'; }

  get searchable() { return this.ink === 'enough'; }

  /** Paints the whole drawing. @param {HTMLCanvasElement} canvas any size */
  paint(canvas) {
    const pen = canvas.getContext('2d');
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(canvas.width / SIDE, 0, 0, canvas.height / SIDE, 0, 0);
    for (const step of this.shown) this.paintStep(canvas, pen, step);
  }

  paintStep(canvas, pen, step) {
    if (step.kind === 'mirror') {
      const copy = canvasOf(canvas.width, canvas.height);
      copy.getContext('2d').drawImage(canvas, 0, 0);
      pen.save();
      pen.setTransform(-1, 0, 0, 1, canvas.width, 0);
      pen.drawImage(copy, 0, 0);
      pen.restore();
    } else if (step.kind === 'image') {
      const scale = Math.min(SIDE / step.bitmap.width, SIDE / step.bitmap.height);
      // Whole units, so that a copy of this size is painted identically.
      const width = Math.max(1, Math.round(step.bitmap.width * scale));
      const height = Math.max(1, Math.round(step.bitmap.height * scale));
      pen.imageSmoothingQuality = 'high';
      pen.drawImage(step.bitmap, Math.floor((SIDE - width) / 2), Math.floor((SIDE - height) / 2), width, height);
    } else {
      drawStroke(pen, step);
    }
  }

  /** @returns {Promise<string>} base64 of a PNG of the paper. */
  async png() {
    const canvas = canvasOf(SIDE, SIDE);
    this.paint(canvas);
    const blob = await new Promise((done) => { canvas.toBlob(done, 'image/png'); });
    return new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.slice(reader.result.indexOf(',') + 1));
      reader.readAsDataURL(blob);
    });
  }

  /**
   * The form that links and the history keep: all visible steps; none if there is no visible ink.
   * @param {number} [side] longest side of pictures in pixels; without it as on the paper, if that is short enough
   * @returns {object}
   */
  pack(side = 0) {
    return { photo: this.modality === 'MODALITY_PHOTO' ? 1 : 0, steps: this.empty ? [] : this.shown.map((step) => {
      if (step.kind === 'mirror') return { k: 'm' };
      if (step.kind === 'image') return { k: 'i', d: packPicture(step, side) };
      return { k: step.kind === 'erase' ? 'e' : 'p', w: step.width,
        d: step.points.map((v, i) => (i % 3 === 2 ? Math.round(v * 100) : v)) };
    }) };
  }

  toJSON() { return this.pack(); }

  /** @param {object} json of pack @returns {Promise<Drawing>} throws Error for an invalid one */
  static async fromJSON(json) {
    const drawing = new Drawing();
    if (json.photo) drawing.modality = 'MODALITY_PHOTO';
    const steps = json.steps || [];
    if (steps.length > MAX_STEPS) throw new Error('too many steps');
    for (const step of steps) {
      if (step.k === 'm') drawing.add({ kind: 'mirror' });
      else if (step.k === 'i') {
        const bytes = Uint8Array.from(atob(step.d), (c) => c.charCodeAt(0));
        drawing.add({ kind: 'image', bitmap: await pictureFrom(new Blob([bytes])), packed: { 0: step.d } });
      } else {
        const points = step.d.map((v, i) => (i % 3 === 2 ? v / 100 : v)).filter(Number.isFinite);
        drawing.add({ kind: step.k === 'e' ? 'erase' : 'pen', width: Number(step.w) || 8,
          points: points.slice(0, points.length - (points.length % 3)) });
      }
    }
    return drawing;
  }
}

/** Base64 of a step's picture, cached in the step, so that it is made only once and stays the same after a reload. */
function packPicture(step, side) {
  step.packed = step.packed || {};
  if (step.packed[side] === undefined) step.packed[side] = encodePicture(step.bitmap, side);
  return step.packed[side];
}

function encodePicture(bitmap, side) {
  const scaled = (longest) => {
    const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
    const canvas = canvasOf(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
    const pen = canvas.getContext('2d');
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return canvas;
  };
  const base64 = (url) => url.slice(url.indexOf(',') + 1);
  const lossless = side ? '' : base64(scaled(SIDE).toDataURL('image/png'));
  if (lossless && lossless.length <= LOSSLESS_CHARACTERS) return lossless;
  return base64(scaled(side || LOSSY_SIDE).toDataURL('image/jpeg', 0.75));
}
