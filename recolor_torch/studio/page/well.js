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
      const step = this.range * (e.shiftKey ? 0.15 : 0.03);
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

  /** The farthest chroma of the slice along either axis. */
  get range() {
    let most = 0.04;
    for (let i = 0; i < 64; i++) {
      const d = [Math.cos((i * Math.PI) / 32), Math.sin((i * Math.PI) / 32)], o = offset(...d);
      const t = Math.min(...o.map((x) => (x > 0 ? (1 - this.y) / x : x < 0 ? -this.y / x : Infinity)));
      most = Math.max(most, Math.abs(t * d[0]), Math.abs(t * d[1]));
    }
    return most;
  }

  frame() {
    const w = this.canvas.width, h = this.canvas.height, size = Math.min(w, h) / 2 - 8 * devicePixelRatio;
    return { w, h, size, range: this.range };
  }

  point(e) {
    const box = this.canvas.getBoundingClientRect(), { w, h, size, range } = this.frame();
    const x = (e.clientX - box.left) * (w / box.width) - w / 2, y = (e.clientY - box.top) * (h / box.height) - h / 2;
    this.take((x / size) * range, (-y / size) * range);
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
    const { size, range } = this.frame(), [u, v] = chroma(fit(this.y, this.u, this.v));
    const x = w / 2 + (u / range) * size, y = h / 2 - (v / range) * size, r = 6 * devicePixelRatio;
    c.lineWidth = 1; c.strokeStyle = "#0006";
    c.beginPath(); c.moveTo(w / 2 - 4, h / 2); c.lineTo(w / 2 + 4, h / 2); c.moveTo(w / 2, h / 2 - 4); c.lineTo(w / 2, h / 2 + 4); c.stroke();
    c.beginPath(); c.arc(x, y, r, 0, 7);
    c.fillStyle = hex(fit(this.y, u, v)); c.fill();
    c.lineWidth = 3.5 * devicePixelRatio; c.strokeStyle = "#000b"; c.stroke();
    c.lineWidth = 1.8 * devicePixelRatio; c.strokeStyle = "#fff"; c.stroke();
    canvas.setAttribute("aria-valuetext", hex(fit(this.y, this.u, this.v)));
  }

  slice(c) {
    const { w, h, size, range } = this.frame(), image = c.createImageData(w, h), data = image.data;
    for (let j = 0, k = 0; j < h; j++) {
      const v = ((h / 2 - j - 0.5) / size) * range;
      for (let i = 0; i < w; i++, k += 4) {
        const u = ((i + 0.5 - w / 2) / size) * range;
        if (!possible(this.y, u, v)) continue;
        const d = offset(u, v);
        data[k] = 255 * (this.y + d[0]) + 0.5; data[k + 1] = 255 * (this.y + d[1]) + 0.5; data[k + 2] = 255 * (this.y + d[2]) + 0.5; data[k + 3] = 255;
      }
    }
    return image;
  }
}
