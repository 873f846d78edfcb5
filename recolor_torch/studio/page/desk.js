// The desk: a folder's pictures, export, and the command that does the same; a part of the page's App.
import { post } from "./link.js";
import { card, fill } from "./panels.js";

const $ = (id) => document.getElementById(id);

export class Desk {
  showPictures() {
    const all = this.desk.pictures, words = { new: "new", touched: "painted", done: "exported" };
    $("done").textContent = `${all.filter((p) => p.state === "done").length} of ${all.length} exported`;
    fill($("pictures"), all.map((p) => {
      const c = card({ caption: p.name.split("/").at(-1), title: `${p.name}, ${words[p.state]}`, image: `api/picture/${p.index}/thumb`, press: () => this.open(p.index), dot: { touched: "pen", done: "check" }[p.state] });
      c.dataset.state = p.state;
      if (p.index === this.index) c.setAttribute("aria-current", "true");
      return c;
    }));
    $("pictures").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  setState(state) { const p = this.desk.pictures[this.index]; if (p.state !== state) { p.state = state; this.showPictures(); } }

  step(by) { const next = this.index + by; if (this.desk.pictures[next]) this.open(next); }

  async exportNow() {
    if (!this.picture || this.exporting) return;
    this.exporting = true;
    const index = this.index;
    this.busy("Exporting at full size …");
    try {
      await this.whenSaved();
      const done = await post(`api/picture/${index}/export`, { recipe: this.recipe });
      this.desk.pictures[index].state = done.state;
      this.showPictures();
      this.notice(`Written to ${done.output} in ${done.seconds} s.`);
    } catch (error) { this.notice(error.message); }
    this.exporting = false;
    this.busy("");
  }

  /** The server has the last stroke: what it is asked for next counts it. */
  async whenSaved() { for (let i = 0; i < 200 && $("state").textContent === "Saving …"; i++) await new Promise((go) => setTimeout(go, 50)); }

  async copyCommand() {
    try {
      await this.whenSaved();
      const { command } = await post(`api/picture/${this.index}/command`, { recipe: this.recipe });
      try { await navigator.clipboard.writeText(command); this.notice(`Copied: ${command}`); } catch { this.notice(command); }
    } catch (error) { this.notice(error.message); }
  }
}
