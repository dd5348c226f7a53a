// Keys for lists and single pages of replies and cases: what has data-key="x" is pressed by x.
// In lists j and k go from row to row and o opens; everything works by links and buttons without it.
import { isTyping } from "/assets/base.js";

const rows = [...document.querySelectorAll("[data-row]")];
let place = -1;

function light(next) {
  if (!rows.length) return;
  rows[place]?.classList.remove("lit");
  place = Math.max(0, Math.min(rows.length - 1, next));
  rows[place].classList.add("lit");
  const link = rows[place].querySelector("[data-open]");
  link?.focus({ preventScroll: true });
  rows[place].scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** What the key is for: in the lit row first, else on the page. */
const wanted = (key) =>
  rows[place]?.querySelector(`[data-key="${key}"]`) ?? (rows.length ? null : document.querySelector(`[data-key="${key}"]`));

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  const { key } = event;
  if (rows.length && (key === "j" || key === "k")) {
    light(place + (key === "j" ? 1 : -1));
  } else if (rows.length && key === "o") {
    rows[place]?.querySelector("[data-open]")?.click();
  } else if (/^[a-z]$/.test(key) && wanted(key)) {
    const found = wanted(key);
    if (found.matches("textarea, input")) found.focus();
    else found.click();
  } else {
    return;
  }
  event.preventDefault();
});

// A draft: Ctrl+Enter sends it, and a change is said at once.
const answer = document.getElementById("answer");
if (answer) {
  const touched = document.getElementById("touched");
  let isSaved = true;
  answer.addEventListener("input", () => {
    isSaved = false;
    touched.textContent = touched.dataset.other;
    touched.classList.add("warn");
  });
  answer.addEventListener("submit", () => { isSaved = true; });
  answer.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      answer.querySelector('button[value="send"]:not(:disabled)')?.click();
    }
  });
  addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });
}

// A photo of evidence is made smaller until it fits into the form.
async function smaller(file, most) {
  const picture = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  for (let side = 1600; side >= 320; side *= 0.8) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    for (const quality of [0.85, 0.7, 0.55]) {
      const written = canvas.toDataURL("image/jpeg", quality);
      if (written.length <= most) return written;
    }
  }
  throw new Error("too large");
}

for (const field of document.querySelectorAll("[data-photo]")) {
  const [input, kept] = [field.querySelector("input"), field.parentElement.querySelector("[name=photo]")];
  field.hidden = false;
  input.addEventListener("change", async () => {
    kept.value = "";
    const button = field.parentElement.querySelector("button");
    button.disabled = true;
    try {
      if (input.files[0]) kept.value = await smaller(input.files[0], Number(field.dataset.photo));
      input.setCustomValidity("");
    } catch {
      input.setCustomValidity("?");
    }
    button.disabled = false;
  });
}
