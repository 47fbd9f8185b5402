// The review page: correcting in place with the annotator's own tools, and a verdict that says what it needs.
import { mountDialogs } from "./annotate-keys.js";
import { mountMatrix } from "./annotate-matrix.js";
import { mountRanking } from "./annotate-ranking.js";
import { mountCompare } from "./annotate-compare.js";
import { mountFind } from "./annotate-find.js";
import { mountSpans } from "./annotate-spans.js";
import { createStore, missing } from "./annotate-store.js";
import { mountCannotJudge, mountTexts } from "./annotate-texts.js";
import { mountTie } from "./annotate-tie.js";
import { mountReviewKeys } from "./review-keys.js";
import { mountMarks } from "./review-marks.js";
import { _ } from "./words.js";

const $ = (selector) => document.querySelector(selector);
const store = createStore(JSON.parse($("#desk").textContent));
const form = $("#verdict");
const models = $("[data-models]");

models.addEventListener("click", () => {
  const shown = models.getAttribute("aria-pressed") !== "true";
  models.setAttribute("aria-pressed", String(shown));
  models.textContent = shown ? _("Hide models") : _("Show models");
  document.querySelectorAll("[data-model]").forEach((name) => (name.hidden = !shown));
});

mountDialogs();
const say = (sentence) => ($("#live").textContent = sentence);
mountSpans(document, store, { change: false });
const find = mountFind($("[data-compare]"), store, null, say);
mountCompare($("[data-compare]"), store, { always: true, changed: find.again, say });
const marks = mountMarks($("[data-marks]"), form);
mountReviewKeys(form && mountVerdict(), marks);

function mountVerdict() {
  const { comment, content } = form.elements;
  const fault = $("[data-verdict-fault]");
  const button = (name) => form.querySelector(`[data-verdict=${name}]`);
  let mounted = false;

  function edit(on) {
    if (on && !mounted) mountEditor();
    mounted ||= on;
    $("[data-view]").hidden = on;
    $("[data-edit]").hidden = !on;
    for (const [selector, hidden] of [["[data-verdict=accept]", on], ["[data-correct]", on], ["[data-verdict=correct]", !on], ["[data-uncorrect]", !on]])
      $(selector).hidden = hidden;
    if (on) $("[data-edit]").scrollIntoView({ block: "start" });
    choose(on ? "correct" : "accept");
  }

  /** Mark a verdict as the one that Ctrl+Enter gives. */
  function choose(name) {
    form.querySelectorAll("[data-verdict]").forEach((each) => each.toggleAttribute("data-chosen", each === button(name)));
    form.dataset.chosen = name;
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
    } else if (verdict === "correct") content.value = JSON.stringify(store.content);
  });
  choose("accept");
  return {
    edit,
    choose,
    say: () => comment.focus(),
    give: () => form.requestSubmit(button(form.dataset.chosen)),
  };
}

function problem(verdict, comment) {
  const remarked = [...document.querySelectorAll("[name=remark]")].some((field) => field.value.trim());
  if (verdict === "return" && !comment.trim() && !remarked) return _("Say what the annotator should change, here or beside the place.");
  if (verdict === "reject" && !comment.trim()) return _("Say why the annotation is rejected.");
  const todo = verdict === "correct" ? missing(store) : [];
  return todo.length ? _("Still missing: %(what)s.", { what: todo.map((each) => each.what).join(", ") }) : "";
}

function mountEditor() {
  mountMatrix($("[data-matrix]"), store);
  mountRanking($("[data-ranking]"), store, say);
  mountTie($("[data-tie-part]"), store, say);
  mountTexts(document, store);
  mountCannotJudge($("[data-cannot]"), store);
}
