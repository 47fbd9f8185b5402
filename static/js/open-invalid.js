// A field that may not be empty inside a closed part of the page: the part opens, so that the browser can say what is missing.
document.addEventListener(
  "invalid",
  (event) => {
    for (let part = event.target.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  },
  { capture: true },
);
