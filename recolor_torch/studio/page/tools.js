// The hand: what pointers and arrow keys do on the picture.
import { erased } from "./history.js";

export const TOOLS = [
  { id: "brush", key: "b", label: "Brush", icon: "brush" },
  { id: "point", key: "p", label: "Point", icon: "point" },
  { id: "eraser", key: "e", label: "Eraser", icon: "eraser" },
  { id: "pick", key: "i", label: "Eyedropper", icon: "pick" },
  { id: "neutral", key: "n", label: "Keep gray", icon: "neutral" },
  { id: "link", key: "l", label: "Link a region to a reference", icon: "link" },
  { id: "hand", key: "h", label: "Move the picture", icon: "hand" },
];
const PAINTS = new Set(["brush", "neutral", "eraser"]);

export class Hand {
  constructor(app, canvas) {
    this.app = app; this.canvas = canvas; this.pointers = new Map(); this.stroke = null; this.hover = null; this.cursor = null; this.space = false;
    canvas.addEventListener("pointerdown", (e) => this.down(e));
    canvas.addEventListener("pointermove", (e) => this.move(e));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (e) => this.up(e));
    canvas.addEventListener("pointerleave", () => { if (!this.stroke) { this.hover = null; app.left(); app.redraw(); } });
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    canvas.addEventListener("keydown", (e) => this.key(e));
    canvas.addEventListener("blur", () => { this.cursor = null; this.finish(); app.redraw(); });
  }

  place(e) {
    const box = this.canvas.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  }

  get panning() { return this.space || this.app.tool === "hand"; }

  down(e) {
    if (!this.app.picture) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(e.pointerId);
    this.pointers.set(e.pointerId, this.place(e));
    this.cursor = null;
    if (e.pointerType === "touch" && this.pointers.size === 2) { this.drop(); this.pinch = this.spread(); return; }
    if (this.pointers.size > 1) return;
    if (e.button === 1 || this.panning) { this.drag = true; this.canvas.classList.add("panning"); return; }
    if (e.button === 2) { this.app.pickAt(...this.place(e)); return; }
    this.hover = this.place(e);
    this.start(this.app.view.toImage(...this.hover), e.pointerType === "pen" ? e.pressure : 0.5, e.altKey);
  }

  move(e) {
    const at = this.place(e), before = this.pointers.get(e.pointerId);
    if (before) this.pointers.set(e.pointerId, at);
    if (this.pinch && this.pointers.size === 2) {
      const now = this.spread();
      this.app.view.pan(now.x - this.pinch.x, now.y - this.pinch.y);
      this.app.view.zoomAt(now.x, now.y, now.size / this.pinch.size);
      this.pinch = now;
      return;
    }
    if (this.drag && before) { this.app.view.pan(at[0] - before[0], at[1] - before[1]); return; }
    this.hover = at;
    if (this.stroke) {
      const events = e.getCoalescedEvents?.() ?? [];
      for (const part of events.length ? events : [e]) this.extend(this.app.view.toImage(...this.place(part)), part.pointerType === "pen" ? part.pressure : 0.5);
    } else this.app.pointAt(this.app.view.toImage(...at));
    this.app.redraw();
  }

  up(e) {
    this.pointers.delete(e.pointerId);
    if (this.pinch) { if (!this.pointers.size) this.pinch = null; return; }
    if (this.drag) { this.drag = false; this.canvas.classList.remove("panning"); return; }
    if (e.type === "pointercancel") this.drop(); else this.finish();
    if (e.pointerType === "touch") this.hover = null;
  }

  spread() {
    const [a, b] = [...this.pointers.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, size: Math.max(20, Math.hypot(a[0] - b[0], a[1] - b[1])) };
  }

  wheel(e) {
    e.preventDefault();
    const step = e.deltaMode === 1 ? 16 : 1;
    this.app.view.zoomAt(...this.place(e), Math.exp(-Math.max(-240, Math.min(240, e.deltaY * step)) * 0.0016));
  }

  /** The tool goes down at a place of the picture. */
  start(at, pressure, alternative) {
    const app = this.app, tool = alternative ? "pick" : app.tool;
    if (tool === "pick") { app.pickAt(...app.view.toScreen(...at)); return; }
    if (tool === "link") { if (app.source.region) this.stroke = { tool, from: at, to: at }; else app.notice("Choose a region of a reference first: open one under Start from, then drag over a part of it."); return; }
    if (tool === "point") { app.commit({ ...app.history.now, strokes: [...app.history.now.strokes, app.newStroke(at, app.radius, { point: true })] }); app.pointAt(at); return; }
    if (!PAINTS.has(tool)) return;
    this.stroke = { tool, before: app.history.now, points: [at], radius: this.pressed(pressure), item: null };
    if (tool !== "eraser") this.stroke.item = app.newStroke(at, this.stroke.radius, tool === "neutral" ? { neutral: true } : {});
    app.history.past.push(app.history.now);
    this.update();
  }

  pressed(pressure) { return this.app.radius * (0.5 + pressure); }

  extend(at, pressure) {
    const s = this.stroke;
    if (s.tool === "link") { s.to = at; return; }
    const [x, y] = s.points.at(-1);
    if (Math.hypot(at[0] - x, at[1] - y) < Math.max(0.75, 1.5 / this.app.view.scale)) return;
    s.points.push(at);
    s.radius = Math.max(s.radius, this.pressed(pressure));
    this.update();
  }

  update() {
    const s = this.stroke, app = this.app;
    const points = s.points.map(([x, y]) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100]);
    const strokes = s.tool === "eraser" ? erased(s.before.strokes, points, app.radius) : [...s.before.strokes, { ...s.item, points, radius: Math.round(s.radius * 100) / 100 }];
    app.history.set({ ...s.before, strokes }, true);
    app.send(true);
  }

  /** The tool is lifted. */
  finish() {
    const s = this.stroke;
    if (!s) return;
    this.stroke = null;
    if (s.tool === "link") { this.app.addLink(s.from, s.to); return; }
    this.app.send(false);
    this.app.used(s.points.at(-1));
  }

  /** The stroke is taken back. */
  drop() {
    const s = this.stroke;
    this.stroke = null;
    if (!s || s.tool === "link") return;
    this.app.history.past.pop();
    this.app.history.set(s.before, true);
    this.app.send(false);
  }

  /** Arrow keys move a cursor, Enter puts the tool down and lifts it. */
  key(e) {
    const app = this.app, moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (e.ctrlKey || e.metaKey || !app.picture) return;
    if (moves[e.key]) {
      e.preventDefault();
      const step = e.shiftKey ? 40 : 8;
      const at = this.cursor ?? this.hover ?? app.view.box.map((n) => n / 2);
      this.cursor = [Math.min(app.view.box[0], Math.max(0, at[0] + moves[e.key][0] * step)), Math.min(app.view.box[1], Math.max(0, at[1] + moves[e.key][1] * step))];
      this.hover = this.cursor;
      const place = app.view.toImage(...this.cursor);
      if (this.stroke) this.extend(place, 0.5); else app.pointAt(place);
      app.redraw();
    } else if (e.key === "Enter") {
      e.preventDefault();
      this.cursor ??= this.hover ?? app.view.box.map((n) => n / 2);
      this.hover = this.cursor;
      if (this.stroke) this.finish(); else this.start(app.view.toImage(...this.cursor), 0.5, false);
      app.redraw();
    } else if (e.key === "Escape" && this.stroke) { e.preventDefault(); this.drop(); }
  }
}
