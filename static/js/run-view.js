// How curves are looked at: smoothing, logarithmic or not, by step or by time. Kept in the browser, for every run.
const KEPT = "assay-curve-view";
const form = document.querySelector("#curve-view");
const { smoothing, log, axis } = form.elements;

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

export const view = () => ({ smoothing: Number(smoothing.value), log: log.checked, axis: axis.value });

export function onView(tell) {
  form.addEventListener("input", () => {
    smoothing.nextElementSibling.value = Number(smoothing.value).toFixed(2);
    try {
      localStorage.setItem(KEPT, JSON.stringify(view()));
    } catch {
      // A browser that keeps nothing still shows what was chosen.
    }
    tell(view());
  });
}

form.addEventListener("submit", (event) => event.preventDefault());
const before = kept();
smoothing.value = before.smoothing ?? 0;
smoothing.nextElementSibling.value = Number(smoothing.value).toFixed(2);
log.checked = before.log ?? false;
axis.value = before.axis === "time" ? "time" : "step";
