// Ctrl+Enter sends the question; 1, 0 and 2 go to the buttons of the vote, unless something is being written.
const WRITING = "input, textarea, select";

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest("[data-sent-by-keys]");
    if (form) {
      event.preventDefault();
      form.requestSubmit(form.querySelector(".primary"));
    }
    return;
  }
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest(WRITING)) return;
  document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.focus();
});

// A click sends once: the second would only be told that a question is open.
document.querySelector("[data-sent-by-keys]")?.addEventListener("submit", ({ submitter }) => {
  if (submitter?.formMethod !== "get") setTimeout(() => submitter && (submitter.disabled = true));
});
