// The color well: all chroma that is possible at one luminance, and the one that is chosen.
import { chroma, fit, hex, offset, possible } from "./color.js";

export class Well {
  /** ``choose`` is told [u, v]. */
  constructor(canvas, choose) {
    this.canvas = canvas; this.choose = choose; this.y = 0.5; this.u = 0; this.v = 0;
    canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); this.dragging = true; this.point(e); });
    canvas.addEventListener("pointermove", (e) => this.dragging && this.point(e));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (this.dragging = false));
    canvas.addEventListener("keydown", (e) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
      if (!moves) return;
      e.preventDefault();
      const [u0, u1] = this.bounds, step = (u1 - u0) * (e.shiftKey ? 0.1 : 0.02);
      this.take(this.u + moves[0] * step, this.v + moves[1] * step);
    });
    new ResizeObserver(() => this.draw(true)).observe(canvas);
  }

  /** Show the luminance ``y`` and the chosen chroma. */
  show(y, u, v) {
    const moved = Math.abs(y - this.y) > 0.004;
    this.y = y; this.u = u; this.v = v;
    this.draw(moved);
  }

  /** The box around the slice, in chroma: [least u, most u, least v, most v]. */
  get bounds() {
    const box = [0, 0, 0, 0];
    for (let i = 0; i < 90; i++) {
      const d = [Math.cos((i * Math.PI) / 45), Math.sin((i * Math.PI) / 45)], o = offset(...d);
      const t = Math.min(...o.map((x) => (x > 0 ? (1 - this.y) / x : x < 0 ? -this.y / x : Infinity)));
      box[0] = Math.min(box[0], t * d[0]); box[1] = Math.max(box[1], t * d[0]);
      box[2] = Math.min(box[2], t * d[1]); box[3] = Math.max(box[3], t * d[1]);
    }
    return box;
  }

  /** Where the slice lies on the canvas: u = (x - x0) / unit, v = (y0 - y) / unit. */
  frame() {
    const w = this.canvas.width, h = this.canvas.height, margin = 9 * devicePixelRatio, [u0, u1, v0, v1] = this.bounds;
    const unit = Math.min((w - 2 * margin) / Math.max(0.02, u1 - u0), (h - 2 * margin) / Math.max(0.02, v1 - v0));
    return { w, h, unit, x0: w / 2 - ((u0 + u1) / 2) * unit, y0: h / 2 + ((v0 + v1) / 2) * unit };
  }

  point(e) {
    const box = this.canvas.getBoundingClientRect(), { w, h, unit, x0, y0 } = this.frame();
    const x = (e.clientX - box.left) * (w / box.width), y = (e.clientY - box.top) * (h / box.height);
    this.take((x - x0) / unit, (y0 - y) / unit);
  }

  take(u, v) {
    const [a, b] = chroma(fit(this.y, u, v));
    this.choose(a, b);
  }

  draw(anew) {
    const canvas = this.canvas, box = canvas.getBoundingClientRect();
    if (!box.width) return;
    const w = Math.round(box.width * devicePixelRatio), h = Math.round(box.height * devicePixelRatio);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; anew = true; }
    const c = canvas.getContext("2d");
    if (anew || !this.image) this.image = this.slice(c);
    c.putImageData(this.image, 0, 0);
    const { unit, x0, y0 } = this.frame(), [u, v] = chroma(fit(this.y, this.u, this.v));
    const x = x0 + u * unit, y = y0 - v * unit, r = 6 * devicePixelRatio;
    c.lineWidth = 1; c.strokeStyle = "#0007";
    c.beginPath(); c.moveTo(x0 - 4, y0); c.lineTo(x0 + 4, y0); c.moveTo(x0, y0 - 4); c.lineTo(x0, y0 + 4); c.stroke();
    c.beginPath(); c.arc(x, y, r, 0, 7);
    c.fillStyle = hex(fit(this.y, u, v)); c.fill();
    c.lineWidth = 3.5 * devicePixelRatio; c.strokeStyle = "#000b"; c.stroke();
    c.lineWidth = 1.8 * devicePixelRatio; c.strokeStyle = "#fff"; c.stroke();
    canvas.setAttribute("aria-valuetext", hex(fit(this.y, this.u, this.v)));
  }

  slice(c) {
    const { w, h, unit, x0, y0 } = this.frame(), image = c.createImageData(w, h), data = image.data;
    for (let j = 0, k = 0; j < h; j++) {
      const v = (y0 - j - 0.5) / unit;
      for (let i = 0; i < w; i++, k += 4) {
        const u = (i + 0.5 - x0) / unit;
        if (!possible(this.y, u, v)) continue;
        const d = offset(u, v);
        data[k] = 255 * (this.y + d[0]) + 0.5; data[k + 1] = 255 * (this.y + d[1]) + 0.5; data[k + 2] = 255 * (this.y + d[2]) + 0.5; data[k + 3] = 255;
      }
    }
    return image;
  }
}
