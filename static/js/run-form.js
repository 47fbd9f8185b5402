// Says what the form as it stands would do, each time that it changes.
const form = document.querySelector(".run-form");
const words = document.querySelector("#estimate");
let waiting;
let latest = 0;

async function estimate() {
  const mine = ++latest;
  const answer = await fetch(`${form.dataset.estimate}?${new URLSearchParams(new FormData(form))}`);
  if (answer.ok && mine === latest) words.textContent = await answer.text();
}

// A preset sets a recipe's fields; what else was chosen goes along to its page.
const KEPT = /^(name|base|max_hours|input-.*)$/;
for (const link of document.querySelectorAll(".presets a")) {
  link.addEventListener("click", () => {
    const address = new URL(link.href);
    for (const [name, text] of new FormData(form)) if (KEPT.test(name) && text) address.searchParams.set(name, text);
    link.href = address;
  });
}

// Enter in a row of the sweep starts the sweep.
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches(".sweep-row input")) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector("#sweep button"));
});

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => estimate().catch(() => {}), 250);
});
