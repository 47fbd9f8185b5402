// The run page lives: curves, progress with time left, notes, sample outputs, log and state, out of one event stream.
import { Curves } from "./run-curves.js";
import { showGauges } from "./run-gauges.js";
import { showOdd } from "./run-odd.js";
import { showSample } from "./run-samples.js";
import { onView, view } from "./run-view.js";
import { _ } from "./words.js";

const page = document.querySelector("#run");
const at = (id) => document.getElementById(id);
const ENDS = ["done", "failed", "cancelled"];
const wasEnded = page.dataset.ended === "true";
const curves = new Curves(at("curves"), view());
onView((chosen) => curves.show(chosen));
at("log").scrollTop = at("log").scrollHeight;
let phase = { name: "", began: 0, done: 0 };

function timeLeft({ phase: name, done, total, at: moment }) {
  if (phase.name !== name || done < phase.done) phase = { name, began: moment, done };
  const rate = (done - phase.done) / (moment - phase.began);
  return rate > 0 ? (total - done) / rate : undefined;
}

const inWords = (seconds) =>
  seconds === undefined ? "" : seconds < 90 ? _(", about %(seconds)s s left", { seconds: Math.ceil(seconds) }) : _(", about %(seconds)s min left", { seconds: Math.ceil(seconds / 60) });

function showProgress(line) {
  const left = timeLeft(line);
  if (wasEnded) return;
  at("progress").hidden = false;
  const bar = at("progress").querySelector("progress");
  bar.max = Math.max(1, line.total);
  bar.value = line.done;
  at("progress-words").textContent = _("%(phase)s: %(done)s of %(total)s%(left)s", { phase: line.phase, done: line.done, total: line.total, left: line.done < line.total ? inWords(left) : "" });
}

function showNote({ level, text }) {
  const item = document.createElement("li");
  item.className = level;
  item.textContent = level === "warning" ? _("Warning: %(text)s", { text }) : text;
  at("notes").append(item);
}

function showState({ state, log }) {
  const box = at("log");
  const atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 24;
  box.textContent = log;
  if (atEnd) box.scrollTop = box.scrollHeight;
  if (state === page.dataset.state) return;
  if (ENDS.includes(state)) sessionStorage.setItem("run-ended", page.dataset.at);
  location.reload();
}

function showMetric(line) {
  at("no-curves").hidden = true;
  at("curve-view").hidden = false;
  if (line.split === "train") showGauges(line.values);
  curves.add(line);
}

function showHistory({ curves: known, samples, notes, progress }) {
  for (const { split, name, steps, at: moments, values } of known) {
    steps.forEach((step, place) => showMetric({ step, split, at: moments[place], values: { [name]: values[place] } }));
  }
  samples.forEach(showSample);
  notes.forEach(showNote);
  if (progress) showProgress(progress);
}

function follow(after) {
  const stream = new EventSource(`${page.dataset.at}/events?after=${after}`);
  const on = (name, show) => stream.addEventListener(name, (event) => show(JSON.parse(event.data)));
  on("metric", showMetric);
  on("progress", showProgress);
  stream.addEventListener("progress", () => document.dispatchEvent(new CustomEvent("run-progress")));
  on("note", showNote);
  on("sample", showSample);
  on("odd", showOdd);
  on("state", showState);
  on("end", () => stream.close());
}

async function begin() {
  const answer = await fetch(`${page.dataset.at}/history`);
  const history = answer.ok ? await answer.json() : { last: 0, curves: [], samples: [], notes: [] };
  showHistory(history);
  return history.last;
}

// A history that cannot be fetched is told by the stream itself, from its first line on.
begin().catch(() => 0).then(follow);
