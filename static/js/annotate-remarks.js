// What a reviewer sent back stands beside the place that it is about.

export function showRemarks(remarks) {
  for (const { place, words, comment } of remarks) {
    const said = Object.assign(document.createElement("p"), { className: "remark-here", dir: "auto" });
    said.append(Object.assign(document.createElement("b"), { textContent: `${words}: ` }), comment);
    beside(place)?.before(said);
  }
}

/** Where the remark goes before: a score's or a criterion's row of cells, or the field or section itself. */
function beside(place) {
  const [kind, one, key] = place.split(".");
  if (kind === "scores") return document.querySelector(`[data-row="${CSS.escape(key)}"] .matrix-cells`);
  if (kind === "criteria") return document.querySelector(`[data-row="${CSS.escape(one)}"] .matrix-cells`);
  const found = document.querySelector(`[data-place="${CSS.escape(place)}"]`) ?? document.querySelector({ tie: "[data-tie-part] > *", cannot_judge: "[data-cannot] > fieldset" }[place] ?? "[data-bench] > *");
  return found.matches("section") ? found.querySelector(".panel-head").nextElementSibling : found;
}
