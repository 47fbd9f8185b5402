// Signed out while working: sign in on top of the page, as the same person, and go on. Nothing on the page is touched.
import { _ } from "./words.js";

export function mountSignIn(dialog) {
  const form = dialog.querySelector("form");
  const fault = dialog.querySelector("[data-fault]");
  let asked = null;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    fault.textContent = "";
    const problem = await send(form);
    if (problem) return ((fault.textContent = problem), form.elements.password.select());
    form.reset();
    dialog.close("yes");
  });

  /** True once signed in; false where the person puts it off. One dialog for everybody who asks. */
  return function signIn() {
    asked ??= new Promise((done) => {
      dialog.returnValue = "";
      if (!dialog.open) dialog.showModal();
      dialog.addEventListener("close", () => ((asked = null), done(dialog.returnValue === "yes")), { once: true });
    });
    return asked;
  };
}

async function send(form) {
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
    if (answer.type === "opaqueredirect") return "";
    if (answer.status === 429) return _("Too many tries: wait a few minutes.");
    return answer.status === 401 ? _("This password does not fit.") : _("That did not work. Open the sign-in page in another tab.");
  } catch {
    return _("The server cannot be reached. Your work stays in this browser; try again in a moment.");
  }
}
