// One mail at a time: what is chosen stands in the address, so that a reload or a link shows it again.
// Where this is served: in the studio it is one part among others.
const root = document.documentElement.querySelector("[data-root]")?.dataset.root ?? "";
const say = JSON.parse(document.getElementById("words").textContent);
const id = (name) => document.getElementById(name);
const VIEWS = ["desktop", "mobile", "text", "source", "headers", "checks"];
const FRAMED = new Set(["desktop", "mobile"]);
const CLIPPED = 102;
// Milliseconds that a mail's pictures are waited for: they may come from far away.
const PICTURES = 30;

let catalogue = { templates: [], readers: [], given: "" };
let findings = null;
let trouble = "";
let look = null;
let asked = 0;
let arriving = Promise.resolve();
const chosen = { template: "", language: "", reader: "", use: "", view: "desktop", dark: "", images: "" };

// ------------------------------------------------------------------ small tools

function made(tag, attributes = {}, ...content) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) one.setAttribute(name, "");
    else if (value !== false && value !== "" && value != null) one.setAttribute(name, value);
  }
  one.append(...content);
  return one;
}

const fetched = async (path) => (await fetch(root + path)).json();
// In which language the answers are read.
const spoken = `ui=${document.documentElement.lang.replace("-", "_")}`;
const parameters = () => {
  const { template, language, reader, use } = chosen;
  return new URLSearchParams({ template, language, reader, use });
};
const template = () => catalogue.templates.find((one) => one.name === chosen.template);
const known = (prefix, name) => say[`${prefix}_${name}`] ?? name.replaceAll("_", " ");
const readable = (name) => name.slice(name.indexOf("/") + 1).replaceAll("-", " ");
const file = (name, language) => `templates/${name}.${language}.mjml`;

// What the mail that is looked at is written in: its template, and the campaign that it is for.
const ownFiles = () => [file(chosen.template, chosen.language), look?.campaign].filter(Boolean);

// ------------------------------------------------------------------ the address

function readAddress() {
  const told = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(chosen)) if (told.has(name)) chosen[name] = told.get(name);
  if (!VIEWS.includes(chosen.view)) chosen.view = "desktop";
}

function writeAddress() {
  const told = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
  history.replaceState(null, "", `#${told}`);
  for (const link of document.querySelectorAll(".tongues a")) link.hash = location.hash;
}

// ------------------------------------------------------------------ choosing

async function loadCatalogue() {
  catalogue = await fetched("/catalogue.json");
  if (!template()) {
    const first = catalogue.templates.find((one) => one.uses.length) ?? catalogue.templates[0];
    Object.assign(chosen, { template: first?.name ?? "", use: "" });
  }
  drawShelf();
}

function choose(changes) {
  if (changes.template && changes.template !== chosen.template) chosen.use = "";
  Object.assign(chosen, changes);
  return show();
}

async function show(isSave = false) {
  if (!chosen.template) {
    id("panel").replaceChildren(made("p", { class: "hint" }, say.empty));
    return;
  }
  const mine = ++asked;
  const early = look && !look.fault && FRAMED.has(chosen.view) && chosen.language ? (isSave && refill()) || startFrame() : null;
  if (early) await arriving;
  if (mine !== asked) return;
  const found = await fetched(`/look.json?${parameters()}&${spoken}`);
  if (mine !== asked) return;
  look = found;
  for (const name of ["language", "reader", "use"]) chosen[name] = found[name] ?? chosen[name];
  writeAddress();
  draw(early);
}

function step(items, present, by) {
  if (!items.length) return present;
  return items[(items.indexOf(present) + by + items.length) % items.length];
}

// ------------------------------------------------------------------ drawing what there is

function worst(name, language = "") {
  const own = (findings ?? []).filter((one) =>
    language ? one.file === file(name, language) : one.file.startsWith(`templates/${name}.`));
  if (own.some((one) => one.severity === "error")) return "error";
  return own.some((one) => one.severity === "warning") ? "warning" : "";
}

function drawShelf() {
  const filter = id("filter").value.trim().toLowerCase();
  const groups = new Map();
  for (const one of catalogue.templates) {
    if (filter && !`${one.name} ${readable(one.name)}`.toLowerCase().includes(filter)) continue;
    const stage = one.name.split("/")[0];
    if (!groups.has(stage)) groups.set(stage, []);
    groups.get(stage).push(one);
  }
  const shelf = [];
  for (const [stage, members] of groups) {
    shelf.push(made("h2", {}, known("stage", stage)));
    for (const one of members) {
      const mark = worst(one.name);
      const link = made(
        "a",
        { href: `#template=${one.name}`, "data-template": one.name, "aria-current": one.name === chosen.template ? "true" : "" },
        made("span", {}, readable(one.name)),
      );
      if (mark) link.append(made("i", { class: mark, title: say[`severity_${mark}`] }));
      if (one.languages.length) link.append(made("small", { title: one.languages.join(" ") }, String(one.languages.length)));
      shelf.push(link);
    }
  }
  if (!shelf.length) shelf.push(made("p", { class: "nothing" }, catalogue.templates.length ? say.none : say.empty));
  id("templates").replaceChildren(...shelf);
  id("template").replaceChildren(...catalogue.templates.map((one) =>
    made("option", { value: one.name, selected: one.name === chosen.template }, `${known("stage", one.name.split("/")[0])} · ${readable(one.name)}`)));
}

function drawChoices() {
  const one = template();
  id("languages").replaceChildren(...(one?.languages ?? []).map((code) =>
    made("button", { role: "radio", "aria-checked": String(code === chosen.language), tabindex: code === chosen.language ? "0" : "-1", "data-language": code }, code)));
  id("reader").replaceChildren(...catalogue.readers.map((name) =>
    made("option", { value: name, selected: name === chosen.reader }, name === "given" ? catalogue.given : known("reader", name))));
  const uses = one?.uses ?? [];
  id("use-field").hidden = !one;
  id("use").disabled = uses.length < 2;
  id("use").replaceChildren(...(uses.length ? uses : [""]).map((key) =>
    made("option", { value: key, selected: key === chosen.use }, key ? key.split("/").join(" › ") : say.unused)));
  for (const link of document.querySelectorAll("#templates a")) {
    if (link.dataset.template === chosen.template) {
      link.setAttribute("aria-current", "true");
      link.scrollIntoView({ block: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  id("template").value = chosen.template;
}

function drawViews() {
  for (const tab of id("views").children) {
    const isOn = tab.dataset.view === chosen.view;
    tab.setAttribute("aria-selected", String(isOn));
    tab.tabIndex = isOn ? 0 : -1;
  }
  id("panel").setAttribute("aria-labelledby", `tab-${chosen.view}`);
  document.querySelector(".switches").classList.toggle("off", !FRAMED.has(chosen.view));
  id("dark").setAttribute("aria-pressed", String(Boolean(chosen.dark)));
  id("images").setAttribute("aria-pressed", String(chosen.images === "0"));
  const own = (findings ?? []).filter((one) => ownFiles().includes(one.file));
  const grave = ["error", "warning"].find((severity) => own.some((one) => one.severity === severity));
  id("count").hidden = !own.length;
  id("count").textContent = own.length;
  id("count").className = grave ?? "";
}

function draw(frame = null) {
  drawChoices();
  drawViews();
  drawFacts();
  if (chosen.view === "checks") return drawChecks();
  if (look.fault) return drawFault();
  if (FRAMED.has(chosen.view)) return finishFrame(frame ?? startFrame());
  const sheet = made("div", { class: "sheet wide" });
  if (chosen.view === "headers") {
    sheet.append(made("table", {}, made("tbody", {}, ...look.headers.map(([name, value]) =>
      made("tr", {}, made("th", { scope: "row" }, name), made("td", {}, value))))));
  } else {
    const isText = chosen.view === "text";
    sheet.append(made("pre", { class: isText ? "letter-text" : "", dir: isText ? look.direction : "ltr", lang: isText ? look.language : "" }, look[chosen.view]));
  }
  settle(sheet);
}

function settle(...content) {
  id("panel").replaceChildren(...content);
  document.documentElement.dataset.shown = String(asked);
}

function drawFault() {
  settle(made("div", { class: "sheet wide fault", role: "alert" },
    made("h2", {}, say.fault), made("pre", {}, look.fault), made("p", {}, say.fault_hint)));
}

function letter() {
  return made("div", { class: "letter", dir: look.direction, lang: look.language },
    made("div", { class: "face", "aria-hidden": "true" }, [...look.sender][0] === '"' ? [...look.sender][1] : [...look.sender][0] ?? "·"),
    made("p", { class: "subject" }, look.subject),
    made("p", { class: "preheader" }, look.preheader || `(${say.no_preheader})`),
    // an address reads from the left in every language
    made("p", { class: "people" }, made("bdi", { dir: "ltr" }, look.sender), " → ", made("bdi", { dir: "ltr" }, look.recipient)));
}

function mailAddress() {
  const more = new URLSearchParams({ v: String(asked), dark: chosen.dark ? "1" : "0", images: chosen.images === "0" ? "0" : "1" });
  return `${root}/mail.html?${parameters()}&${more}`;
}

const kindOfSheet = () => `sheet ${chosen.view} ${chosen.dark ? "dark" : "light"}`;

// After a save the frame that is there takes in the new mail: to make another one takes longer.
// It is read by the frame's own document, so under the policy that came with the mail.
function refill() {
  const sheet = id("panel").querySelector(".sheet.desktop, .sheet.mobile");
  const frame = sheet?.querySelector("iframe:not(.coming)");
  if (!frame?.contentDocument?.body || sheet.className !== kindOfSheet()) return null;
  const mine = asked;
  arriving = fetch(mailAddress()).then((answer) => answer.text()).then((mail) => {
    if (mine !== asked || !mail || !frame.isConnected) return;
    const [whole] = mail.match(/<html\b[^>]*>/i) ?? [""];
    const shown = frame.contentDocument.documentElement;
    for (const name of ["lang", "dir"]) {
      shown.setAttribute(name, whole.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "");
    }
    shown.innerHTML = mail.slice(Math.max(0, mail.search(/<head\b/i)), mail.search(/<\/html>|$/i));
    fit(frame);
    document.documentElement.dataset.shown = String(mine);
  });
  return sheet;
}

// The mail itself is asked for first, for it is what the eye waits for; who wrote it comes after,
// when the program and the browser have nothing better to do.
function startFrame() {
  let sheet = id("panel").querySelector(".sheet.desktop, .sheet.mobile");
  if (!sheet) {
    sheet = made("div", { class: `sheet ${chosen.view}` }, made("div", { class: "frames" }));
    id("panel").replaceChildren(sheet);
  }
  const frames = sheet.querySelector(".frames");
  for (const old of frames.querySelectorAll(".coming")) old.remove();
  // the old one stays until the new one has come: no flicker
  const frame = made("iframe", { class: "coming", title: say.frame, sandbox: "allow-same-origin", src: mailAddress() });
  const mine = asked;
  const kind = kindOfSheet();
  arriving = arrival(frame).then(() => {
    if (mine !== asked || !frame.isConnected || !frame.contentDocument?.body?.childElementCount) return;
    sheet.className = kind;
    for (const old of frames.querySelectorAll("iframe:not(.coming)")) old.remove();
    frame.classList.remove("coming");
    fit(frame);
    document.documentElement.dataset.shown = String(mine);
  });
  frames.append(frame);
  return sheet;
}

// Until the mail is read. Its end is not waited for where pictures take their time; a closed frame
// cannot tell when it is read, so it is asked.
function arrival(frame) {
  return new Promise((tell) => {
    let isOver = false;
    let since = 0;
    const end = () => { isOver = true; tell(); };
    const ask = () => {
      if (isOver) return;
      const mail = frame.contentDocument;
      if (!frame.isConnected) return end();
      if (mail && mail.URL !== "about:blank" && mail.readyState !== "loading") {
        since ||= performance.now();
        const isWhole = [...mail.images].every((one) => one.complete);
        if (isWhole || performance.now() - since > PICTURES) return end();
      }
      setTimeout(ask, 4);
    };
    frame.addEventListener("load", end);
    setTimeout(ask);
  });
}

function finishFrame(sheet) {
  sheet.querySelector(".letter")?.remove();
  sheet.prepend(letter());
  id("panel").querySelector(".hint")?.remove();
  if (chosen.dark && !look.has_dark) id("panel").append(made("p", { class: "hint" }, say.no_dark));
}

function fit(frame) {
  const grow = () => {
    const body = frame.contentDocument?.documentElement;
    if (body) frame.style.height = `${Math.max(240, body.scrollHeight)}px`;
  };
  frame.style.height = "240px";
  grow();
  for (const picture of frame.contentDocument?.images ?? []) picture.addEventListener("load", grow);
}

function drawFacts() {
  const facts = [];
  const put = (text, kind = "") => facts.push(made("span", { class: kind }, text));
  if (!look.fault) {
    put(`${look.kilobytes.toFixed(1)} ${say.kilobytes}`, look.kilobytes > CLIPPED ? "over" : "");
    if (look.kilobytes > CLIPPED) put(say.clipped, "over");
    put(`${[...look.subject].length} + ${[...look.preheader].length} ${say.letters}`);
    if (look.place) put(look.place);
    if (look.fallback) put(look.fallback);
  }
  if (chosen.use) {
    const [campaign, mail, arm] = chosen.use.split("/");
    const command = `crm-mailer preview ${campaign} --step ${mail}${arm ? ` --arm ${arm}` : ""} --language ${chosen.language} --to you@example.com`;
    const copy = made("button", { type: "button" }, say.copy);
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command);
      copy.textContent = say.copied;
    });
    facts.push(made("span", { class: "try" }, made("span", {}, say.try), made("code", {}, command), copy));
  }
  id("facts").replaceChildren(...facts);
}

// ------------------------------------------------------------------ findings

async function loadFindings() {
  ({ problems: findings, trouble } = await fetched(`/checks.json?${spoken}`));
  drawShelf();
  if (!look) return;
  drawViews();
  if (chosen.view === "checks") drawChecks();
}

function finding(one) {
  const place = one.line ? `${one.file}:${one.line}:${one.column}` : one.file;
  return made("div", { class: "finding" },
    made("span", { class: `chip ${one.severity}` }, known("severity", one.severity)),
    made("p", {}, one.message),
    made("p", { class: "place" }, `${one.code}  ${place}`),
    one.help ? made("p", { class: "help" }, one.help) : "");
}

function drawChecks() {
  const sheet = made("div", { class: "sheet wide findings" });
  if (findings === null) {
    sheet.append(trouble ? made("pre", {}, trouble) : made("p", { class: "waiting" }, say.checking));
    return settle(sheet);
  }
  const [own, campaign] = ownFiles();
  const parts = [
    [say.this_file, findings.filter((one) => one.file === own)],
    [say.campaign, findings.filter((one) => one.file === campaign)],
    [say.shared, findings.filter((one) => one.file.startsWith("templates/layout/"))],
  ];
  const rest = findings.filter((one) => !ownFiles().includes(one.file) && !one.file.startsWith("templates/layout/"));
  if (!parts[0][1].length && !parts[1][1].length) sheet.append(made("p", { class: "good" }, say.no_findings));
  for (const [title, some] of parts) if (some.length) sheet.append(made("h2", {}, title), ...some.map(finding));
  if (rest.length) sheet.append(made("details", {}, made("summary", {}, `${say.elsewhere}: ${rest.length}`), ...rest.map(finding)));
  settle(sheet);
}

// ------------------------------------------------------------------ hearing of saves

function listen() {
  const source = new EventSource(`${root}/events`);
  const live = id("live");
  let wasLost = false;
  source.addEventListener("message", async ({ data }) => {
    live.classList.remove("lost");
    live.querySelector("span").textContent = say.live;
    if (data === "checked") return loadFindings();
    if (data === "hello" && !wasLost) return;
    wasLost = false;
    live.classList.remove("fresh");
    void live.offsetWidth;
    live.classList.add("fresh");
    await show(true);
    await loadCatalogue();
    drawChoices();
  });
  source.addEventListener("error", () => {
    wasLost = true;
    live.classList.add("lost");
    live.querySelector("span").textContent = say.lost;
  });
}

// ------------------------------------------------------------------ hands

const redraw = () => { writeAddress(); asked += 1; draw(); };
const setView = (view) => { chosen.view = view; redraw(); };
const toggle = (name, value) => { chosen[name] = chosen[name] === value ? "" : value; redraw(); };

id("templates").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  choose({ template: link.dataset.template });
});
id("languages").addEventListener("click", (event) => {
  const code = event.target.dataset.language;
  if (code) choose({ language: code });
});
id("languages").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  choose({ language: step(template()?.languages ?? [], chosen.language, by) })
    .then(() => document.querySelector('#languages [aria-checked="true"]')?.focus());
});
id("template").addEventListener("change", (event) => choose({ template: event.target.value }));
id("reader").addEventListener("change", (event) => choose({ reader: event.target.value }));
id("use").addEventListener("change", (event) => choose({ use: event.target.value }));
id("filter").addEventListener("input", drawShelf);
id("filter").addEventListener("keydown", (event) => {
  if (event.key === "Enter") document.querySelector("#templates a")?.click();
  if (event.key === "Escape") event.target.blur();
});
id("views").addEventListener("click", (event) => {
  const tab = event.target.closest("[data-view]");
  if (tab) setView(tab.dataset.view);
});
id("views").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  setView(step(VIEWS, chosen.view, by));
  id(`tab-${chosen.view}`).focus();
});
id("dark").addEventListener("click", () => toggle("dark", "1"));
id("images").addEventListener("click", () => toggle("images", "0"));
id("keys-open")?.addEventListener("click", () => id("keys").showModal());

const KEYS = {
  j: () => choose({ template: step(catalogue.templates.map((one) => one.name), chosen.template, 1) }),
  k: () => choose({ template: step(catalogue.templates.map((one) => one.name), chosen.template, -1) }),
  l: () => choose({ language: step(template()?.languages ?? [], chosen.language, 1) }),
  r: () => choose({ reader: step(catalogue.readers, chosen.reader, 1) }),
  d: () => toggle("dark", "1"),
  i: () => toggle("images", "0"),
  "/": () => id("filter").focus(),
  "?": () => id("keys").showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || id("keys").open) return;
  if (event.target.matches("input, select, textarea")) return;
  const view = VIEWS[Number(event.key) - 1];
  const act = view ? () => setView(view) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
addEventListener("hashchange", () => { readAddress(); show(); });

readAddress();
await loadCatalogue();
await show();
listen();
await loadFindings();
