// Draws what Markdown left in spans of class "math". KaTeX is fetched only where a page has any.
const spans = [...document.querySelectorAll(".math")];

async function draw() {
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = "/static/vendor/katex/katex.min.css";
  document.head.append(sheet);
  const { default: katex } = await import("/static/vendor/katex/katex.mjs");
  for (const span of spans) {
    const text = span.textContent;
    katex.render(text, span, { displayMode: span.classList.contains("display"), throwOnError: false, maxExpand: 200 });
    span.title = text;
  }
}

if (spans.length) draw();
