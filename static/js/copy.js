// <button data-copy="#id"> copies an element's text and says so.
import { _ } from "./words.js";
for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      button.textContent = _("Copied");
    } catch {
      button.textContent = _("Select it and copy by hand");
    }
    setTimeout(() => (button.textContent = label), 2000);
  });
}
