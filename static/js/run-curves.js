// Curves of a run: one figure a family of series, drawn as points come in. Gaps where a number was not finite.
import { lineChart } from "./chart.js";
import { smoothed } from "./smoothing.js";
import { _ } from "./words.js";

const FAMILIES = [
  [_("Speed, tokens a second"), (name) => name.startsWith("tokens")],
  [_("Speed, samples a second"), (name) => name.startsWith("samples_per")],
  [_("Speed, pictures a second"), (name) => name === "vectors_per_second"],
  [_("Mean squared distance to the centre"), (name) => name === "inertia"],
  [_("Memory, GiB"), (name) => name.startsWith("memory")],
  [_("Share of padding"), (name) => name === "padding_share"],
  [_("Learning rate"), (name) => name === "lr"],
  [_("Gradient norm"), (name) => name === "grad_norm"],
  ["β", (name) => name.startsWith("beta")],
  [_("Accuracy"), (name) => /^acc|accuracy|win_rate/.test(name)],
  [_("Loss"), (name) => name.includes("loss")],
  [_("Margins and rewards"), (name) => /margin|reward/.test(name)],
];
const HELD_OUT = _(", held-out");
const FEW = 60; // points that are drawn as such: an evaluation may be a single one

const familyOf = (name) => FAMILIES.find(([, fits]) => fits(name))?.[0] ?? _("Other");

class Figure {
  constructor(title, place) {
    this.series = new Map(); // label → Map(step → {at, value})
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

  add(label, step, point) {
    const isNew = !this.series.has(label);
    if (isNew) this.series.set(label, new Map());
    const points = this.series.get(label).set(step, point);
    if (isNew || points.size === FEW) this.shape = undefined;
    this.stale = true;
  }

  draw(view, began) {
    if (!this.stale) return;
    this.stale = false;
    const { x, columns } = this.columns(view, began);
    if (this.shape === view) this.chart.setData(x, columns);
    else this.begin(view, x, columns);
    this.words.textContent = [...this.series].map(([label, points]) => `${label}: ${[...points.values()].at(-1)?.value ?? "none"}`).join("; ");
  }

  // undefined: nothing was said there, the line goes on; null: the number was not finite or has no logarithm, the line breaks.
  columns({ smoothing, log, axis }, began) {
    const placed = ([step, { at, value }]) => [axis === "time" ? at - began : step, log && value <= 0 ? null : value];
    const known = [...this.series.values()].map((points) => new Map([...points].map(placed)));
    const x = [...new Set(known.flatMap((points) => [...points.keys()]))].sort((a, b) => a - b);
    const raw = known.map((points) => x.map((each) => points.get(each)));
    return { x, columns: smoothing ? raw.flatMap((values) => [values, smoothed(values, smoothing)]) : raw };
  }

  begin(view, steps, columns) {
    this.chart?.destroy();
    const series = [...this.series].flatMap(([label, points], colour) => {
      const each = { label, colour, dashed: label.endsWith(HELD_OUT), points: points.size < FEW };
      return view.smoothing ? [{ ...each, faint: true }, { ...each, label: _("%(label)s, smoothed", { label }), points: false }] : [each];
    });
    const drawn = series.map((each, place) => ({ ...each, values: columns[place] }));
    this.chart = lineChart(this.box, { series: drawn, steps, log: view.log, x: view.axis === "time" ? _("seconds") : _("step") });
    this.shape = view;
  }
}

export class Curves {
  constructor(place, view) {
    this.place = place;
    this.view = view;
    this.began = Infinity;
    this.figures = new Map();
  }

  add({ step, split, at = 0, values }) {
    this.began = Math.min(this.began, at);
    for (const [name, value] of Object.entries(values)) {
      const title = familyOf(name);
      if (!this.figures.has(title)) this.figures.set(title, new Figure(title, this.place));
      this.figures.get(title).add(split === "held_out" ? name + HELD_OUT : name, step, { at, value });
    }
    this.soon();
  }

  show(view) {
    this.view = view;
    for (const figure of this.figures.values()) figure.stale = true;
    this.soon();
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = undefined;
    for (const figure of this.figures.values()) figure.draw(this.view, this.began);
  }
}
