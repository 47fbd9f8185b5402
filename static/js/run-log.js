// Words sought in the whole log, on the server: places with their line, one after the other.
import { _ } from "./words.js";

const form = document.querySelector("#log-search");
const list = document.querySelector("#log-found");
const words = document.querySelector("#log-words");
let more = null;
let current = -1;
let latest = 0;

// Marked as the server compared: without regard to case.
function marked(text, wanted) {
  const parts = [];
  const low = text.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(at, at + wanted.length);
    parts.push(text.slice(from, at), mark);
    from = at + wanted.length;
  }
  return [...parts, text.slice(from)];
}

function line({ number, text }) {
  const item = document.createElement("li");
  item.value = number;
  item.append(...marked(text, form.elements.words.value.toLowerCase()));
  return item;
}

async function fetchMore(after) {
  const mine = ++latest;
  const answer = await fetch(`${form.action}?words=${encodeURIComponent(form.elements.words.value)}&after=${after}`);
  if (!answer.ok) throw new Error(answer.statusText);
  const found = await answer.json();
  if (mine !== latest) return;
  if (after === 0) list.replaceChildren();
  list.append(...found.lines.map(line));
  more = found.more;
}

function stand(at) {
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  current = at;
  const many = list.childElementCount;
  list.hidden = !many;
  for (const button of form.querySelectorAll("[data-turn]")) button.hidden = !many;
  if (!many) words.textContent = _("Nothing in the log says that.");
  else words.textContent = _("Line %(number)s: %(place)s of %(many)s", { number: list.children[at].value, place: at + 1, many: more === null ? many : `${many}+` });
  list.children[at]?.setAttribute("aria-current", "true");
  list.children[at]?.scrollIntoView({ block: "nearest" });
}

async function turn(by) {
  if (current + by >= list.childElementCount && more !== null) await fetchMore(more);
  const many = list.childElementCount;
  stand((current + by + many) % many);
}

const tried = (work) => work().catch(() => (words.textContent = _("The log could not be searched. Try again.")));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.elements.words.value) tried(() => fetchMore(0).then(() => stand(0)));
});
for (const button of form.querySelectorAll("[data-turn]")) button.addEventListener("click", () => tried(() => turn(Number(button.dataset.turn))));
