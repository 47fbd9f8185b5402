// Draws what Markdown left in elements of class "math" (a block holds a span). KaTeX is fetched only where a page has any.
const spans = [...document.querySelectorAll(".math:not(:has(.math))")];

async function draw() {
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = "/static/vendor/katex/katex.min.css";
  document.head.append(sheet);
  const { default: katex } = await import("/static/vendor/katex/katex.mjs");
  for (const span of spans) {
    const text = span.textContent;
    katex.render(text, span, { displayMode: Boolean(span.closest(".display, .block")), throwOnError: false, maxExpand: 200 });
    span.title = text;
  }
}

if (spans.length) draw();
