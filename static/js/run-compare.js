// Curves of several runs over each other, one metric at a time, each run in the colour that it has in every table.
import { lineChart } from "./chart.js";
import { _ } from "./words.js";

const form = document.querySelector("#compared");
const place = document.querySelector("#curves");
const words = document.querySelector("#curves-words");
const FEW = 60; // points that are drawn as such: an evaluation may be a single one
let chart;
let latest = 0;

// undefined: nothing was said at this step, the line goes on; null: the number was not finite, the line breaks.
function columnsOf(curves) {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const known = curves.map((curve) => new Map(curve.steps.map((step, at) => [step, curve.values[at]])));
  return { steps, columns: known.map((values) => steps.map((step) => values.get(step))) };
}

function draw(curves) {
  const { steps, columns } = columnsOf(curves);
  const series = curves.map(({ label, steps: own }, at) => ({ label, values: columns[at], points: own.length < FEW }));
  chart?.destroy();
  chart = lineChart(place, { series, steps, height: 320 });
  const silent = curves.filter((curve) => !curve.steps.length).map((curve) => curve.label);
  words.textContent = silent.length ? _("Not reported by %(runs)s.", { runs: silent.join(", ") }) : "";
}

async function show() {
  const mine = ++latest;
  const metric = form.elements.metric.value;
  words.textContent = _("Fetching the curves…");
  const answer = await fetch(`${form.dataset.curves}&metric=${encodeURIComponent(metric)}`);
  if (mine !== latest) return;
  if (!answer.ok) words.textContent = _("The curves could not be fetched. Choose the metric again to retry.");
  else draw((await answer.json()).curves);
}

const away = () => (words.textContent = _("The curves could not be fetched. Choose the metric again to retry."));

if (form) {
  form.addEventListener("change", () => {
    const address = new URL(location);
    address.searchParams.set("metric", form.elements.metric.value);
    history.replaceState(null, "", address);
    show().catch(away);
  });
  show().catch(away);
}
