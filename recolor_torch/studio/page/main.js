// The page: it joins the parts, and holds what they share.
import { chroma, fit, hex, hintColor, luminance, parseHex } from "./color.js";
import { Desk } from "./desk.js";
import { History } from "./history.js";
import { icon, placeIcons } from "./icons.js";
import { KEYS, listen } from "./keys.js";
import { Link, ask, post } from "./link.js";
import { boxOf, drawOver } from "./over.js";
import { CanvasPainter } from "./painter-2d.js";
import { GlPainter } from "./painter-gl.js";
import { showChips, showStrokes } from "./panels.js";
import { Proposals, trustOf } from "./proposals.js";
import { Source } from "./source.js";
import { Hand, TOOLS } from "./tools.js";
import { View } from "./view.js";
import { Well } from "./well.js";

const $ = (id) => document.getElementById(id);
const LUMA_SIDE = 1024;

class App {
  constructor() {
    placeIcons();
    this.view = new View(); this.history = new History();
    this.tool = "brush"; this.color = [-0.06, 0.12]; this.second = [0.1, -0.06]; this.radius = 8; this.recent = [];
    this.recipe = { kind: "automatic", sample: 0, references: [], strength: 1, trust: 1, text: "" };
    this.showStrokes = true; this.holding = false; this.split = null; this.lit = -1; this.spot = null; this.y = 0.5; this.dirty = false;
    this.painter = this.makePainter();
    this.painter.restored = () => this.loadPixels();
    this.hand = new Hand(this, $("over"));
    this.well = new Well($("well"), (u, v) => this.take(u, v));
    this.source = new Source(this, (rgb) => { this.take(...chroma(rgb)); });
    this.link = new Link({
      hello: (m) => this.hello(m), chroma: (h, half) => this.chromaCame(h, half), suggestions: (m) => this.suggested(m), error: (m) => this.notice(m.text),
      saved: (m) => this.saved(m), marks: (m) => this.othersMarks(m), progress: (m) => this.busy(m.text), refused: (m) => this.refused(m.text),
      recipe: (m) => this.adopt(m.recipe), gone: () => this.gone(), here: () => this.here(),
    });
    this.view.changed = () => { $("zoom").textContent = `${Math.round(this.view.scale * this.ratio * 100)}%`; this.redraw(); };
    this.history.changed = () => { this.dirty = true; this.listed(); this.redraw(); };
    this.wire();
    listen(this);
    new ResizeObserver(() => this.resized()).observe($("stage"));
    this.start();
  }

  get ratio() { return Math.min(2, devicePixelRatio || 1); }

  makePainter() {
    const canvas = $("view");
    if (!new URLSearchParams(location.search).has("canvas")) {
      try { return new GlPainter(canvas); } catch (error) { console.info(`Without WebGL2: ${error.message}`); }
    }
    return new CanvasPainter(canvas);
  }

  async start() {
    try {
      const desk = await (await ask("api/desk")).json();
      this.desk = desk;
      $("pictures-part").hidden = desk.pictures.length < 2;
      this.showPictures();
      const wanted = parseInt(location.hash.slice(1), 10) - 1;
      this.open(desk.pictures[wanted] ? wanted : 0);
    } catch (error) { this.notice(error.message); }
  }

  // ---- the picture

  open(index) {
    if (this.index === index) return;
    this.hand.finish();
    this.index = index; this.picture = null; this.spot = this.rested = null; this.loaded = false; this.dirty = false; this.source.close();
    this.recipe = { ...this.recipe, kind: "automatic", sample: 0, references: [] };
    history.replaceState(null, "", `#${index + 1}`);
    $("name").textContent = this.desk.pictures[index].name;
    $("state").textContent = $("status").textContent = "";
    delete document.body.dataset.answer;
    this.busy("Opening …", false);
    this.showPictures();
    this.redraw();
    this.link.open(index);
  }

  hello(m) {
    this.references = m.references;
    if (m.first || !this.picture) {
      this.picture = m;
      this.view.open(m.width, m.height);
      this.painter.open(m.width, m.height);
      this.setRadius(Math.max(m.width, m.height) / 110);
      this.history.open(m.marks);
      this.dirty = false;
      this.loadPixels();
    } else if (this.dirty) { this.send(false); this.link.choose(this.recipe); }
    else this.history.open(m.marks);
    if (m.first) this.adopt(m.recipe); else this.showProposals();
    if (this.desk.gallery && this.found !== m.index) this.askGallery(m.index);
  }

  async loadPixels() {
    const p = this.picture, index = p.index, own = () => this.picture === p;
    try {
      const flat = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
      const original = await createImageBitmap(await (await ask(`api/picture/${index}/original`)).blob(), flat);
      if (!own()) return;
      this.painter.setOriginal(original);
      this.luma = this.lumaOf(original);
      const jobs = [];
      for (let row = 0; row * p.tile < p.height; row++) for (let column = 0; column * p.tile < p.width; column++) jobs.push([column, row]);
      for (const [column, row] of jobs) {
        const bitmap = await createImageBitmap(await (await ask(`api/picture/${index}/tile/${column}/${row}`)).blob(), flat);
        if (!own()) return;
        this.painter.setTile(column * p.tile, row * p.tile, bitmap);
        this.redraw();
      }
      this.loaded = true;
      this.busy("");
      this.pointAt([p.width / 2, p.height / 2]);
    } catch (error) { if (own()) { this.busy(""); this.notice(error.message); } }
  }

  /** A small copy of the luminance, for the color well. */
  lumaOf(bitmap) {
    const f = Math.min(1, LUMA_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * f)), Math.max(1, Math.round(bitmap.height * f)));
    const c = canvas.getContext("2d");
    c.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return c.getImageData(0, 0, canvas.width, canvas.height);
  }

  lumaAt([x, y]) {
    if (!this.luma) return 0.5;
    const i = Math.floor((x / this.picture.width) * this.luma.width), j = Math.floor((y / this.picture.height) * this.luma.height);
    const k = 4 * (Math.min(this.luma.height - 1, Math.max(0, j)) * this.luma.width + Math.min(this.luma.width - 1, Math.max(0, i)));
    return luminance([this.luma.data[k] / 255, this.luma.data[k + 1] / 255, this.luma.data[k + 2] / 255]);
  }

  chromaCame(header, half) {
    if (!this.picture) return;
    this.painter.setChroma(header.width, header.height, half);
    this.last = header;
    const name = header.final ? "" : " …";
    $("status").textContent = header.ms < 20 ? `${header.side} px${name}` : `${header.side} px · ${header.ms < 950 ? `${header.ms} ms` : `${(header.ms / 1000).toFixed(1)} s`}${name}`;
    document.body.dataset.frames = 1 + Number(document.body.dataset.frames ?? 0);
    document.body.dataset.answer = `${header.seq}${header.final ? "!" : ""}`;
    this.redraw();
    if (header.final && this.spot) this.askColors();
  }

  // ---- drawing

  resized() {
    const box = $("stage").getBoundingClientRect();
    for (const id of ["view", "over"]) { $(id).width = Math.round(box.width * this.ratio); $(id).height = Math.round(box.height * this.ratio); }
    this.view.resize(box.width, box.height);
    if (this.split !== null) this.placeSplit();
  }

  redraw() { if (!this.due) { this.due = true; requestAnimationFrame(() => { this.due = false; this.draw(); }); } }

  draw() {
    if (this.picture) this.painter.draw(this.view, { strength: this.recipe.strength, edge: this.edge(), ratio: this.ratio });
    drawOver(this, $("over").getContext("2d"), this.ratio);
    document.body.dataset.drawn = document.body.dataset.frames ?? 0;
  }

  edge() { return this.holding ? this.view.box[0] + 1 : this.split === null ? 0 : this.split * this.view.box[0]; }

  // ---- marks

  marks() { return { size: [this.picture.width, this.picture.height], strokes: this.history.now.strokes, links: this.history.now.links }; }

  send(moving) { if (this.picture) { this.link.paint(this.marks(), moving); if (!moving) $("state").textContent = "Saving …"; } }

  /** A new state that can be undone. */
  commit(next) { this.history.set(next); this.send(false); }

  undo() { if (!this.hand.stroke && this.history.undo()) this.send(false); }
  redo() { if (!this.hand.stroke && this.history.redo()) this.send(false); }

  newStroke(at, radius, flags) {
    return { points: [at.map((n) => Math.round(n * 100) / 100)], radius: Math.round(radius * 100) / 100, color: flags.neutral ? "#808080" : this.colorHex(at), ...flags };
  }

  /** Change a stroke, or delete it with ``null``. */
  change(i, values) {
    const strokes = [...this.history.now.strokes];
    if (values) strokes[i] = JSON.parse(JSON.stringify({ ...strokes[i], ...values })); else strokes.splice(i, 1);
    this.lit = -1;
    this.commit({ ...this.history.now, strokes });
  }

  addLink(from, to) {
    const target = boxOf(from, to);
    if (target[2] < 2 || target[3] < 2) return;
    const link = { target, reference: this.source.region, name: this.source.file, reference_size: this.source.size };
    this.commit({ ...this.history.now, links: [...this.history.now.links, link] });
    if (this.recipe.kind !== "reference") this.choose({ kind: "reference", references: [] });
  }

  dropLink(i) { this.commit({ ...this.history.now, links: this.history.now.links.filter((_, k) => k !== i) }); }

  listed() {
    showStrokes(this);
    const linked = this.history.now.links.length > 0;
    if (linked !== this.linked) { this.linked = linked; if (this.picture) this.showProposals(); }
    $("undo").disabled = !this.history.past.length;
    $("redo").disabled = !this.history.future.length;
  }

  saved(m) { this.dirty = false; $("state").textContent = "Saved"; this.setState(m.state); }

  othersMarks(m) { this.history.open(m.marks); this.dirty = false; $("state").textContent = "Changed on another page"; }

  // ---- colors

  colorHex(at) { return hintColor(at ? this.lumaAt(at) : this.y, ...this.color); }

  take(u, v) { this.color = [u, v]; this.showColor(); if (this.tool === "neutral" || this.tool === "eraser" || this.tool === "pick") this.setTool("brush"); }

  takeHex(text) { const rgb = parseHex(text); if (rgb) this.take(...chroma(rgb)); return !!rgb; }

  swap() { [this.color, this.second] = [this.second, this.color]; this.showColor(); }

  showColor() {
    $("current").style.background = hex(fit(this.y, ...this.color));
    $("other").style.background = hex(fit(this.y, ...this.second));
    if (document.activeElement !== $("hex")) $("hex").value = this.colorHex();
    $("luma").textContent = `Y ${Math.round(this.y * 100)}`;
    this.well.show(this.y, ...this.color);
    this.redraw();
  }

  /** The hand points at a place. */
  pointAt(at) {
    if (!this.picture || at[0] < 0 || at[1] < 0 || at[0] >= this.picture.width || at[1] >= this.picture.height) return;
    this.spot = at;
    this.y = this.lumaAt(at);
    this.showColor();
    // Colors are suggested where the hand rests, not all along its way.
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.askColors(), 300);
  }

  /** The hand has left the picture: what is shown is of the place where it rested. */
  left() {
    clearTimeout(this.asking);
    if (!this.rested) return;
    this.spot = this.rested;
    this.y = this.lumaAt(this.spot);
    this.showColor();
  }

  askColors() { if (this.spot && !this.hand.stroke) { this.rested = this.spot; this.asked = (this.asked ?? 0) + 1; this.link.send({ type: "suggest", id: this.asked, x: this.spot[0], y: this.spot[1] }); } }

  suggested(m) {
    if (m.id !== this.asked) return;
    const colors = m.colors.slice(0, 8).map((c) => ({
      color: c.color, label: c.from === "reference" ? `From the reference, ${Math.round(c.share * 100)}% sure: ${c.color}` : `Likely, ${Math.round(c.share * 100)}%: ${c.color}`, press: () => this.takeHex(c.color),
    }));
    showChips("suggestions", colors, "—");
  }

  /** A stroke has ended here with the current color. */
  used(at) {
    if (this.tool === "brush" || this.tool === "point") {
      const color = this.colorHex(at);
      this.recent = [color, ...this.recent.filter((c) => c !== color)].slice(0, 8);
      this.showRecent();
    }
    this.pointAt(at);
    this.rested = this.spot;
  }

  showRecent() { showChips("recent", this.recent.map((color) => ({ color, label: `Recent: ${color}`, press: () => this.takeHex(color) })), "—"); }

  /** The eyedropper at a place of the stage. */
  pickAt(px, py) {
    this.painter.draw(this.view, { strength: 1, edge: this.edge(), ratio: this.ratio });
    const rgb = this.painter.read(Math.floor(px * this.ratio), Math.floor(py * this.ratio));
    this.redraw();
    const [x, y] = this.view.toImage(px, py);
    if (x < 0 || y < 0 || x >= this.picture.width || y >= this.picture.height) return;
    this.take(...chroma(rgb));
  }

  // ---- tools

  setTool(id) {
    if (this.hand.stroke) return;
    this.tool = id;
    for (const b of $("tools").children) b.setAttribute("aria-pressed", String(b.dataset.tool === id));
    $("over").classList.toggle("pan", id === "hand");
    this.source.hint();
    this.redraw();
  }

  setRadius(r) {
    const most = this.picture ? Math.max(this.picture.width, this.picture.height) / 8 : 200;
    this.radius = Math.min(most, Math.max(0.5, r));
    $("size").value = Math.round((100 * Math.log(this.radius / 0.5)) / Math.log(most / 0.5));
    $("size-out").textContent = `${this.radius < 9.95 ? this.radius.toFixed(1) : Math.round(this.radius)} px`;
    this.redraw();
  }

  hold(what, on) {
    if (what === "space") { this.hand.space = on; $("over").classList.toggle("pan", on || this.tool === "hand"); }
    else if (this.holding !== on) this.holding = on;
    this.redraw();
  }

  escape() { if (!$("notice").hidden) $("notice").hidden = true; else if (this.source.key) this.source.close(); else this.lit = -1; }

  zoom(factor) { const at = this.hand.cursor ?? this.view.box.map((n) => n / 2); this.view.zoomAt(...at, factor); }
  fullSize() { const at = this.hand.hover ?? this.view.box.map((n) => n / 2); this.view.zoomTo(...at, 1 / this.ratio); }

  toggleCompare() { this.split = this.split === null ? 0.5 : null; this.placeSplit(); }

  placeSplit() {
    const on = this.split !== null;
    $("compare").setAttribute("aria-pressed", String(on));
    $("split").hidden = $("tags").hidden = !on;
    if (on) { $("split").style.left = `${this.split * 100}%`; $("split").setAttribute("aria-valuenow", String(Math.round(this.split * 100))); }
    this.redraw();
  }

  toggleStrokes() {
    this.showStrokes = !this.showStrokes;
    $("show").setAttribute("aria-pressed", String(this.showStrokes));
    $("show").replaceChildren(icon(this.showStrokes ? "eye" : "closed"));
    this.redraw();
  }

  // ---- messages

  notice(text) { $("notice").hidden = !text; $("notice").querySelector("p").textContent = text; }

  busy(text, stoppable = true) {
    clearInterval(this.counting);
    $("busy").hidden = !text;
    $("stop").hidden = !stoppable;
    const from = performance.now(), show = () => {
      const seconds = Math.floor((performance.now() - from) / 1000);
      $("busy").querySelector("p").textContent = seconds > 1 ? `${text} ${seconds} s` : text;
    };
    show();
    if (text) this.counting = setInterval(show, 1000);
  }

  refused(text) { this.busy(""); this.notice(text); }

  gone() { this.hand.drop(); this.lost ??= setTimeout(() => ($("gone").hidden = false), 400); }

  here() { clearTimeout(this.lost); this.lost = null; $("gone").hidden = true; }

  showKeys() { $("keys").showModal(); }

  wire() {
    for (const t of TOOLS) {
      const b = document.createElement("button");
      b.dataset.tool = t.id; b.title = `${t.label} (${t.key})`; b.setAttribute("aria-label", t.label);
      b.append(icon(t.icon)); b.onclick = () => this.setTool(t.id);
      $("tools").append(b);
    }
    const on = { undo: () => this.undo(), redo: () => this.redo(), zoom: () => this.view.fit(), "zoom-in": () => this.zoom(1.25), "zoom-out": () => this.zoom(0.8), compare: () => this.toggleCompare(), show: () => this.toggleStrokes(), help: () => this.showKeys(), copy: () => this.copyCommand(), export: () => this.exportNow(), other: () => this.swap(), clear: () => this.commit({ strokes: [], links: [] }) };
    for (const [id, act] of Object.entries(on)) $(id).onclick = act;
    $("current").onclick = () => $("well").focus();
    $("notice").querySelector("button").onclick = () => this.notice("");
    $("keys").querySelector("button").onclick = () => $("keys").close();
    $("keys").querySelector("dl").append(...KEYS.map(([what, key]) => {
      const row = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = what; dd.textContent = key; row.append(dt, dd);
      return row;
    }));
    $("stop").onclick = () => { this.link.send({ type: "stop" }); post("api/stop", {}).catch(() => {}); };
    $("hex").oninput = () => this.takeHex($("hex").value);
    $("hex").onchange = () => { $("hex").blur(); this.showColor(); };
    $("size").oninput = () => { const most = this.picture ? Math.max(this.picture.width, this.picture.height) / 8 : 200; this.setRadius(0.5 * (most / 0.5) ** ($("size").value / 100)); };
    $("strength").oninput = () => { this.recipe.strength = $("strength").value / 100; this.showSliders(); this.redraw(); };
    $("strength").onchange = () => this.choose({});
    $("trust").oninput = () => this.showSliders();
    $("trust").onchange = () => this.choose({ trust: trustOf($("trust").value) });
    $("text").onchange = () => this.say($("text").value);
    this.showSliders();
    $("file").onchange = () => { if ($("file").files[0]) this.addReference($("file").files[0]); $("file").value = ""; };
    const split = $("split");
    split.onpointerdown = (e) => split.setPointerCapture(e.pointerId);
    split.onpointermove = (e) => { if (split.hasPointerCapture(e.pointerId)) { const box = $("stage").getBoundingClientRect(); this.split = Math.min(1, Math.max(0, (e.clientX - box.left) / box.width)); this.placeSplit(); } };
    split.onkeydown = (e) => { const by = { ArrowLeft: -0.02, ArrowRight: 0.02 }[e.key]; if (by) { e.preventDefault(); this.split = Math.min(1, Math.max(0, this.split + by)); this.placeSplit(); } };
    let depth = 0;
    addEventListener("dragenter", (e) => { e.preventDefault(); depth++; $("drop").hidden = false; });
    addEventListener("dragleave", () => { if (--depth <= 0) $("drop").hidden = true; });
    addEventListener("dragover", (e) => e.preventDefault());
    addEventListener("drop", (e) => { e.preventDefault(); depth = 0; $("drop").hidden = true; if (e.dataTransfer.files[0]) this.addReference(e.dataTransfer.files[0]); });
    this.setTool("brush"); this.showColor(); this.showRecent(); this.listed(); showChips("suggestions", [], "—");
    this.dirty = false;
  }
}

for (const part of [Proposals, Desk])
  for (const name of Object.getOwnPropertyNames(part.prototype)) if (name !== "constructor") App.prototype[name] = part.prototype[name];

window.studio = new App();
