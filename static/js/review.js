// The review page: correcting in place with the annotator's own tools, and a verdict that says what it needs.
import { mountMatrix } from "./annotate-matrix.js";
import { mountRanking } from "./annotate-ranking.js";
import { createStore, missing } from "./annotate-store.js";
import { mountCannotJudge, mountTexts } from "./annotate-texts.js";
import { mountTie } from "./annotate-tie.js";

const $ = (selector) => document.querySelector(selector);
const store = createStore(JSON.parse($("#desk").textContent));
const form = $("#verdict");
const models = $("[data-models]");

models.addEventListener("click", () => {
  const shown = models.getAttribute("aria-pressed") !== "true";
  models.setAttribute("aria-pressed", String(shown));
  models.textContent = shown ? "Hide models" : "Show models";
  document.querySelectorAll("[data-model]").forEach((name) => (name.hidden = !shown));
});

if (form) mountVerdict();

function mountVerdict() {
  const comment = form.elements.comment;
  const fault = $("[data-verdict-fault]");
  let mounted = false;

  function edit(on) {
    if (on && !mounted) mountEditor();
    mounted ||= on;
    $("[data-view]").hidden = on;
    $("[data-edit]").hidden = !on;
    for (const [selector, hidden] of [["[data-verdict=accept]", on], ["[data-correct]", on], ["[data-verdict=correct]", !on], ["[data-uncorrect]", !on]])
      $(selector).hidden = hidden;
    if (on) $("[data-edit]").scrollIntoView({ block: "start" });
  }

  $("[data-correct]").addEventListener("click", () => edit(true));
  $("[data-uncorrect]").addEventListener("click", () => edit(false));
  comment.addEventListener("input", () => (fault.textContent = ""));
  form.addEventListener("submit", (event) => {
    const verdict = event.submitter?.dataset.verdict;
    fault.textContent = problem(verdict, comment.value);
    if (fault.textContent) {
      event.preventDefault();
      comment.focus();
    } else if (verdict === "correct") form.elements.content.value = JSON.stringify(store.content);
  });
}

function problem(verdict, comment) {
  if (["return", "reject"].includes(verdict) && !comment.trim())
    return verdict === "return" ? "Say what the annotator should change." : "Say why the annotation is rejected.";
  const todo = verdict === "correct" ? missing(store) : [];
  return todo.length ? `Still missing: ${todo.map((each) => each.what).join(", ")}.` : "";
}

function mountEditor() {
  const say = (sentence) => ($("#live").textContent = sentence);
  mountMatrix($("[data-matrix]"), store);
  mountRanking($("[data-ranking]"), store, say);
  mountTie($("[data-tie-part]"), store, say);
  mountTexts(document, store);
  mountCannotJudge($("[data-cannot]"), store);
}
