// j and k go from a mail to its neighbours; the views of a mail are 1 to 6.
import { isTyping } from "./base.js";

const number = Number(location.pathname.split("/").pop());
let wentAt = 0;
document.addEventListener("keydown", (event) => {
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "g") wentAt = Date.now();
  else if (/^[1-6]$/.test(event.key) && Date.now() - wentAt > 1500) document.querySelectorAll(".mail .tabs a")[Number(event.key) - 1]?.click();
  else if (event.key === "j" && number > 1) location.pathname = `/outbox/${number - 1}`;
  else if (event.key === "k") location.pathname = `/outbox/${number + 1}`;
});
