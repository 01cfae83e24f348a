import { drawStroke, SIDE } from './drawing.js';

/**
 * The paper to draw on with mouse, finger, pen or keyboard. Fires `change` when a step was added,
 * undone or redone, and `touch` when a stroke starts.
 */
export class CanvasBoard extends EventTarget {
  /** @param {HTMLCanvasElement} canvas @param {import('./drawing.js').Drawing} drawing */
  constructor(canvas, drawing) {
    super();
    this.canvas = canvas;
    this.pen = canvas.getContext('2d');
    this.tool = 'pen';
    this.width = 8;
    this.stroke = null;
    this.pointer = null;
    this.cursor = { x: SIDE / 2, y: SIDE / 2, down: false, shown: false };
    canvas.addEventListener('pointerdown', (e) => this.down(e));
    canvas.addEventListener('pointermove', (e) => this.move(e));
    canvas.addEventListener('pointerup', (e) => this.up(e));
    canvas.addEventListener('pointercancel', (e) => this.cancel(e));
    canvas.addEventListener('contextmenu', (e) => e.preventDefault());
    canvas.addEventListener('keydown', (e) => this.key(e));
    canvas.addEventListener('blur', () => { this.liftKeyboardPen(); this.cursor.shown = false; this.redraw(); });
    this.show(drawing);
  }

  /** Puts another sketch on the paper. @param {import('./drawing.js').Drawing} drawing */
  show(drawing) {
    this.drawing = drawing;
    this.stroke = null;
    this.pointer = null;
    this.redraw();
  }

  redraw() {
    this.drawing.paint(this.canvas);
    if (this.stroke) drawStroke(this.pen, this.stroke);
    if (this.cursor.shown) this.drawCursor();
  }

  /** @param {object} step see Drawing.add */
  apply(step) { this.drawing.add(step); this.redraw(); this.changed(); }

  undo() { if (this.drawing.canUndo) { this.drawing.undo(); this.redraw(); this.changed(); } }

  redo() { if (this.drawing.canRedo) { this.drawing.redo(); this.redraw(); this.changed(); } }

  clear() { if (!this.drawing.empty) this.apply({ kind: 'clear' }); }

  mirror() { if (!this.drawing.empty) this.apply({ kind: 'mirror' }); }

  changed() { this.dispatchEvent(new Event('change')); }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    // A mouse reports 0.5 whenever a button is down, and fingers mostly do, too: only a pen's
    // pressure counts.
    const pressure = event.pointerType === 'pen' && event.pressure > 0 ? 0.3 + event.pressure * 0.9 : 1;
    // Rounded as in a link, so that a link restores exactly this drawing.
    const half = (v) => Math.round(v * 2) / 2;
    return [half(((event.clientX - box.left) * SIDE) / box.width), half(((event.clientY - box.top) * SIDE) / box.height),
      Math.round(pressure * 100) / 100];
  }

  begin(points, erase) {
    this.stroke = { kind: erase ? 'erase' : 'pen', width: erase ? this.width * 3 : this.width, points };
    drawStroke(this.pen, this.stroke);
    this.dispatchEvent(new Event('touch'));
  }

  down(event) {
    if (event.pointerType === 'mouse' && event.button !== 0) return;
    if (this.pointer !== null) {
      // A palm is ignored while the pen is down; the pen takes over from a palm that came first.
      if (event.pointerType !== 'pen') return;
      this.stroke = null;
      this.redraw();
    }
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.cursor.shown = false;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(this.place(event), this.tool === 'eraser' || (event.buttons & 32) !== 0);
  }

  move(event) {
    if (event.pointerId !== this.pointer || !this.stroke) return;
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const e of events.length ? events : [event]) this.extend(this.place(e));
  }

  extend(point) {
    const { points } = this.stroke;
    const last = points.length - 3;
    if (Math.hypot(point[0] - points[last], point[1] - points[last + 1]) < 1.5) return;
    points.push(...point);
    drawStroke(this.pen, this.stroke, points.length / 3 - 1);
  }

  up(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.commit();
  }

  cancel(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.stroke = null;
    this.redraw();
  }

  commit() {
    if (!this.stroke) return;
    this.drawing.add(this.stroke);
    this.stroke = null;
    // Repaint the drawing as it is searched with: drawing bit by bit leaves other edges.
    this.redraw();
    this.changed();
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const { cursor } = this;
    if (event.ctrlKey || event.metaKey || event.altKey || this.pointer !== null) return;
    if (step) {
      const far = event.shiftKey ? 40 : 10;
      cursor.x = Math.min(SIDE, Math.max(0, cursor.x + step[0] * far));
      cursor.y = Math.min(SIDE, Math.max(0, cursor.y + step[1] * far));
      if (cursor.down && this.stroke) this.extend([cursor.x, cursor.y, 1]);
    } else if (event.key === ' ' || event.key === 'Enter') {
      if (cursor.down) this.liftKeyboardPen();
      else { cursor.down = true; this.begin([cursor.x, cursor.y, 1], this.tool === 'eraser'); }
    } else if (event.key === 'Escape' && cursor.down) {
      cursor.down = false;
      this.stroke = null;
    } else {
      return;
    }
    event.preventDefault();
    cursor.shown = true;
    this.redraw();
  }

  liftKeyboardPen() {
    if (!this.cursor.down) return;
    this.cursor.down = false;
    this.commit();
  }

  drawCursor() {
    const { x, y, down } = this.cursor;
    this.pen.save();
    this.pen.strokeStyle = down ? '#a4262c' : '#1f5f6b';
    this.pen.lineWidth = 2;
    this.pen.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      this.pen.moveTo(x + dx * 6, y + dy * 6);
      this.pen.lineTo(x + dx * 18, y + dy * 18);
    }
    this.pen.stroke();
    this.pen.restore();
  }
}
