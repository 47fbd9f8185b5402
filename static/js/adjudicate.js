// Adjudication: one final annotation, begun from what people have in common and taken over from them answer by answer.
import { mountDialogs, mountKeys } from "./annotate-keys.js";
import { mountMatrix } from "./annotate-matrix.js";
import { mountRanking } from "./annotate-ranking.js";
import { mountCompare } from "./annotate-compare.js";
import { mountFind } from "./annotate-find.js";
import { mountSpans } from "./annotate-spans.js";
import { createStore, missing } from "./annotate-store.js";
import { mountCannotJudge, mountTexts } from "./annotate-texts.js";
import { mountTie } from "./annotate-tie.js";
import { mountTaking } from "./adjudicate-take.js";
import { _ } from "./words.js";

const $ = (selector) => document.querySelector(selector);
const form = $("#decision");

mountDialogs();
if (form) mountDecision();
else mountKeys(leaving());

function leaving() {
  return { submit: () => {}, n: () => $("[data-next]")?.click(), b: () => $("[data-back]").click() };
}

function mountDecision() {
  const store = createStore(JSON.parse($("#desk").textContent));
  const say = (sentence) => ($("#live").textContent = sentence);
  const matrix = mountMatrix($("[data-matrix]"), store);
  mountRanking($("[data-ranking]"), store, say);
  mountTie($("[data-tie-part]"), store, say);
  mountTexts(document, store);
  const find = mountFind($("[data-compare]"), store, mountSpans(document, store), say);
  mountCompare($("[data-compare]"), store, { always: true, changed: find.again, say });
  mountCannotJudge($("[data-cannot]"), store);
  const takeAll = mountTaking(store, say);

  store.watch(() => {
    const left = missing(store).length;
    $("[data-left]").textContent = left ? _("%(left)s still to decide", { left }) : _("Complete");
  });
  form.addEventListener("submit", (event) => {
    const todo = missing(store);
    const more = todo.length > 3 ? _(" and %(todo)s more", { todo: todo.length - 3 }) : "";
    $("[data-fault-of-decision]").textContent = todo.length ? _("Still missing: %(what)s%(more)s.", { what: todo.slice(0, 3).map((each) => each.what).join(", "), more }) : "";
    if (todo.length) event.preventDefault();
    else form.elements.content.value = JSON.stringify(store.content);
  });
  // Shift with a digit writes another sign on each keyboard: the key's place says which digit it is.
  document.addEventListener("keydown", (event) => {
    const digit = /^Digit(\d)$/.exec(event.code)?.[1];
    if (!event.shiftKey || !digit || event.target.closest("textarea, input, select")) return;
    event.preventDefault();
    takeAll(digit === "0" ? "common" : Number(digit) - 1);
  });
  mountKeys({
    ...leaving(),
    submit: () => form.requestSubmit(),
    m: matrix.focus,
    r: () => ($("[data-typed]").focus(), $("[data-typed]").select()),
    "?": () => $("#keys").showModal(),
  });
}
