// A tie of all: one switch, then one of two editors. The negative one starts from a response and shows what was altered.
import { wordDiff } from "./annotate-words.js";
import { _ } from "./words.js";

export function mountTie(root, store, say) {
  const toggle = root.querySelector("[data-tie]");
  const body = root.querySelector("[data-tie-body]");
  const choices = [...root.querySelectorAll("[name=constructed]")];
  const editors = { positive: root.querySelector("[data-editor=positive]"), negative: root.querySelector("[data-editor=negative]") };
  const positive = editors.positive.querySelector("textarea");
  const negative = editors.negative.querySelector("textarea");
  const bases = [...editors.negative.querySelectorAll("[data-base]")];
  const diff = editors.negative.querySelector("[data-diff]");
  const options = mountOptions(editors.negative.querySelector("[data-options]"), store, (text) => (store.change((content) => (content.negative.text = text)), negative.focus()));
  const aside = { positive: "", negative: null, ranking: [] };

  function draw(source) {
    const { content } = store;
    toggle.checked = content.tie;
    body.hidden = !content.tie;
    const chosen = content.positive !== null ? "positive" : content.negative !== null ? "negative" : "";
    choices.forEach((choice) => (choice.checked = choice.value === chosen));
    for (const [name, editor] of Object.entries(editors)) editor.hidden = name !== chosen;
    if (source !== positive) positive.value = content.positive ?? aside.positive;
    if (source !== negative) negative.value = content.negative?.text ?? "";
    bases.forEach((base) => base.setAttribute("aria-pressed", String(base.dataset.base === content.negative?.base)));
    options();
    negative.disabled = !content.negative?.base;
    diff.replaceChildren(...(content.negative ? wordDiff(store.text(content.negative.base), content.negative.text) : []));
  }

  toggle.addEventListener("change", () => {
    store.change((content) => {
      if (toggle.checked) aside.ranking = content.ranking;
      content.tie = toggle.checked;
      content.ranking = toggle.checked ? [[...store.ids]] : aside.ranking;
    });
    if (toggle.checked) root.scrollIntoView({ block: "nearest", behavior: "instant" });
    say(toggle.checked ? _("All responses tie") : aside.ranking.length ? _("No tie; the ranking is as it was") : _("No tie; the ranking is empty again"));
  });
  choices.forEach((choice) => choice.addEventListener("change", () => choose(choice.value)));
  bases.forEach((base) => base.addEventListener("click", () => start(base.dataset.base)));
  positive.addEventListener("input", () => store.change((content) => (content.positive = positive.value), positive));
  negative.addEventListener("input", () => store.change((content) => (content.negative.text = negative.value), negative));

  function choose(name) {
    store.change((content) => {
      Object.assign(aside, { positive: content.positive ?? aside.positive, negative: content.negative ?? aside.negative });
      content.positive = name === "positive" ? aside.positive : null;
      content.negative = name === "negative" ? (aside.negative ?? prefill(store.ids[0])) : null;
    });
    root.scrollIntoView({ block: "nearest", behavior: "instant" });
    editors[name].querySelector("textarea").focus({ preventScroll: true });
  }

  function start(base) {
    store.change((content) => {
      const altered = content.negative && content.negative.text !== store.text(content.negative.base);
      if (!altered || content.negative.base === base || window.confirm(_("Start again from another response? Your alteration is lost.")))
        content.negative = prefill(base);
    });
    negative.focus();
  }

  const prefill = (base) => ({ base, text: store.text(base) });

  store.watch((source) => {
    // A tie that is taken back keeps what was written aside: nothing is lost until the page is left.
    const { content } = store;
    if (!content.tie && (content.positive !== null || content.negative !== null)) {
      Object.assign(aside, { positive: content.positive ?? aside.positive, negative: content.negative ?? aside.negative });
      content.positive = content.negative = null;
    }
    draw(source);
  });
}

/** Multiple choice: the wrong answer is picked from the question's options, all but the one that the response gives. */
function mountOptions(list, store, pick) {
  const buttons = (store.desk.options ?? []).map(([letter, text]) => {
    const answer = `${letter}. ${text}`;
    const button = Object.assign(document.createElement("button"), { type: "button", className: "chip", textContent: answer });
    button.addEventListener("click", () => pick(answer));
    return { letter, answer, button };
  });
  list.append(...buttons.map(({ button }) => button));
  list.closest("[data-options-part]").hidden = !buttons.length;
  return () => {
    const { negative } = store.content;
    for (const { letter, answer, button } of buttons) {
      button.disabled = !negative || given(store, negative.base) === letter;
      button.setAttribute("aria-pressed", String(negative?.text === answer));
    }
  };
}

/** The option that a response chooses: its only letter that stands alone. */
function given(store, base) {
  const named = new Set(store.text(base).match(/(?<![A-Za-z])[A-H](?![A-Za-z])/g));
  return named.size === 1 ? [...named][0] : null;
}
