import { _, language } from "./words.js";

// A file, chosen or dragged onto the form, goes up piece by piece; the same file chosen again goes on where it stopped.
const form = document.querySelector("form[data-pieces]");
const input = form.querySelector("input[type=file]");
const said = form.querySelector("[data-said]");
const bar = form.querySelector("progress");
const TRIES = 6;
const percent = new Intl.NumberFormat(language, { style: "percent" });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function ask(address, options) {
  const answer = await fetch(address, { ...options, headers: { accept: "application/json", ...options.headers } });
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error([found.message, found.advice].filter(Boolean).join(" ")), { refused: true });
  return found;
}

// A connection that breaks is tried again for a while; a refusal is an answer.
async function patiently(work) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (problem) {
      if (problem.refused || attempt === TRIES) throw problem;
      await pause(500 * 2 ** attempt);
    }
  }
}

async function send(file) {
  const at = form.dataset.pieces;
  const about = JSON.stringify({ name: file.name, size: file.size, changed: file.lastModified });
  const json = { method: "POST", body: about, headers: { "content-type": "application/json" } };
  let { token, there } = await patiently(() => ask(at, json));
  while (there < file.size) {
    bar.value = there / file.size;
    said.textContent = _("%(share)s of %(name)s is here.", { share: percent.format(bar.value), name: file.name });
    const body = file.slice(there, there + Number(form.dataset.size));
    const headers = { "content-type": "application/octet-stream" };
    ({ there } = await patiently(() => ask(`${at}/${token}/pieces/${there}`, { method: "PUT", body, headers })));
  }
  bar.value = 1;
  said.textContent = _("All of it is here; it is being looked at.");
  location.assign((await patiently(() => ask(`${at}/${token}/completion`, { method: "POST" }))).at);
}

async function begin(file) {
  if (form.querySelector("button").disabled) return; // one is on its way
  bar.hidden = said.hidden = false;
  form.querySelector("button").disabled = true;
  try {
    await send(file);
  } catch (problem) {
    said.textContent = problem.refused ? problem.message : _("The connection broke. Choose the file again to go on.");
    form.querySelector("button").disabled = false;
  }
}

form.addEventListener("submit", (event) => (event.preventDefault(), begin(input.files[0])));
// A file may be dropped anywhere on the page: beside the form, a browser would leave the page and show it.
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    form.classList.toggle("over", kind === "dragenter" || kind === "dragover");
  });
}
document.addEventListener("drop", ({ dataTransfer: { files, items } }) => {
  if (files.length === 1 && !items[0].webkitGetAsEntry?.()?.isDirectory) return begin(files[0]);
  said.hidden = false;
  said.textContent = _("One file at a time: pack a folder or several files as .zip or .tar.");
});
// Who comes back by the browser's own button finds the page as it was left.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) form.querySelector("button").disabled = !(bar.hidden = said.hidden = true);
});
