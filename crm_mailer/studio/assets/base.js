// What every page does beyond links and forms. Pages work without it.

const keys = document.getElementById("keys");
const button = document.getElementById("keys-button");
if (button && keys) {
  button.hidden = false;
  button.addEventListener("click", () => keys.showModal());
}

/** Whether somebody is typing: then letters are letters. */
export const isTyping = (event) =>
  event.ctrlKey || event.metaKey || event.altKey || event.isComposing ||
  event.target.closest("input, select, textarea, [contenteditable]") !== null;

let wentAt = 0;
document.addEventListener("keydown", (event) => {
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("finder")?.focus();
  } else if (event.key === "?" && keys) {
    keys.showModal();
  } else if (event.key === "g") {
    wentAt = Date.now();
  } else if (/^[1-9]$/.test(event.key) && Date.now() - wentAt < 1500) {
    event.stopImmediatePropagation();
    document.querySelectorAll(".menu a")[Number(event.key) - 1]?.click();
  }
});

// The part that is shown stays in sight where the menu is wider than the window.
const here = document.querySelector(".menu a[aria-current]");
if (here) {
  const menu = here.parentElement;
  menu.scrollLeft = here.offsetLeft - menu.offsetLeft - (menu.clientWidth - here.clientWidth) / 2;
}

// A wide table is scrolled with the keyboard, too.
const reachable = () => {
  for (const one of document.querySelectorAll(".scroll, .wide-chart, .chart-box, pre")) {
    if (one.scrollWidth > one.clientWidth + 1) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
};
reachable();
addEventListener("resize", reachable);

// A chart of the past and the future shows the present first.
for (const one of document.querySelectorAll(".wide-chart")) one.scrollLeft = (one.scrollWidth - one.clientWidth) / 2;

// What asks to be sure: <form data-sure="Cancel 12 mails?">.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.sure;
  if (question && !confirm(question)) event.preventDefault();
});

// A choice of a filter works at once: <form data-at-once>.
for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select, input[type=checkbox], input[type=radio], input[type=date]")) form.requestSubmit();
  });
}

// Numbers that live: elements with data-live="name" follow the server while the page is seen.
const live = [...document.querySelectorAll("[data-live]")];
let source = null;
const listen = () => {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (!source && live.length) {
    source = new EventSource("/live");
    source.onmessage = (message) => {
      const told = JSON.parse(message.data);
      for (const one of live) {
        const value = told[one.dataset.live];
        if (value === undefined) continue;
        one.textContent = typeof value === "number" ? value.toLocaleString("en-US") : value;
        if (one.matches(".menu b")) one.hidden = !value;
      }
      document.dispatchEvent(new CustomEvent("live", { detail: told }));
    };
  }
};
document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => { source?.close(); source = null; });
addEventListener("pageshow", listen);
listen();
