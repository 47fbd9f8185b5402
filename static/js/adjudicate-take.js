// Taking answers over into the decision: a whole annotation, what is in common, or one answer.
import { _ } from "./words.js";

export function mountTaking(store, say) {
  const { choices, consensus } = store.desk;
  const buttons = [...document.querySelectorAll("[data-take]")];
  const contentOf = (number) => choices[number].content;

  function takeAll(which) {
    const source = which === "common" ? consensus : choices[which]?.content;
    if (!source) return;
    store.replace({ ...consensus, ...source });
    say(which === "common" ? _("Begun from what they have in common") : _("Begun from %(who)s's annotation", { who: choices[which].who }));
  }

  function take(number, place) {
    store.change((content) => put(content, contentOf(number), place));
    say(_("Taken from %(who)s", { who: choices[number].who }));
  }

  buttons.forEach((button) => button.addEventListener("click", () => take(Number(button.dataset.take), button.dataset.from)));
  document.querySelectorAll("[data-take-all]").forEach((button) => {
    const { takeAll: which } = button.dataset;
    button.addEventListener("click", () => takeAll(which === "common" ? which : Number(which)));
  });
  store.watch(() => buttons.forEach((button) => {
    const { take: number, from } = button.dataset;
    button.setAttribute("aria-pressed", String(same(store.content, contentOf(number), from)));
  }));
  return takeAll;
}

const TIE = ["tie", "ranking", "positive", "negative"];

/** Copy one answer; a place is named as the server names it. */
function put(content, source, place) {
  const [part, id, key] = place.split(".");
  if (part === "scores") (content.scores[id] ??= {})[key] = source.scores[id][key];
  else if (part === "reasons") content.reasons[id] = source.reasons[id];
  else for (const name of part === "rank_reason" ? [part] : TIE) content[name] = structuredClone(source[name] ?? null);
}

function same(content, source, place) {
  const [part, id, key] = place.split(".");
  if (part === "scores") return content.scores[id]?.[key] === source.scores[id][key];
  if (part === "reasons") return content.reasons[id] === source.reasons[id];
  return (part === "tie" ? TIE : [part]).every((name) => JSON.stringify(content[name] ?? null) === JSON.stringify(source[name] ?? null));
}
