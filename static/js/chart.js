// Curves: uPlot in the colours of the tokens, as wide as its place, drawn anew when light and dark change.
import uPlot from "/static/vendor/uPlot/uPlot.esm.js";
import { _ } from "./words.js";

const SERIES = 8;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
// A learning rate is far below what a locale's three decimals show. On a logarithmic axis only some ticks have words.
const small = (tick) => (tick !== 0 && Math.abs(tick) < 1e-4 ? Number(tick.toPrecision(3)).toExponential() : String(Number(tick.toPrecision(3))));
const tickWords = (tick) => (tick === null ? "" : Math.abs(tick) >= 1 ? tick.toLocaleString("en") : small(tick));
const figures = (value) => (value == null ? "–" : Number(value).toPrecision(4));

const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800];
const pad = (number) => String(number).padStart(2, "0");
// 75 → 1:15; 3675 → 1:01:15.
function clock(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

function options(element, { series, height, x, log, elapsed, together }) {
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
    series: [{ label: x, ...(elapsed && { value: (_, value) => (value == null ? "–" : clock(value)) }) }, ...drawn],
    axes: [{ ...axis, size: 32, ...(elapsed && { incrs: TIMES, values: (_, ticks) => ticks.map(clock) }) }, { ...axis, size: 64, values: (_, ticks) => ticks.map(tickWords) }],
    cursor: { points: { size: 7 }, ...(together && { sync: { key: together, setSeries: false } }) },
    legend: { markers: { dash: (_, place) => (series[place - 1].dashed ? "dashed" : "solid") } },
    hooks: { setLegend: [rest], init: [hideFaint] },
  };

  function hideFaint({ root }) {
    series.forEach((each, place) => each.faint && root.querySelectorAll(".u-series")[place + 1].classList.add("faint"));
  }
}

// While nobody points at a place, the legend says the last number of each curve.
function rest(plot) {
  if (plot.legend.idx !== null || !plot.data[0].length) return;
  plot.setLegend({ idxs: plot.data.map((column) => column.findLastIndex((value) => value != null)) }, false);
}

/**
 * Draw curves in `element`. `series` is a list of {label, values, dashed, points, faint, colour}; values and `steps` have one length, and a null is a gap.
 * Charts of one name in `together` share cursor and zoom; with `elapsed` the steps are seconds, written as a clock.
 * With `log` the vertical axis is logarithmic; callers leave out what is not above 0. Dragging zooms, a double click shows all; new data keep a zoom.
 * Returns {setData(steps, columns), append(step, values), destroy()}.
 */
export function lineChart(element, { series, steps = [], height = 220, x = _("step"), log = false, elapsed = false, together = "" }) {
  let data = [steps, ...series.map((each) => each.values ?? [])];
  let plot;

  function draw() {
    plot?.destroy();
    plot = new uPlot(options(element, { series, height, x, log, elapsed, together }), data, element);
    rest(plot);
  }

  const zoomed = () => plot.scales.x.min > data[0][0] || plot.scales.x.max < data[0].at(-1);
  function give(newer) {
    const keep = zoomed();
    data = newer;
    plot.setData(data, !keep);
    if (keep) plot.redraw();
    rest(plot);
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
