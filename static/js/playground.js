// Two answers grow as their words come; when all is said, the page is asked for anew, with the vote.
import { _ } from "./words.js";

const box = document.querySelector("#answers");
const status = document.querySelector("#turn-state");
const part = (side, what) => box.querySelector(`[data-side="${side}"] ${what}`);
const WORDS = { answering: () => _("Being answered …") };

function add(kind, { side, text }) {
  part(side, `[data-text="${kind}"]`).textContent += text;
}

function showState({ state, place }) {
  if (state === "waiting") status.textContent = `${place} ${box.dataset.waits}`.trim();
  else if (WORDS[state]) status.textContent = WORDS[state]();
}

function beginAgain() {
  for (const each of box.querySelectorAll("[data-text], [data-note]")) each.textContent = "";
  for (const each of box.querySelectorAll("[data-score]")) each.textContent = "–";
}

function showLoading({ side }) {
  status.textContent = side === "reward" ? _("Loading the reward model …") : _("Loading the policies …");
}

function showEnd({ side, tokens, cut }) {
  part(side, "[data-note]").textContent = cut ? _("Cut at %(count)s tokens.", { count: tokens }) : _("%(count)s tokens", { count: tokens });
}

const stream = new EventSource(`${box.dataset.at}/events?after=${box.dataset.after}`);
const on = (name, show) => stream.addEventListener(name, (event) => show(JSON.parse(event.data)));
on("state", showState);
on("again", beginAgain);
on("loading", showLoading);
on("answer", (line) => {
  status.textContent = WORDS.answering();
  add("answer", line);
});
on("answered", showEnd);
on("critique", (line) => add("critique", line));
on("judged", ({ side, score }) => {
  part(side, "[data-score]").textContent = score.toFixed(3);
});
on("end", () => {
  stream.close();
  location.reload();
});
