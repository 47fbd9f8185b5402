// A run that ended while it was watched: said on the page, and in the title for as long as nobody looks.
import { _ } from "./words.js";

const box = document.getElementById("ended");
const KEY = "run-ended";
const SAID = { done: _("This run is done."), failed: _("This run failed."), cancelled: _("This run was cancelled.") };
const title = document.title;

function close() {
  box.replaceChildren();
}

function say(text) {
  const words = document.createElement("span");
  words.textContent = text;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = _("Close");
  button.addEventListener("click", close);
  box.append(words, button);
  document.title = `${text} · ${title}`;
}

// Who has seen it here need not be told again by the bell.
async function seen() {
  document.title = title;
  const body = new URLSearchParams({ address: location.pathname });
  const answer = await fetch("/notices/readings", { method: "POST", body, redirect: "manual" });
  const count = document.querySelector("[data-unread]");
  const left = Number(count?.textContent) - 1;
  if (answer.type !== "opaqueredirect" || Number.isNaN(left)) return;
  if (left > 0) count.textContent = left;
  else count.remove();
}

function seenOnceVisible() {
  if (document.hidden) return;
  document.removeEventListener("visibilitychange", seenOnceVisible);
  seen().catch(() => {});
}

if (sessionStorage.getItem(KEY) === document.querySelector("#run").dataset.at && SAID[box.dataset.state]) {
  sessionStorage.removeItem(KEY);
  say(SAID[box.dataset.state]);
  document.addEventListener("visibilitychange", seenOnceVisible);
  seenOnceVisible();
}
