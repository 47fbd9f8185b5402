// A veiled picture is shown when its reader asks for it, by the button or its key; the next one is veiled again.
import { keyOf, typing } from "/static/js/annotate-keys.js";

function unveil(veil) {
  const viewer = veil.closest(".veiled");
  viewer.classList.remove("veiled");
  veil.remove();
  viewer.querySelector("[data-glass]")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-unveil]")) unveil(event.target.closest("[data-veil]"));
});
document.addEventListener("keydown", (event) => {
  const veil = document.querySelector("[data-veil]");
  if (!veil || typing(event) || keyOf(event) !== "b") return;
  event.preventDefault();
  unveil(veil);
});
