// Light, dark, or as the system says: kept in a cookie that the server reads, shown at once.
const MEDIA = { auto: "(prefers-color-scheme: dark)", dark: "all", light: "not all" };
const YEAR = 365 * 24 * 3600;

export function show(theme) {
  document.querySelector("#dark").media = MEDIA[theme];
  document.documentElement.dataset.theme = theme;
}

document.querySelector("[data-themes]")?.addEventListener("change", (event) => {
  document.cookie = `theme=${event.target.value}; path=/; max-age=${YEAR}; samesite=lax`;
  show(event.target.value);
});
// Where the system changes its mind, those who draw with colours look again.
matchMedia(MEDIA.auto).addEventListener("change", () => show(document.documentElement.dataset.theme));

const menu = document.querySelector(".menu");
document.addEventListener("click", (event) => menu?.contains(event.target) || menu?.removeAttribute("open"));
menu?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  menu.removeAttribute("open");
  menu.querySelector("summary").focus();
});
