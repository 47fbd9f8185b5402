// The models side by side, fetched anew each time the run's stream tells of progress: one request at a time.
const page = document.querySelector("#run");
let busy = false;
let again = false;

async function renew() {
  again = busy;
  if (busy) return;
  busy = true;
  try {
    const answer = await fetch(`${page.dataset.at}/responses`, { headers: { accept: "text/html" } });
    const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#responses");
    const part = document.querySelector("#responses");
    // Whoever reads with the keyboard in there is not thrown out.
    if (fresh && !part.contains(document.activeElement)) part.replaceWith(fresh);
  } catch {
    // The server is away: the next progress asks again.
  }
  busy = false;
  if (again) renew();
}

if (page.dataset.ended === "false") document.addEventListener("run-progress", renew);
