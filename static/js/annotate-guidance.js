// The guidelines' drawer: opened where a criterion is explained, and what is new in it counts as read once it was open.

export function mountGuidance(drawer, { reading }) {
  const notice = document.querySelector("[data-news-notice]");

  function open(key = null) {
    if (!drawer.open) drawer.showModal();
    const place = key ? `#criterion-${CSS.escape(key)}` : "[data-news]";
    drawer.querySelector(place)?.scrollIntoView({ block: "start" });
    if (notice?.isConnected) fetch(reading, { method: "POST" }).then((answer) => answer.ok && notice.remove(), () => {});
  }

  document.querySelectorAll("[data-about]").forEach((button) => button.addEventListener("click", () => open(button.dataset.about)));
  document.querySelector("[data-read-news]")?.addEventListener("click", () => open());
  return open;
}
