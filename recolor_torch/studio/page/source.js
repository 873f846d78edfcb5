// The reference beside the picture: its colors are picked, and its regions linked.
import { boxOf } from "./over.js";

export class Source {
  /** ``pick`` is told [r, g, b]. */
  constructor(app, pick) {
    this.app = app; this.pick = pick; this.key = null; this.region = null;
    this.panel = document.getElementById("source");
    this.canvas = document.getElementById("source-view");
    document.getElementById("source-close").onclick = () => this.close();
    document.getElementById("source-use").onchange = () => this.app.useReference(this.key, true);
    this.canvas.addEventListener("pointerdown", (e) => { this.canvas.setPointerCapture(e.pointerId); this.down(this.place(e)); });
    this.canvas.addEventListener("pointermove", (e) => this.from && this.move(this.place(e)));
    this.canvas.addEventListener("pointerup", () => (this.from = null));
  }

  /** Show a reference as the server lists it. */
  async open({ key, name, file }) {
    this.key = key; this.file = file; this.region = null;
    document.getElementById("source-name").textContent = name;
    const bitmap = await createImageBitmap(await (await fetch(`api/reference/${key}`)).blob());
    if (this.key !== key) return;
    this.bitmap = bitmap;
    this.size = [bitmap.width, bitmap.height];
    this.canvas.width = bitmap.width; this.canvas.height = bitmap.height;
    this.canvas.style.aspectRatio = `${bitmap.width} / ${bitmap.height}`;
    this.panel.hidden = false;
    this.hint();
    this.used();
    this.draw();
  }

  /** Whether colors come from this reference. */
  used() { if (this.key) document.getElementById("source-use").checked = this.app.uses(this.key); }

  close() { this.key = null; this.region = null; this.panel.hidden = true; }

  hint() {
    document.getElementById("source-hint").textContent = this.app.tool === "link"
      ? this.region ? "Now drag over the part of the picture that is to take these colors." : "Drag over a part of this picture."
      : "Click to take a color from it.";
  }

  place(e) {
    const box = this.canvas.getBoundingClientRect(), w = this.canvas.width, h = this.canvas.height;
    return [Math.min(w - 1, Math.max(0, ((e.clientX - box.left) * w) / box.width)), Math.min(h - 1, Math.max(0, ((e.clientY - box.top) * h) / box.height))];
  }

  down(at) {
    if (this.app.tool === "link") { this.from = at; return; }
    this.draw();
    const half = 2, x = Math.max(0, Math.round(at[0]) - half), y = Math.max(0, Math.round(at[1]) - half);
    const data = this.canvas.getContext("2d").getImageData(x, y, 2 * half + 1, 2 * half + 1).data;
    const sum = [0, 0, 0];
    let n = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3]) { for (let k = 0; k < 3; k++) sum[k] += data[i + k]; n++; }
    this.pick(sum.map((s) => s / n / 255));
  }

  move(at) { this.region = boxOf(this.from, at); this.draw(); this.hint(); }

  draw() {
    const c = this.canvas.getContext("2d");
    c.drawImage(this.bitmap, 0, 0);
    if (!this.region) return;
    const width = this.canvas.width / this.canvas.getBoundingClientRect().width;
    c.lineWidth = 3 * width; c.strokeStyle = "#000a"; c.strokeRect(...this.region);
    c.lineWidth = 1.5 * width; c.strokeStyle = "#fff"; c.strokeRect(...this.region);
  }
}
