// Skip and flag without losing anything: the draft is on the server before the page is left, and a flag leaves the page as it is.
import { _ } from "./words.js";

export function mountForms({ flush, tell }) {
  for (const form of document.querySelectorAll("form[data-leaves]"))
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      await flush();
      form.submit();
    });
  for (const form of document.querySelectorAll("form[data-stays]"))
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const problem = await post(form);
      if (problem) return (form.querySelector("[data-fault]").textContent = problem);
      form.reset();
      form.closest("dialog").close();
      tell(form.dataset.stays);
    });
}

async function post(form) {
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { accept: "application/json" } });
    return answer.ok ? "" : (await answer.json()).message;
  } catch {
    return _("The server cannot be reached. Try again in a moment.");
  }
}
