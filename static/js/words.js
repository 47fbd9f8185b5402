// The reader's language, as app/core/language.py has it: _("%(a)s of %(b)s", { a, b }), ngettext("%(num)s pair", "%(num)s pairs", n).
// English stands in the sources; another language's sentences come with the page, from an address that browsers keep.
const words = globalThis.assayWords ?? {};

export const language = document.documentElement.lang || "en";
const count = new Intl.NumberFormat(language);

const filled = (text, values) =>
  text.replace(/%\((\w+)\)s|%%/g, (whole, name) => (name ? String(values[name] ?? whole) : "%"));

export const _ = (message, values = {}) => filled(words[message] ?? message, values);

// Chinese has one form; where a language with more joins, its rule belongs here and into its catalogue's header.
export function ngettext(one, many, number, values = {}) {
  const text = words[one]?.[0] ?? (number === 1 ? one : many);
  return filled(text, { num: count.format(number), ...values });
}
