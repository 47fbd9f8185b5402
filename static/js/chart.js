// Curves: uPlot in the colours of the tokens, as wide as its place, drawn anew when light and dark change.
import uPlot from "/static/vendor/uPlot/uPlot.esm.js";
import { _ } from "./words.js";

const SERIES = 8;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
// A learning rate is far below what a locale's three decimals show. On a logarithmic axis only some ticks have words.
const tickWords = (tick) => (tick === null ? "" : Math.abs(tick) >= 1 ? tick.toLocaleString("en") : String(Number(tick.toPrecision(3))));
const figures = (value) => (value == null ? "–" : Number(value).toPrecision(4));

function options(element, { series, height, x, log }) {
  const line = { stroke: token("line"), width: 1 };
  const axis = { stroke: token("muted"), grid: line, ticks: { show: false }, font: `12px ${token("font")}` };
  const drawn = series.map((each, place) => ({
    label: each.label,
    stroke: token(`series-${((each.colour ?? place) % SERIES) + 1}`),
    width: 1.75,
    alpha: each.faint ? 0.3 : 1,
    dash: each.dashed ? [6, 4] : undefined,
    points: { show: each.points ?? false, size: 5 },
    value: (_, value) => figures(value),
  }));
  return {
    width: element.clientWidth || 400,
    height,
    scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
    series: [{ label: x }, ...drawn],
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map(tickWords) }],
    cursor: { points: { size: 7 } },
  };
}

/**
 * Draw curves in `element`. `series` is a list of {label, values, dashed, points, faint, colour}; values and `steps` have one length, and a null is a gap.
 * With `log` the vertical axis is logarithmic; callers leave out what is not above 0. Dragging zooms, a double click shows all; new data keep a zoom.
 * Returns {setData(steps, columns), append(step, values), destroy()}.
 */
export function lineChart(element, { series, steps = [], height = 220, x = _("step"), log = false }) {
  let data = [steps, ...series.map((each) => each.values ?? [])];
  let plot;

  function draw() {
    plot?.destroy();
    plot = new uPlot(options(element, { series, height, x, log }), data, element);
  }

  const zoomed = () => plot.scales.x.min > data[0][0] || plot.scales.x.max < data[0].at(-1);
  function give(newer) {
    const keep = zoomed();
    data = newer;
    plot.setData(data, !keep);
    if (keep) plot.redraw();
  }

  const size = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
  const theme = new MutationObserver(draw);
  draw();
  size.observe(element);
  theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });

  return {
    setData(newSteps, columns) {
      give([newSteps, ...columns]);
    },
    append(step, values) {
      give([[...data[0], step], ...values.map((value, place) => [...data[place + 1], value])]);
    },
    destroy() {
      size.disconnect();
      theme.disconnect();
      plot.destroy();
    },
  };
}
