// Curves of a run: one figure a family of series, drawn as points come in. Gaps where a number was not finite.
import uPlot from "/static/vendor/uPlot/uPlot.esm.js";

const FAMILIES = [
  ["Learning rate", (name) => name === "lr"],
  ["Gradient norm", (name) => name === "grad_norm"],
  ["β", (name) => name.startsWith("beta")],
  ["Accuracy", (name) => /^(acc|.*accuracy|win_rate)/.test(name)],
  ["Loss", (name) => name.includes("loss")],
  ["Margins and rewards", (name) => /margin|reward/.test(name)],
  ["Speed, tokens a second", (name) => name.startsWith("tokens")],
];
// Okabe and Ito's palette, which colour-blind people can tell apart; held-out series are dashed as well.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A"];
const HEIGHT = 220;

const familyOf = (name) => FAMILIES.find(([, fits]) => fits(name))?.[0] ?? "Other";

class Figure {
  constructor(title, place) {
    this.title = title;
    this.steps = [];
    this.values = new Map(); // series label → Map(step → value)
    this.element = document.createElement("figure");
    this.element.className = "curve";
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    this.box = document.createElement("div");
    this.words = document.createElement("p");
    this.words.className = "visually-hidden";
    this.element.append(caption, this.box, this.words);
    place.append(this.element);
    new ResizeObserver(() => this.plot?.setSize({ width: this.box.clientWidth, height: HEIGHT })).observe(this.box);
  }

  add(label, step, value) {
    if (!this.values.has(label)) {
      this.values.set(label, new Map());
      this.plot?.destroy();
      this.plot = undefined;
    }
    this.values.get(label).set(step, value);
    this.stale = true;
  }

  draw() {
    if (!this.stale) return;
    this.stale = false;
    const steps = [...new Set([...this.values.values()].flatMap((series) => [...series.keys()]))].sort((a, b) => a - b);
    const data = [steps, ...[...this.values.values()].map((series) => steps.map((step) => (series.has(step) ? series.get(step) : undefined)))];
    if (this.plot) this.plot.setData(data);
    else this.plot = new uPlot(this.options(), data, this.box);
    this.words.textContent = [...this.values].map(([label, series]) => `${label}: ${[...series.values()].at(-1) ?? "none"}`).join("; ");
  }

  options() {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--muted").trim() || "#666";
    const line = { stroke: style.getPropertyValue("--line").trim() || "#ddd", width: 1 };
    const axis = { stroke: ink, grid: line, ticks: line };
    const series = [...this.values.keys()].map((label, place) => ({
      label,
      stroke: COLOURS[place % COLOURS.length],
      width: 1.5,
      dash: label.endsWith("held-out") ? [6, 4] : undefined,
      spanGaps: false,
      points: { show: this.values.get(label).size < 60, size: 4 },
      value: (_, value) => (value == null ? "–" : Number(value).toPrecision(4)),
    }));
    return { width: this.box.clientWidth || 400, height: HEIGHT, scales: { x: { time: false } }, series: [{ label: "step" }, ...series], axes: [axis, { ...axis, size: 64 }], cursor: { sync: { key: "run" } } };
  }
}

export class Curves {
  constructor(place) {
    this.place = place;
    this.figures = new Map();
    new MutationObserver(() => this.redrawAll()).observe(document.documentElement, { attributeFilter: ["data-theme", "class"] });
  }

  add({ step, split, values }) {
    for (const [name, value] of Object.entries(values)) {
      const title = familyOf(name);
      if (!this.figures.has(title)) this.figures.set(title, new Figure(title, this.place));
      this.figures.get(title).add(split === "held_out" ? `${name}, held-out` : name, step, value);
    }
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = undefined;
    for (const figure of this.figures.values()) figure.draw();
  }

  redrawAll() {
    for (const figure of this.figures.values()) {
      figure.plot?.destroy();
      figure.plot = undefined;
      figure.stale = true;
    }
    this.draw();
  }
}
