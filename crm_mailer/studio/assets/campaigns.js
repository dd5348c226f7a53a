// The pages of campaigns: the numbers of a flow live, arrow keys walk it, what is typed is compared.

const EVERY = 4000;
const flow = document.querySelector("[data-live-page]");

const nodes = () => [...document.querySelectorAll(".flow a.node")].filter((one) => one.getClientRects().length);

if (flow) {
  const ways = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  flow.addEventListener("keydown", (event) => {
    const all = nodes();
    const here = all.indexOf(document.activeElement);
    if (!(event.key in ways) || here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const to = all[Math.max(0, Math.min(all.length - 1, here + ways[event.key]))];
    to.focus();
    to.scrollIntoView({ block: "nearest" });
  });

  const show = (told) => {
    for (const one of document.querySelectorAll("[data-figure]")) {
      const text = told.figures[one.dataset.figure];
      if (text !== undefined && one.textContent !== text) one.textContent = text;
    }
    const bar = document.querySelector("[data-progress]");
    if (bar && told.share !== null) bar.value = told.share;
    // it has begun or ended to send: the page has other parts now
    if (told.is_sending && !bar) location.reload();
  };
  const look = async () => {
    if (document.hidden) return;
    const answer = await fetch(flow.dataset.livePage, { headers: { accept: "application/json" } }).catch(() => null);
    if (answer?.ok) show(await answer.json());
  };
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
}

// What is still being counted is asked for until it is there; then the page is loaded again.
if (document.querySelector('meta[name="is-counting"]')) {
  const twin = `${location.pathname}.json${location.search}`;
  const ask = async () => {
    const answer = await fetch(twin).catch(() => null);
    const told = answer?.ok ? await answer.json() : { is_counting: Boolean(answer) === false };
    if (told.is_counting) setTimeout(ask, 1500);
    else location.reload();
  };
  setTimeout(ask, 700);
}

// A button that needs a word is asleep until the word is there.
for (const field of document.querySelectorAll("input[data-word]")) {
  const button = field.form.querySelector("button:not([type=button])");
  const compare = () => {
    button.disabled = field.value.trim().replaceAll(",", "") !== field.dataset.word;
  };
  field.addEventListener("input", compare);
  compare();
}

// One menu is open at a time, and Escape closes it.
const drops = [...document.querySelectorAll("details.drop")];
for (const one of drops) {
  one.addEventListener("toggle", () => {
    if (!one.open) return;
    for (const other of drops) if (other !== one) other.open = false;
    one.querySelector("input:not([type=hidden]), nav a")?.focus();
  });
  one.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    one.open = false;
    one.querySelector("summary").focus();
  });
}
document.addEventListener("click", (event) => {
  for (const one of drops) if (!one.contains(event.target)) one.open = false;
});
