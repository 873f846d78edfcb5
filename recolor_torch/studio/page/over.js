// What lies over the picture: strokes, links, the brush.
export function drawOver(app, context, ratio) {
  const { view, hand } = app, [w, h] = view.box;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, w, h);
  if (!app.picture) return;
  context.lineCap = context.lineJoin = "round";
  if (app.showStrokes && !app.holding) {
    app.history.now.strokes.forEach((s, i) => { if (!s.hidden) drawStroke(context, view, s, app.lit === i); });
    for (const link of app.history.now.links) drawRegion(context, view, link.target);
  } else if (app.lit >= 0 && app.history.now.strokes[app.lit]) drawStroke(context, view, app.history.now.strokes[app.lit], true);
  if (hand.stroke?.tool === "link") drawBox(context, view, boxOf(hand.stroke.from, hand.stroke.to));
  if (hand.hover && !hand.panning && !app.holding) drawBrush(app, context, hand.hover);
}

/** [x, y, width, height] between two corners. */
export function boxOf([x0, y0], [x1, y1]) {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)].map((n) => Math.round(n * 100) / 100);
}

function drawStroke(c, view, stroke, lit) {
  const points = stroke.points.map((p) => view.toScreen(...p)), r = Math.max(1, stroke.radius * view.scale);
  const line = new Path2D();
  points.forEach(([x, y], i) => (i ? line.lineTo(x, y) : line.moveTo(x, y)));
  if (points.length === 1) {
    const dot = new Path2D(), [x, y] = points[0];
    dot.arc(x, y, lit ? Math.max(r, 5) : Math.min(Math.max(r, 3), 6), 0, 7);
    c.lineWidth = lit ? 4 : 3; c.strokeStyle = "#000a"; c.stroke(dot);
    c.fillStyle = stroke.color; c.fill(dot);
    c.lineWidth = 1.5; c.strokeStyle = "#fff"; c.stroke(dot);
    return;
  }
  if (lit) { c.lineWidth = 2 * r + 3; c.strokeStyle = "#fffb"; c.stroke(line); c.lineWidth = 2 * r; c.strokeStyle = stroke.color; c.stroke(line); return; }
  const width = Math.min(2 * r, 3);
  c.lineWidth = width + 2.5; c.strokeStyle = "#0007"; c.stroke(line);
  c.lineWidth = width + 0.8; c.strokeStyle = "#fffd"; c.stroke(line);
  c.lineWidth = Math.max(1, width - 0.6); c.strokeStyle = stroke.color; c.stroke(line);
}

/** A region of a link: [x, y, width, height], a polygon, or a line of a brush. */
function drawRegion(c, view, region) {
  if (Array.isArray(region)) { drawBox(c, view, region); return; }
  const line = new Path2D(), points = (region.polygon ?? region.stroke).map((p) => view.toScreen(...p));
  points.forEach(([x, y], i) => (i ? line.lineTo(x, y) : line.moveTo(x, y)));
  if (region.polygon) line.closePath();
  c.setLineDash([]); c.lineWidth = 3; c.strokeStyle = "#0009"; c.stroke(line);
  c.setLineDash([6, 4]); c.lineWidth = 1.5; c.strokeStyle = "#fff"; c.stroke(line);
  c.setLineDash([]);
}

function drawBox(c, view, [x, y, w, h]) {
  const [sx, sy] = view.toScreen(x, y);
  c.setLineDash([]); c.lineWidth = 3; c.strokeStyle = "#0009"; c.strokeRect(sx, sy, w * view.scale, h * view.scale);
  c.setLineDash([6, 4]); c.lineWidth = 1.5; c.strokeStyle = "#fff"; c.strokeRect(sx, sy, w * view.scale, h * view.scale);
  c.setLineDash([]);
}

function drawBrush(app, c, [x, y]) {
  const tool = app.tool;
  const ring = new Path2D();
  if (tool === "pick" || tool === "link") {
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { ring.moveTo(x + dx * 4, y + dy * 4); ring.lineTo(x + dx * 11, y + dy * 11); }
  } else ring.arc(x, y, Math.max(2, app.radius * app.view.scale), 0, 7);
  c.lineWidth = 3; c.strokeStyle = "#0008"; c.stroke(ring);
  c.lineWidth = 1.3; c.strokeStyle = "#fff"; c.stroke(ring);
  if (tool === "brush" || tool === "point" || tool === "neutral") {
    const dot = new Path2D();
    dot.arc(x, y, 3.5, 0, 7);
    c.lineWidth = 2.5; c.strokeStyle = "#000a"; c.stroke(dot);
    c.fillStyle = tool === "neutral" ? "#808080" : app.colorHex(); c.fill(dot);
    c.lineWidth = 1; c.strokeStyle = "#fff"; c.stroke(dot);
  }
  if (app.hand.cursor) { c.lineWidth = 1; c.strokeStyle = "#fff"; c.strokeRect(x - 14.5, y - 14.5, 29, 29); }
}
