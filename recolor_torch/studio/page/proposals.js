// What a picture starts from: the network's proposals, references, links alone, strokes alone; a part of the page's App.
import { ask } from "./link.js";
import { card, fill } from "./panels.js";

// As recolor_torch/studio/library.py has it.
const LARGEST_UPLOAD = 64 * 2 ** 20;
const $ = (id) => document.getElementById(id);

/** The factor on the trust that a place of its slider stands for. */
export function trustOf(place) { return Math.round(1000 * 10 ** (place / 100)) / 1000; }

export class Proposals {
  choose(changes) {
    this.recipe = { ...this.recipe, ...changes };
    this.link.choose(this.recipe);
    this.showProposals();
    this.listed();
  }

  /** The recipe that the server holds. */
  adopt(recipe) {
    this.recipe = { ...recipe };
    $("strength").value = Math.round(100 * recipe.strength);
    $("trust").value = Math.round(100 * Math.log10(recipe.trust));
    $("text").value = recipe.text;
    this.showSliders();
    this.showProposals();
    this.listed();
  }

  showSliders() {
    $("strength-out").textContent = `${$("strength").value}%`;
    const trust = trustOf($("trust").value);
    $("trust-out").textContent = trust === 1 ? "as it is" : `× ${trust.toFixed(2)}`;
  }

  showProposals() {
    const strip = $("proposals"), i = this.index, r = this.recipe, cards = [];
    const add = (options, on) => { const c = card(options); c.setAttribute("aria-checked", String(on)); cards.push(c); };
    const start = (options, recipe, on) => add({ ...options, role: "radio", press: () => this.choose(recipe) }, on);
    for (const [sample, caption] of (this.picture?.proposals ?? []).entries())
      start({ caption, image: `api/picture/${i}/proposal/${sample}` }, { kind: "automatic", sample, references: [] }, r.kind === "automatic" && r.sample === sample);
    start({ caption: "Strokes alone", iconName: "brush", title: "No proposal: what you paint spreads over gray" }, { kind: "plain", references: [] }, r.kind === "plain");
    for (const e of this.references ?? []) {
      const caption = e.score === null || e.score === undefined ? e.name : `${Math.round(e.score * 100)} · ${e.name}`;
      const title = `${e.name}${e.score ? `, ${Math.round(e.score * 100)} of 100 alike` : ""} (shift+click: together with others)`;
      add({ caption, image: `api/reference/${e.key}?thumb`, title, role: "checkbox", press: (event) => { this.useReference(e.key, event.shiftKey || event.ctrlKey || event.metaKey); this.source.open(e); } }, this.uses(e.key));
    }
    if (this.history.now.links.length) start({ caption: "Links alone", iconName: "link", title: "The network's colors, and in linked regions those of the references" }, { kind: "reference", references: [] }, r.kind === "reference" && !r.references.length);
    if (this.searching) cards.push(card({ caption: "Searching …", iconName: "search", title: "References are looked for in the gallery" }));
    cards.push(card({ caption: "Add reference", iconName: "plus", title: "A picture whose colors are wanted; or drop one anywhere", press: () => $("file").click() }));
    fill(strip, cards);
    const chosen = `${i} ${r.kind} ${r.sample} ${r.references}`;
    if (chosen !== this.chosen) strip.querySelector("[aria-checked=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.chosen = chosen;
    this.source.used();
  }

  /** Colors by words, in the network's proposal. */
  say(text) { this.choose(this.recipe.kind === "automatic" ? { text } : { kind: "automatic", sample: 0, references: [], text }); }

  uses(key) { return this.recipe.kind === "reference" && this.recipe.references.includes(key); }

  /** Take the colors of a reference: alone, or with ``more`` beside the others, or no longer. */
  useReference(key, more) {
    const others = more && this.recipe.kind === "reference" ? this.recipe.references.filter((k) => k !== key) : [];
    const references = more && this.uses(key) ? others : [...others, key];
    this.choose(references.length || this.history.now.links.length ? { kind: "reference", references } : { kind: "automatic", sample: 0, references: [] });
  }

  async askGallery(index) {
    this.found = index;
    this.searching = true;
    this.showProposals();
    try {
      const { references } = await (await ask(`api/picture/${index}/gallery`)).json();
      if (this.index === index) this.references = references;
    } catch (error) { this.notice(error.message); }
    if (this.index === index) { this.searching = false; this.showProposals(); }
  }

  async addReference(file) {
    if (file.size > LARGEST_UPLOAD) { this.notice(`${file.name} has ${Math.round(file.size / 2 ** 20)} MB. A dropped picture may have 64 MB.`); return; }
    this.busy(`Reading ${file.name} …`, false);
    try {
      const answer = await ask(`api/reference?picture=${this.index}&name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
      const { reference } = await answer.json();
      this.references = [...(this.references ?? []), reference];
      this.busy("");
      this.choose({ kind: "reference", references: [reference.key] });
      this.source.open(reference);
    } catch (error) { this.busy(""); this.notice(error.message); }
  }
}
