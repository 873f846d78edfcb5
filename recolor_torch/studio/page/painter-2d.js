// The picture where there is no WebGL2: joined on the processor at a size that a screen can show.
import { fit, fromHalf } from "./color.js";

const MOST = 900;

export class CanvasPainter {
  constructor(canvas) { this.canvas = canvas; this.context = canvas.getContext("2d", { willReadFrequently: true }); }

  get kind() { return "canvas"; }
  get largest() { return 16384; }

  open(width, height) {
    this.size = [width, height];
    this.factor = Math.min(1, MOST / Math.max(width, height));
    this.small = new OffscreenCanvas(Math.max(1, Math.round(width * this.factor)), Math.max(1, Math.round(height * this.factor)));
    this.gray = this.small.getContext("2d", { willReadFrequently: true });
    this.result = new OffscreenCanvas(this.small.width, this.small.height);
    this.original = null;
    this.setChroma(1, 1, new Uint16Array(2));
  }

  setTile(x, y, bitmap) {
    const f = [this.small.width / this.size[0], this.small.height / this.size[1]];
    this.gray.imageSmoothingQuality = "high";
    this.gray.drawImage(bitmap, x * f[0], y * f[1], bitmap.width * f[0], bitmap.height * f[1]);
    this.join();
  }

  setOriginal(bitmap) { this.original = bitmap; }

  setChroma(width, height, half) { this.chroma = { width, height, values: fromHalf(half) }; this.join(); }

  join() {
    const { width, height } = this.small, image = this.gray.getImageData(0, 0, width, height);
    const { width: cw, height: ch, values } = this.chroma, data = image.data;
    for (let j = 0, k = 0; j < height; j++) {
      const y = Math.min(ch - 1, Math.max(0, ((j + 0.5) / height) * ch - 0.5)), y0 = Math.floor(y), y1 = Math.min(ch - 1, y0 + 1), fy = y - y0;
      for (let i = 0; i < width; i++, k += 4) {
        const x = Math.min(cw - 1, Math.max(0, ((i + 0.5) / width) * cw - 0.5)), x0 = Math.floor(x), x1 = Math.min(cw - 1, x0 + 1), fx = x - x0;
        const a = 2 * (y0 * cw + x0), b = 2 * (y0 * cw + x1), c = 2 * (y1 * cw + x0), d = 2 * (y1 * cw + x1);
        const at = (n) => (1 - fy) * ((1 - fx) * values[a + n] + fx * values[b + n]) + fy * ((1 - fx) * values[c + n] + fx * values[d + n]);
        const rgb = fit(data[k] / 255, at(0), at(1));
        data[k] = rgb[0] * 255 + 0.5; data[k + 1] = rgb[1] * 255 + 0.5; data[k + 2] = rgb[2] * 255 + 0.5;
      }
    }
    this.result.getContext("2d").putImageData(image, 0, 0);
  }

  draw(view, { strength = 1, edge = 0, ratio = 1 } = {}) {
    const c = this.context, w = view.width * view.scale, h = view.height * view.scale;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, ...view.box);
    c.imageSmoothingEnabled = view.scale / this.factor < 3;
    c.drawImage(this.small, view.x, view.y, w, h);
    c.globalAlpha = strength;
    c.drawImage(this.result, view.x, view.y, w, h);
    c.globalAlpha = 1;
    if (edge > 0 && this.original) {
      c.save(); c.beginPath(); c.rect(0, 0, edge, view.box[1]); c.clip();
      c.drawImage(this.original, view.x, view.y, w, h);
      c.restore();
    }
  }

  read(px, py) { return [...this.context.getImageData(px, py, 1, 1).data].slice(0, 3).map((x) => x / 255); }
}
