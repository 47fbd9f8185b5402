// How far an import has come: the page asks itself again until its part says that the work is finished.
const state = document.querySelector("#import-state");

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      state.replaceChildren(...page.querySelector("#import-state").childNodes);
    }
  } catch {
    // The server is away for a moment: what is shown stays, and the next look may reach it.
  }
  if (state.querySelector("[data-unfinished]")) setTimeout(look, 1000);
}
look();
