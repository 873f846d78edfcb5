// Lists of the page: strokes, colors, proposals, pictures.
import { icon } from "./icons.js";

function button(attributes, ...children) {
  const b = document.createElement("button");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) b[name] = value;
    else if (value !== undefined && value !== null) b.setAttribute(name, value);
  }
  b.append(...children);
  return b;
}

/** A color that can be pressed. */
export function chip(color, label, press) {
  const b = button({ class: "swatch", title: label, "aria-label": label, onclick: press });
  b.style.background = color;
  b.dataset.color = color;
  return b;
}

/** The list of strokes, newest first. */
export function showStrokes(app) {
  const list = document.getElementById("strokes"), strokes = app.history.now.strokes, links = app.history.now.links;
  document.getElementById("count").textContent = strokes.length + links.length || "";
  document.getElementById("clear").hidden = !(strokes.length + links.length);
  const rows = strokes.map((s, i) => strokeRow(app, s, i)).reverse();
  rows.unshift(...links.map((k, i) => linkRow(app, k, i)).reverse());
  if (!rows.length) {
    const p = document.createElement("p");
    p.className = "empty";
    p.textContent = "Paint where the color is wrong. It spreads over what belongs together, and stops at edges.";
    list.replaceChildren(p);
  } else list.replaceChildren(...rows);
}

function strokeRow(app, stroke, i) {
  const row = document.createElement("li"), what = document.createElement("span");
  what.className = "what";
  what.textContent = `${stroke.neutral ? "Keep gray" : stroke.point || stroke.points.length === 1 ? "Point" : "Stroke"} ${i + 1}`;
  row.classList.toggle("hidden", !!stroke.hidden);
  const recolor = chip(stroke.color, `Give ${what.textContent} the current color`, () => app.change(i, { color: app.colorHex(stroke.points[0]), neutral: undefined }));
  row.append(
    recolor, what,
    button({ title: "Take this color", "aria-label": `Take the color of ${what.textContent}`, onclick: () => app.takeHex(stroke.color) }, icon("pick")),
    button({ title: stroke.hidden ? "Show" : "Hide", "aria-label": `${stroke.hidden ? "Show" : "Hide"} ${what.textContent}`, "aria-pressed": stroke.hidden ? "true" : "false", onclick: () => app.change(i, { hidden: stroke.hidden ? undefined : true }) }, icon(stroke.hidden ? "closed" : "eye")),
    button({ title: "Delete", "aria-label": `Delete ${what.textContent}`, onclick: () => app.change(i, null) }, icon("trash")),
  );
  const light = (on) => () => { app.lit = on ? i : -1; app.redraw(); };
  row.onpointerenter = light(true); row.onpointerleave = light(false);
  row.onfocus = light(true);
  row.addEventListener("focusin", light(true)); row.addEventListener("focusout", light(false));
  return row;
}

function linkRow(app, link, i) {
  const row = document.createElement("li"), what = document.createElement("span");
  what.className = "what";
  what.textContent = `Link to ${link.name.split("/").at(-1)}`;
  what.title = app.recipe?.kind === "reference" ? link.name : `${link.name}: counts once you start from a reference or from links`;
  row.classList.toggle("hidden", app.recipe?.kind !== "reference");
  row.append(icon("link"), what, button({ title: "Delete", "aria-label": `Delete link ${i + 1}`, onclick: () => app.dropLink(i) }, icon("trash")));
  return row;
}

/** Colors to choose from, with an explanation each. */
export function showChips(id, colors, none) {
  const row = document.getElementById(id);
  row.replaceChildren(...(colors.length ? colors.map((c) => chip(c.color, c.label, c.press)) : [none]));
}

// Thumbnails by their address: a list that is shown anew asks the server for nothing.
const pictures = new Map();

function loaded(address) {
  const img = new Image();
  img.alt = ""; img.loading = "lazy"; img.src = address;
  img.onerror = () => { pictures.delete(address); img.replaceWith(icon("warn")); };
  pictures.set(address, img);
  return img;
}

/** Show cards in a strip; the place that it was scrolled to and the card that had the focus stay. */
export function fill(strip, cards) {
  const at = strip.scrollLeft, focused = [...strip.children].indexOf(document.activeElement);
  strip.replaceChildren(...cards);
  strip.scrollLeft = at;
  if (focused >= 0) strip.children[Math.min(focused, cards.length - 1)]?.focus({ preventScroll: true });
}

/** A picture with a caption. */
export function card({ caption, image, iconName, title, role, press, dot }) {
  const pic = document.createElement("span"), cap = document.createElement("span");
  pic.className = "pic"; cap.className = "cap"; cap.textContent = caption;
  if (image) {
    pic.append(pictures.get(image) ?? loaded(image));
  } else pic.append(icon(iconName));
  const b = button({ class: "card", title: title ?? caption, role, onclick: press }, pic, cap);
  if (dot) { const mark = document.createElement("span"); mark.className = "dot"; mark.append(icon(dot)); b.append(mark); }
  return b;
}
