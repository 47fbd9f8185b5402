import { _, language } from "./words.js";

// Moments on the reader's own clock: the exact one as a title, and in words where data-relative asks for it.
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function inWords(seconds) {
  if (Math.abs(seconds) > 7 * 86400) return undefined;
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? [];
  return unit ? words.format(Math.round(seconds / size), unit) : _("just now");
}

function tell(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.valueOf())) return;
  element.title = exact.format(moment);
  if ("relative" in element.dataset) element.textContent = inWords((moment - Date.now()) / 1000) ?? exact.format(moment);
}

const tellAll = () => document.querySelectorAll("time[datetime]").forEach(tell);
tellAll();
setInterval(tellAll, 60_000);
document.addEventListener("renewed", tellAll); // a part of the page came anew
