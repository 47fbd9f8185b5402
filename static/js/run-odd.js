// What looks wrong in the curves, as soon as it is found: the page's own notices, made from its template.
const made = (note) => {
  const notice = document.querySelector("#odd-note").content.cloneNode(true);
  notice.querySelector("p").lastChild.textContent = ` ${note}`;
  return notice;
};

export function showOdd({ notes }) {
  const place = document.querySelector("#odd");
  const said = [...place.querySelectorAll("p")].map((each) => each.lastChild.textContent.trim());
  if (said.join("\n") !== notes.join("\n")) place.replaceChildren(...notes.map(made));
}
