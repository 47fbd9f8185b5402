// Curves of a run: one figure a family of series, drawn as points come in. Gaps where a number was not finite.
import { lineChart } from "./chart.js";
import { smoothed } from "./smoothing.js";
import { _ } from "./words.js";

// In the order in which they stand on the page: first what is learnt, then how, then at what cost.
const FAMILIES = [
  [_("Loss"), (name) => name.includes("loss")],
  [_("Accuracy"), (name) => /^acc|accuracy|win_rate/.test(name)],
  [_("Mean squared distance to the centre"), (name) => name === "inertia"],
  [_("Margins and rewards"), (name) => /margin|reward/.test(name)],
  ["β", (name) => name.startsWith("beta")],
  [_("Learning rate"), (name) => name === "lr"],
  [_("Gradient norm"), (name) => name === "grad_norm"],
  [_("Other"), () => false],
  [_("Speed, tokens a second"), (name) => name.startsWith("tokens")],
  [_("Speed, samples a second"), (name) => name.startsWith("samples_per")],
  [_("Speed, pictures a second"), (name) => name === "vectors_per_second"],
  [_("Memory, GiB"), (name) => name.startsWith("memory")],
  [_("Share of padding"), (name) => name === "padding_share"],
];
const HELD_OUT = _(", held-out");
const FEW = 60; // points that are drawn as such: an evaluation may be a single one

const OTHER = FAMILIES.findIndex(([title]) => title === _("Other"));
const familyOf = (name) => {
  const found = FAMILIES.findIndex(([, fits]) => fits(name));
  return found < 0 ? OTHER : found;
};

class Figure {
  constructor(family, place) {
    this.series = new Map(); // label → Map(step → {at, value}), in the order of `ranks`
    this.ranks = new Map(); // label → where it stands: by its metric, training before held-out
    this.element = document.createElement("figure");
    this.element.className = "curve";
    const caption = document.createElement("figcaption");
    caption.textContent = FAMILIES[family][0];
    this.box = document.createElement("div");
    this.words = document.createElement("p");
    this.words.className = "visually-hidden";
    this.element.append(caption, this.box, this.words);
    this.element.dataset.family = family;
    this.last = new Map(); // label → its last value
    this.seen = false;
    place.insertBefore(this.element, [...place.children].find((each) => Number(each.dataset.family) > family) ?? null);
  }

  add({ label, rank, step, point }) {
    if (!this.series.has(label)) this.join(label, rank);
    const points = this.series.get(label).set(step, point);
    if (points.size === FEW) this.shape = undefined;
    this.last.set(label, point.value);
    this.stale = this.unsaid = true;
  }

  join(label, rank) {
    this.ranks.set(label, rank);
    const known = [...this.series, [label, new Map()]];
    this.series = new Map(known.sort(([one], [other]) => this.ranks.get(one) - this.ranks.get(other)));
    this.shape = undefined;
  }

  // A metric has one colour; over held-out samples it is dashed.
  colours() {
    const metrics = [...new Set([...this.ranks.values()].map(Math.floor))].sort((one, other) => one - other);
    return new Map([...this.ranks].map(([label, rank]) => [label, metrics.indexOf(Math.floor(rank))]));
  }

  say() {
    if (this.unsaid) this.words.textContent = [...this.last].map(([label, value]) => `${label}: ${value ?? "none"}`).join("; ");
    this.unsaid = false;
  }

  draw(view, began) {
    this.stale = false;
    const { x, columns } = this.columns(view, began);
    if (this.shape === view) this.chart.setData(x, columns);
    else this.begin(view, x, columns);
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
    const colours = this.colours();
    const series = [...this.series].flatMap(([label, points]) => {
      const each = { label, colour: colours.get(label), dashed: this.ranks.get(label) % 1 > 0, points: points.size < FEW };
      return view.smoothing ? [{ ...each, faint: true }, { ...each, points: false }] : [each];
    });
    const drawn = series.map((each, place) => ({ ...each, values: columns[place] }));
    const elapsed = view.axis === "time";
    this.chart = lineChart(this.box, { series: drawn, steps, log: view.log, elapsed, x: elapsed ? _("time") : _("step"), together: "run" });
    this.shape = view;
  }
}

export class Curves {
  constructor(place, view) {
    this.place = place;
    this.view = view;
    this.words = new Map(JSON.parse(place.dataset.words)); // name of a metric → what the reader calls it
    this.order = new Map([...this.words.keys()].map((name, at) => [name, at]));
    this.began = Infinity;
    this.figures = new Map();
    this.sight = new IntersectionObserver((looks) => this.look(looks), { rootMargin: "200px" });
  }

  figure(family) {
    if (!this.figures.has(family)) {
      const figure = new Figure(family, this.place);
      this.figures.set(family, figure);
      this.sight.observe(figure.element);
    }
    return this.figures.get(family);
  }

  look(looks) {
    for (const { target, isIntersecting } of looks) this.figure(Number(target.dataset.family)).seen = isIntersecting;
    this.soon();
  }

  add({ step, split, at = 0, values }) {
    this.began = Math.min(this.began, at);
    const heldOut = split === "held_out";
    for (const [name, value] of Object.entries(values)) {
      if (!this.order.has(name)) this.order.set(name, this.order.size);
      const label = (this.words.get(name) ?? name) + (heldOut ? HELD_OUT : "");
      const rank = this.order.get(name) + (heldOut ? 0.5 : 0);
      this.figure(familyOf(name)).add({ label, rank, step, point: { at, value } });
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

  // Figures in sight at once; others one a frame, and with new points not before they come into sight: thousands of
  // points in ten figures would hold up the page each time that one comes.
  draw() {
    this.frame = undefined;
    for (const figure of this.figures.values()) figure.say();
    const wanting = [...this.figures.values()].filter((each) => each.stale && (each.seen || each.shape !== this.view));
    const seen = wanting.filter((each) => each.seen);
    const now = seen.length ? seen : wanting.slice(0, 1);
    for (const figure of now) figure.draw(this.view, this.began);
    if (wanting.length > now.length) this.soon();
  }
}
