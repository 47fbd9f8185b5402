// The last step's gauges in words: speed, memory, padding.
const SHOWN = {
  tokens_per_second: (value) => Math.round(value).toLocaleString(),
  samples_per_second: (value) => value.toPrecision(3),
  memory_gib: (value) => value.toFixed(2),
  padding_share: (value) => `${Math.round(100 * value)} %`,
};

export function showGauges(values) {
  for (const [name, words] of Object.entries(SHOWN)) {
    if (typeof values[name] !== "number") continue;
    const gauge = document.querySelector(`[data-gauge="${name}"]`);
    gauge.textContent = words(values[name]);
    gauge.closest("dl").hidden = gauge.parentElement.hidden = false;
  }
}
