// The style guide's curve: a damped and a dashed one with a gap.
import { lineChart } from "./chart.js";

const steps = Array.from({ length: 60 }, (_, step) => step);
lineChart(document.querySelector("[data-demo-chart]"), {
  steps,
  series: [
    { label: "train", values: steps.map((step) => 0.25 + 0.5 * Math.exp(-step / 14)) },
    { label: "held out", dashed: true, values: steps.map((step) => (step > 30 && step < 36 ? null : 0.32 + 0.42 * Math.exp(-step / 17))) },
  ],
});
