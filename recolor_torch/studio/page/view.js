// Where the picture lies on the screen: zoom and pan, in CSS pixels.
export class View {
  constructor() { this.scale = 1; this.x = 0; this.y = 0; this.width = 1; this.height = 1; this.box = [1, 1]; this.fitted = true; this.changed = () => {}; }

  /** The stage has this size. */
  resize(width, height) { this.box = [width, height]; if (this.fitted) this.fit(); else this.keep(); }

  /** The picture has this size. */
  open(width, height) { this.width = width; this.height = height; this.fit(); }

  fitScale() {
    const margin = 24;
    return Math.min((this.box[0] - margin) / this.width, (this.box[1] - margin) / this.height, 16);
  }

  fit() {
    this.scale = Math.max(this.fitScale(), 0.001);
    this.x = (this.box[0] - this.width * this.scale) / 2;
    this.y = (this.box[1] - this.height * this.scale) / 2;
    this.fitted = true;
    this.changed();
  }

  /** Zoom so that the place at (px, py) stays there. */
  zoomAt(px, py, factor) { this.zoomTo(px, py, this.scale * factor); }

  zoomTo(px, py, scale) {
    const [ix, iy] = this.toImage(px, py);
    this.scale = Math.min(40, Math.max(Math.min(this.fitScale() / 2, 1), scale));
    this.x = px - ix * this.scale;
    this.y = py - iy * this.scale;
    this.fitted = false;
    this.keep();
  }

  pan(dx, dy) { this.x += dx; this.y += dy; this.fitted = false; this.keep(); }

  /** A part of the picture stays on the stage. */
  keep() {
    const w = this.width * this.scale, h = this.height * this.scale, m = 60;
    this.x = Math.min(this.box[0] - m, Math.max(m - w, this.x));
    this.y = Math.min(this.box[1] - m, Math.max(m - h, this.y));
    this.changed();
  }

  toImage(px, py) { return [(px - this.x) / this.scale, (py - this.y) / this.scale]; }
  toScreen(ix, iy) { return [ix * this.scale + this.x, iy * this.scale + this.y]; }
}
