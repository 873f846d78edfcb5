// What was painted, and every state before it. States are never changed, so that undo has no limit.
export class History {
  constructor() { this.past = []; this.future = []; this.now = { strokes: [], links: [] }; this.changed = () => {}; }

  /** Start with these marks; nothing to undo. */
  open(marks) { this.past = []; this.future = []; this.now = { strokes: marks.strokes, links: marks.links ?? [] }; this.changed(); }

  /** Go to a new state; with ``merge`` the state before stays what undo returns to. */
  set(next, merge = false) {
    if (!merge) this.past.push(this.now);
    this.future = [];
    this.now = next;
    this.changed();
  }

  undo() { if (this.past.length) { this.future.push(this.now); this.now = this.past.pop(); this.changed(); return true; } return false; }
  redo() { if (this.future.length) { this.past.push(this.now); this.now = this.future.pop(); this.changed(); return true; } return false; }
}

/** Strokes without what an eraser of ``radius`` touches along ``line``. */
export function erased(strokes, line, radius) {
  const out = [];
  for (const stroke of strokes) {
    if (stroke.hidden) { out.push(stroke); continue; }
    const reach = radius + stroke.radius * 0.6, dense = densified(stroke.points, Math.max(1, stroke.radius / 2));
    const keep = dense.map((p) => !near(p, line, reach));
    if (keep.every(Boolean)) { out.push(stroke); continue; }
    let run = [];
    const close = () => { if (run.length) out.push({ ...stroke, points: run }); run = []; };
    dense.forEach((p, i) => (keep[i] ? run.push(p) : close()));
    close();
  }
  return out;
}

function densified(points, step) {
  const out = [points[0]];
  for (let i = 1; i < points.length; i++) {
    const [x0, y0] = points[i - 1], [x1, y1] = points[i];
    const n = Math.min(400, Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / step)));
    for (let k = 1; k <= n; k++) out.push([x0 + ((x1 - x0) * k) / n, y0 + ((y1 - y0) * k) / n]);
  }
  return out;
}

function near([x, y], line, reach) {
  for (let i = 0; i < line.length; i++) {
    const [x0, y0] = line[i], [x1, y1] = line[Math.min(i + 1, line.length - 1)];
    const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
    const t = length ? Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
    if (Math.hypot(x - x0 - t * dx, y - y0 - t * dy) <= reach) return true;
  }
  return false;
}
