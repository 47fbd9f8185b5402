// Sample outputs and critiques by the step at which they were written; the newest is followed until another is chosen.
import { _ } from "./words.js";

const MOST_STEPS = 100;
const form = document.querySelector("#sample-steps");
const place = document.querySelector("#samples");
const chooser = form.elements.step;
const known = new Map(); // step → its samples
let following = true;
let waiting;

function card({ title, text }) {
  const item = document.createElement("article");
  const head = document.createElement("h3");
  head.textContent = title;
  const body = document.createElement("pre");
  body.tabIndex = 0;
  body.textContent = text;
  item.append(head, body);
  return item;
}

function draw() {
  waiting = undefined;
  const steps = [...known.keys()].sort((a, b) => a - b);
  const wanted = following ? steps.at(-1) : Number(chooser.value);
  if (chooser.options.length !== steps.length || Number(chooser.options[chooser.options.length - 1].value) !== steps.at(-1)) {
    chooser.replaceChildren(...steps.map((step) => new Option(_("step %(step)s", { step }), step)));
  }
  chooser.value = wanted;
  form.hidden = steps.length < 2;
  place.replaceChildren(...known.get(wanted).map(card));
}

export function showSample(line) {
  document.querySelector("#no-samples").hidden = true;
  document.querySelector("#samples-section").hidden = false;
  const title = line.title || _("step %(step)s", { step: line.step });
  const others = (known.get(line.step) ?? []).filter((each) => each.title !== title || each.text !== line.text);
  known.set(line.step, [...others, { title, text: line.text }]);
  const shown = Number(chooser.value);
  const spare = [...known.keys()].sort((a, b) => a - b).find((step) => step !== shown);
  if (known.size > MOST_STEPS) known.delete(spare);
  waiting ??= requestAnimationFrame(draw);
}

function turn(by) {
  chooser.selectedIndex = Math.max(0, Math.min(chooser.options.length - 1, chooser.selectedIndex + by));
  chooser.dispatchEvent(new Event("change"));
}

chooser.addEventListener("change", () => {
  following = chooser.selectedIndex === chooser.options.length - 1;
  draw();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.querySelector("[data-turn='-1']").addEventListener("click", () => turn(-1));
form.querySelector("[data-turn='1']").addEventListener("click", () => turn(1));
