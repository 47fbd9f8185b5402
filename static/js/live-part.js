// A form that shows what it would do: `data-part` is filled from `data-from` each time that the form changes.
const form = document.querySelector("form[data-part]");
let waiting;
let latest = 0;

async function look() {
  const mine = ++latest;
  const answer = await fetch(`${form.dataset.from}?${new URLSearchParams(new FormData(form))}`);
  const text = await answer.text();
  if (!answer.ok || mine !== latest) return;
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector(form.dataset.part);
  if (fresh) document.querySelector(form.dataset.part).replaceWith(fresh);
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => look().catch(() => {}), 250);
});
