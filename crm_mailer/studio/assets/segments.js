// Counts a rule while it is written: half a second after the last key. Nothing is saved.
const text = document.getElementById("text");
const verdict = document.getElementById("verdict");
let timer = 0;
let asked = null;

function element(name, style, words) {
  const made = document.createElement(name);
  if (style) made.className = style;
  made.textContent = words;
  return made;
}

function show(page) {
  const found = new DOMParser().parseFromString(page, "text/html").querySelector("section.card");
  if (found) verdict.replaceChildren(...found.childNodes);
}

async function count() {
  asked?.abort();
  asked = new AbortController();
  verdict.classList.add("busy");
  try {
    const query = new URLSearchParams({ text: text.value });
    const answer = await fetch(`/segments/try?${query}`, { signal: asked.signal });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.text());
    verdict.classList.remove("busy");
  } catch (error) {
    if (error.name === "AbortError") return;
    verdict.classList.remove("busy");
    verdict.replaceChildren(element("p", "bad-ink", verdict.dataset.away));
  }
}

text.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(count, 500);
});
let isSent = false;
document.getElementById("editor").addEventListener("submit", () => { isSent = true; });
window.addEventListener("beforeunload", (event) => {
  if (!isSent && text.value !== text.defaultValue) event.preventDefault();
});
