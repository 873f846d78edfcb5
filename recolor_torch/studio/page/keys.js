// The keyboard: one letter does one thing, wherever the focus is, but in fields of text.
import { TOOLS } from "./tools.js";

export const KEYS = [
  ...TOOLS.map((t) => [t.label, t.key]),
  ["Smaller, larger brush", "[  ]"], ["Undo, redo", "z  shift+z"], ["Swap colors", "x"], ["Pick a color", "alt+click"],
  ["Zoom in, out", "+  -"], ["Fit, full size", "0  1"], ["Move the picture", "space+drag"], ["Original while held", "o"],
  ["Before and after", "c"], ["Show strokes", "v"], ["Next, previous picture", "pgdn  pgup"], ["Export", "ctrl+s"],
  ["Move the brush", "arrows"], ["Brush down, up", "enter"], ["These keys", "?"],
];

export function listen(app) {
  addEventListener("keydown", (e) => {
    const typing = e.target instanceof HTMLInputElement && e.target.type === "text";
    if (document.querySelector("dialog[open]")) return;
    if (e.ctrlKey || e.metaKey) {
      const key = e.key.toLowerCase();
      if (key === "s") { e.preventDefault(); app.exportNow(); }
      else if (key === "z" && !typing) { e.preventDefault(); if (e.shiftKey) app.redo(); else app.undo(); }
      else if (key === "y" && !typing) { e.preventDefault(); app.redo(); }
      return;
    }
    if (typing || e.altKey) return;
    if (e.key === " ") {
      if (e.target instanceof HTMLButtonElement || e.target instanceof HTMLInputElement) return;
      e.preventDefault(); app.hold("space", true); return;
    }
    const tool = TOOLS.find((t) => t.key === e.key);
    if (tool) { app.setTool(tool.id); return; }
    const act = {
      "[": () => app.setRadius(app.radius / 1.2), "]": () => app.setRadius(app.radius * 1.2), z: () => app.undo(), Z: () => app.redo(), x: () => app.swap(),
      "+": () => app.zoom(1.25), "=": () => app.zoom(1.25), "-": () => app.zoom(0.8), 0: () => app.view.fit(), 1: () => app.fullSize(),
      c: () => app.toggleCompare(), v: () => app.toggleStrokes(), "?": () => app.showKeys(), PageDown: () => app.step(1), PageUp: () => app.step(-1),
      o: () => app.hold("original", true), Escape: () => app.escape(),
    }[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  addEventListener("keyup", (e) => {
    if (e.key === " ") app.hold("space", false);
    if (e.key === "o") app.hold("original", false);
  });
  addEventListener("blur", () => { app.hold("space", false); app.hold("original", false); });
}
