// A colour for each point, from the tokens of the theme, and the legend that says what the colours mean.
import { _ } from "./words.js";

const SERIES = 8;
const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function rgb(colour) {
  brush.fillStyle = colour;
  brush.fillRect(0, 0, 1, 1);
  return brush.getImageData(0, 0, 1, 1).data.slice(0, 3);
}

const steps = 5;
const mixed = (from, to, share) => from.map((each, place) => Math.round(each + (to[place] - each) * share));

// Code → colour. The clusters' colours repeat; a disagreement goes from calm to alarm in five steps.
function colours(points, by) {
  if (by !== "disagreement") return (code) => rgb(token(`series-${(code % SERIES) + 1}`));
  const [calm, alarm, none] = [rgb(token("series-1")), rgb(token("bad-ink")), rgb(token("line"))];
  return (code) => (code === 255 ? none : mixed(Array.from(calm), Array.from(alarm), Math.round((code / 250) * (steps - 1)) / (steps - 1)));
}

export function colouring(points, by) {
  const colour = colours(points, by);
  const known = new Map();
  const found = new Uint8Array(points.n * 3);
  for (let place = 0; place < points.n; place++) {
    const code = points[by][place];
    if (!known.has(code)) known.set(code, colour(code));
    found.set(known.get(code), place * 3);
  }
  return found;
}

const dot = ([red, green, blue]) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 10 10");
  const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  for (const [name, value] of Object.entries({ cx: 5, cy: 5, r: 4.5, fill: `rgb(${red} ${green} ${blue})` })) circle.setAttribute(name, value);
  svg.append(circle);
  return svg;
};

function entry(colour, words, many) {
  const item = document.createElement("li");
  const count = Object.assign(document.createElement("span"), { className: "muted", textContent: many.toLocaleString() });
  item.append(dot(colour), words, count);
  return item;
}

export function legend(points, by) {
  const colour = colours(points, by);
  const counts = new Map();
  const group = (code) => (by !== "disagreement" || code === 255 ? code : Math.round((code / 250) * (steps - 1)) * (250 / (steps - 1)));
  for (const code of points[by]) counts.set(group(code), (counts.get(group(code)) ?? 0) + 1);
  const words = (code) => {
    if (by !== "disagreement") return points.names[by][code] ? _(points.names[by][code]) : _("in none");
    return code === 255 ? _("judged by fewer than two") : code === 0 ? _("all agree") : code === 250 ? _("opposite") : (code / 250).toFixed(2);
  };
  return [...counts].sort(([one], [other]) => one - other).map(([code, many]) => entry(colour(code), words(code), many));
}
