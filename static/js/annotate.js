// The annotate page: puts its parts together.
import { mountCompare } from "./annotate-compare.js";
import { showDifferences } from "./annotate-differences.js";
import { mountFind } from "./annotate-find.js";
import { mountForms } from "./annotate-forms.js";
import { forget } from "./annotate-kept.js";
import { mountGuidance } from "./annotate-guidance.js";
import { mountDialogs, mountKeys } from "./annotate-keys.js";
import { mountKeySheet } from "./annotate-keysheet.js";
import { mountMatrix } from "./annotate-matrix.js";
import { mountNext } from "./annotate-next.js";
import { createOutbox } from "./annotate-outbox.js";
import { mountRail } from "./annotate-rail.js";
import { mountRanking } from "./annotate-ranking.js";
import { showRemarks } from "./annotate-remarks.js";
import { mountSaving } from "./annotate-saving.js";
import { mountSignIn } from "./annotate-sign-in.js";
import { mountSpans } from "./annotate-spans.js";
import { createStore, missing } from "./annotate-store.js";
import { mountSubmit } from "./annotate-submit.js";
import { mountCannotJudge, mountTexts } from "./annotate-texts.js";
import { mountTie } from "./annotate-tie.js";
import { measureActiveTime } from "./annotate-time.js";
import { mountUndo, rememberSubmission } from "./annotate-undo.js";
import { _ } from "./words.js";

const TRY_AGAIN = 10_000;
const $ = (selector) => document.querySelector(selector);
const store = createStore(JSON.parse($("#desk").textContent));
const { desk } = store;
const activeSeconds = measureActiveTime(desk.active_seconds);
const live = $("#live");
let left = false;
const say = (sentence) => (live.textContent = sentence);

// A page that was fetched ahead has an address of its own; reloading it asks the server.
window.history.replaceState(null, "", window.location.pathname);
mountDialogs();
const matrix = mountMatrix($("[data-matrix]"), store);
mountRanking($("[data-ranking]"), store, say);
mountTie($("[data-tie-part]"), store, say);
mountTexts(document, store);
const find = mountFind($("[data-compare]"), store, mountSpans(document, store), say);
const compare = mountCompare($("[data-compare]"), store, { changed: find.again, say });
mountCannotJudge($("[data-cannot]"), store);
mountKeySheet($("#keys"), desk.urls.keys);
const guidelines = mountGuidance($("#guidelines"), { reading: desk.urls.reading });
showRemarks(desk.remarks);
const rail = mountRail($("[data-rail]"), store, jumpTo);
const signIn = mountSignIn($("#sign-in"));
const outbox = createOutbox(desk.user, { signIn, answered });
const saving = mountSaving(store, activeSeconds, { show: rail.showSaving, askWhichToKeep, signIn, first: outbox.flush, lost });
const next = mountNext(store);
const sending = mountSubmit(store, activeSeconds, { outbox, saving, next, jumpTo, ask: askOdd, tell, leave });
let undo = mountUndo($("[data-undo]"), { first: saving.flush, tell });
mountForms({ flush: saving.flush, tell });

$("#submit").addEventListener("click", sending.submit);
$("[data-sign-in]").addEventListener("click", () => signIn().then((yes) => yes && saving.flush()));
$("[data-typed]").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
  event.preventDefault();
  $("[data-rank-reason]").focus();
});
mountKeys({
  submit: sending.submit,
  m: matrix.focus,
  n: () => jumpTo(missing(store)[0]?.where ?? "rank_reason"),
  e: () => jumpTo(`reasons.${store.ids.find((id) => !store.content.reasons[id]?.trim()) ?? store.ids[0]}`),
  r: () => ($("[data-typed]").focus(), $("[data-typed]").select()), // what is typed takes the place of what stands there
  g: () => guidelines(),
  i: () => guidelines(matrix.criterion()),
  s: () => $("[data-open='#skip']")?.click(),
  f: () => $("[data-open='#flag']").click(),
  d: compare.differ,
  x: compare.plain,
  "/": find.focus,
  u: () => outbox.flush().then(() => undo()), // what was just submitted may still be on its way
  "?": () => $("#keys").showModal(),
});
outbox.flush();
window.addEventListener("online", outbox.flush);
setInterval(() => outbox.waiting.length && outbox.flush(), TRY_AGAIN);
performance.mark("usable");

function jumpTo(where) {
  if (where.startsWith("scores.") && where.split(".").length === 3) return matrix.goTo(where);
  const place = document.querySelector(`[data-place="${CSS.escape(where)}"]`);
  place?.scrollIntoView({ block: "center", behavior: "instant" });
  (place?.matches("textarea, input") ? place : (place?.querySelector("textarea, input") ?? place?.querySelector("button")))?.focus({ preventScroll: true });
}

/** What the server said to finished work: this page's own, or what another page left in the queue. */
function answered(entry, answer) {
  if (entry.key === sending.key) return sending.answered(answer);
  if (answer.ok) return settled(entry, answer);
  tell(_("An earlier submission was not taken. %(why)s It is kept as a draft.", { why: answer.message }), `/projects/${entry.slug}/annotate/${entry.task}`);
}

function settled(entry, answer) {
  forget({ ...desk, slug: entry.slug, task: entry.task });
  if (entry.body.revision !== undefined) return;
  rememberSubmission(entry.slug, answer.id);
  undo = mountUndo($("[data-undo]"), { first: saving.flush, tell });
}

/** To the next page: the one the server named, or without a server the one that is here already. */
function leave(answer) {
  if (left) return;
  left = Boolean(answer ?? next.ready);
  if (!answer) return next.ready && window.location.assign(next.ready);
  if (desk.revision === null) rememberSubmission(desk.slug, answer.id);
  window.location.assign(answer.next ?? desk.urls.next);
}

function lost({ error, message, advice }) {
  if (error !== "TaskTaken") return tell([message, advice].filter(Boolean).join(" "), desk.urls.next);
  tell(_("Your time for this task ran out, and somebody else has it now. Your draft is kept. If the task becomes free again, it is yours again."), desk.urls.next);
}

function tell(sentence, href = "", about = "answer") {
  rail.tell(sentence, href === true ? desk.urls.next : href, about);
}

function askOdd(sentences) {
  $("#odd ul").replaceChildren(...sentences.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  return askIn($("#odd"));
}

function askWhichToKeep(newer) {
  showDifferences($("#conflict dl"), store, newer);
  return askIn($("#conflict"));
}

/** Show a dialog; true when it was closed by its "yes". */
function askIn(dialog) {
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}
