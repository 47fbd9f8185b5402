// Curves of a run: one figure a family of series, drawn as points come in. Gaps where a number was not finite.
import { lineChart } from "./chart.js";
import { _ } from "./words.js";

const FAMILIES = [
  [_("Learning rate"), (name) => name === "lr"],
  [_("Gradient norm"), (name) => name === "grad_norm"],
  ["β", (name) => name.startsWith("beta")],
  [_("Accuracy"), (name) => /^acc|accuracy|win_rate/.test(name)],
  [_("Loss"), (name) => name.includes("loss")],
  [_("Margins and rewards"), (name) => /margin|reward/.test(name)],
  [_("Speed, tokens a second"), (name) => name.startsWith("tokens")],
];
const HELD_OUT = _(", held-out");
const FEW = 60; // points that are drawn as such: an evaluation may be a single one

const familyOf = (name) => FAMILIES.find(([, fits]) => fits(name))?.[0] ?? _("Other");

class Figure {
  constructor(title, place) {
    this.series = new Map(); // label → Map(step → value)
    this.element = document.createElement("figure");
    this.element.className = "curve";
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    this.box = document.createElement("div");
    this.words = document.createElement("p");
    this.words.className = "visually-hidden";
    this.element.append(caption, this.box, this.words);
    place.append(this.element);
  }

  add(label, step, value) {
    const isNew = !this.series.has(label);
    if (isNew) this.series.set(label, new Map());
    const points = this.series.get(label).set(step, value);
    if (isNew || points.size === FEW) this.shape = undefined;
    this.stale = true;
  }

  draw() {
    if (!this.stale) return;
    this.stale = false;
    const all = [...this.series.values()];
    const steps = [...new Set(all.flatMap((points) => [...points.keys()]))].sort((a, b) => a - b);
    // undefined: nothing was said at this step, the line goes on; null: the number was not finite, the line breaks.
    const columns = all.map((points) => steps.map((step) => points.get(step)));
    if (this.shape) this.chart.setData(steps, columns);
    else this.begin(steps, columns);
    this.words.textContent = [...this.series].map(([label, points]) => `${label}: ${[...points.values()].at(-1) ?? "none"}`).join("; ");
  }

  begin(steps, columns) {
    this.chart?.destroy();
    const series = [...this.series].map(([label, points], place) => ({
      label,
      values: columns[place],
      dashed: label.endsWith(HELD_OUT),
      points: points.size < FEW,
    }));
    this.chart = lineChart(this.box, { series, steps });
    this.shape = true;
  }
}

export class Curves {
  constructor(place) {
    this.place = place;
    this.figures = new Map();
  }

  add({ step, split, values }) {
    for (const [name, value] of Object.entries(values)) {
      const title = familyOf(name);
      if (!this.figures.has(title)) this.figures.set(title, new Figure(title, this.place));
      this.figures.get(title).add(split === "held_out" ? name + HELD_OUT : name, step, value);
    }
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = undefined;
    for (const figure of this.figures.values()) figure.draw();
  }
}
