// The annotate page: puts its parts together.
import { mountDialogs, mountKeys } from "./annotate-keys.js";
import { mountMatrix } from "./annotate-matrix.js";
import { mountRail } from "./annotate-rail.js";
import { mountRanking } from "./annotate-ranking.js";
import { mountSaving } from "./annotate-saving.js";
import { createStore } from "./annotate-store.js";
import { mountSubmit } from "./annotate-submit.js";
import { mountCannotJudge, mountTexts } from "./annotate-texts.js";
import { mountTie } from "./annotate-tie.js";
import { measureActiveTime } from "./annotate-time.js";

const $ = (selector) => document.querySelector(selector);
const store = createStore(JSON.parse($("#desk").textContent));
const activeSeconds = measureActiveTime(store.desk.active_seconds);
const live = $("#live");
const say = (sentence) => (live.textContent = sentence);

mountDialogs();
const matrix = mountMatrix($("[data-matrix]"), store);
mountRanking($("[data-ranking]"), store, say);
mountTie($("[data-tie-part]"), store, say);
mountTexts(document, store);
mountCannotJudge($("[data-cannot]"), store);
const rail = mountRail($("[data-rail]"), store, jumpTo);
const saving = mountSaving(store, activeSeconds, { show: rail.showSaving, askWhichToKeep: () => askIn($("#conflict")) });
const submit = mountSubmit(store, activeSeconds, saving, { jumpTo, ask: askOdd, tell: rail.tell });

$("#submit").addEventListener("click", submit);
mountKeys({
  submit,
  m: matrix.focus,
  r: () => $("[data-typed]").focus(),
  g: () => $("#guidelines").showModal(),
  "?": () => $("#keys").showModal(),
});
for (const form of document.querySelectorAll("form[data-leaves]"))
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await saving.flush();
    form.submit();
  });

function jumpTo(where) {
  if (where.startsWith("scores.") && where.split(".").length === 3) return matrix.goTo(where);
  const place = document.querySelector(`[data-place="${CSS.escape(where)}"]`);
  place?.scrollIntoView({ block: "center", behavior: "instant" });
  (place?.matches("textarea, input") ? place : place?.querySelector("textarea, input, button"))?.focus();
}

function askOdd(sentences) {
  $("#odd ul").replaceChildren(...sentences.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  return askIn($("#odd"));
}

/** Show a dialog; true when it was closed by its "yes". */
function askIn(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}
