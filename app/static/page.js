// Talking to the server, and the page's life from loading to closing.

const LOST = "The server did not answer; please check the connection and try again.";

const TOUCH = window.matchMedia("(hover: none)").matches;

/** Call a server function; resolves to its reply, or to {error} with one sentence. */
async function call(name, argument) {
  try {
    return (await server[name](argument)) || { error: LOST };
  } catch (problem) {
    return { error: LOST };
  }
}

function busy(text) {
  element.classList.toggle("pk-working", Boolean(text));
  slot("busy-text").textContent = text;
  element.dispatchEvent(new CustomEvent("pk-busy"));
  stage.frame.setAttribute("aria-busy", String(Boolean(text)));
}

/** One sentence in the alert line; the page below it stays as it was. */
function complain(sentence) {
  slot("alert").hidden = !sentence;
  slot("alert-text").textContent = sentence || "";
}

function hint(text) {
  const words = text
    || (page.boxMode ? "Drag a box around each person you want."
      : !byAttention() ? "Click any spot to explain it by " + how().title + "." + (TOUCH ? "" : " Esc goes back to attention.")
      : page.pinned && !TOUCH ? "Pinned. Click another spot, or press Esc to let go."
      : TOUCH ? "Tap any spot to see what the model looks at."
      : liveReady() ? "Point at any spot to see what the model looks at. Click to keep it."
      : "Click any spot to see what the model looks at.");
  if (slot("hint").textContent !== words) slot("hint").textContent = words;
}

/**
 * Analyse a photo: {file}, {example}, or the one we have with another model or other boxes.
 * When it fails, everything on the page stays.
 */
async function analyse(source, options) {
  const { model = slot("model").value, boxes = [], note = "Analysing …" } = options || {};
  const job = ++page.jobs;
  busy(note);
  complain("");
  const argument = source.file
    ? { binary: true, data: { photo: source.file, token: page.token, model, boxes: JSON.stringify(boxes) } }
    : { token: page.token, model, boxes, example: source.example };
  let reply = await call(source.file ? "analyse" : "analyse_example", argument);
  if (reply.expired && await renew()) return analyse(source, options);
  if (job !== page.jobs) return false;
  busy("");
  if (reply.error) return complain(reply.error), setModel(page.view), false;
  await show(reply, source);
  return true;
}

/** The same photo again, through another model or with other boxes. */
async function again(options) {
  const { model = slot("model").value, boxes = page.boxes, note } = options;
  const job = ++page.jobs, before = page.boxes.length;
  busy(note);
  complain("");
  const reply = await call("again", { token: page.token, view: page.view.id, model, boxes });
  if (reply.expired && await renew()) return analyse(page.source, { model, boxes, note });
  if (job !== page.jobs) return false;
  busy("");
  if (reply.error) return complain(reply.error), setModel(page.view), false;
  await show(reply, page.source, boxes.length > before);
  return true;
}

/** A new session after the old one expired; whatever is on the page stays. */
async function renew() {
  const reply = await call("start", {});
  if (reply.token) page.token = reply.token;
  return Boolean(reply.token);
}

/** Put a fresh analysis on the page and ask it about one keypoint, so that there is something to see. */
async function show(view, source, drawn) {
  if (view.photo.src) {
    const image = new Image();
    image.src = view.photo.src;
    await image.decode();
    stage.image = image;
  }
  const sameSkeleton = page.view && page.view.skeleton.name === view.skeleton.name;
  const sought = sameSkeleton && page.query && page.query.keypoint !== null ? page.query.keypoint : view.opening;
  const computed = page.job && page.job.kind === "map" ? how().title : null;
  stopJob("photo");
  page.part = page.found = null;
  page.told = "";
  showInside(null);
  page.source = source;
  page.view = view;
  page.boxes = view.whole ? [] : view.people.map((person) => person.edges);
  page.person = drawn ? view.people.length - 1 : 0;
  const someone = view.people[page.person], there = someone ? someone.keypoints : [];
  const keypoint = there[sought] ? sought : there.findIndex(Boolean);
  page.query = page.answer = page.hover = page.live = null;
  page.pinned = false;
  element.dataset.state = "ready";
  setModel(view);
  buildThumbs();
  fitStage();
  drawChips();
  drawPeople();
  drawCard();
  refreshAnswer();
  all(".pk-example").forEach((node) => node.setAttribute("aria-pressed", String(source.example === node.dataset.example)));
  const example = page.examples.find((one) => one.id === source.example);
  slot("caption").textContent = slot("caption").title = example ? example.caption : "";
  stage.photo.setAttribute("aria-label", "The photo, " + view.people.length + (view.people.length > 1 ? " people" : " person")
    + " with " + view.skeleton.keypoints.length + " keypoints each");
  element.dispatchEvent(new CustomEvent("pk-shown"));
  const bare = someone && !view.skeleton.keypoints.length; // a backbone predicts no keypoints
  const [x0, y0, x1, y1] = someone ? someone.edges : [];
  if (bare) await ask({ person: page.person, point: [(x0 + x1) / 2, (y0 + y1) / 2], quiet: true, interrupted: null });
  else if (keypoint >= 0) await ask({ person: page.person, keypoint, quiet: true, interrupted: computed && "The photo or the model changed, so " + computed + " was stopped." });
  else complain(view.notes.concat(view.title + (view.whole ? " found nobody in this photo" : " found nobody in this box")
    + ": try another photo, a box around somebody, or a model that takes a box for one person.").join(" "));
  if ((bare || keypoint >= 0) && view.notes.length) complain(view.notes.join(" "));
  if (pageShown("explore")) fetchLive(page.person);
  hint();
}

/** Ask about a point or a keypoint; the exact answer for every layer and head comes back in one reply. */
async function ask(question) {
  if (!page.view) return;
  const number = ++page.asks;
  const { quiet, again: repeat, interrupted, ...rest } = question;
  const wanted = repeat
    ? { person: page.query.person, keypoint: page.query.keypoint, point: page.query.point, free: true }
    : rest;
  stopJob("replaced"); // what is being computed answers an older question
  let reply = await call("explain", { token: page.token, view: page.view.id, direction: page.direction, part: page.part, ...wanted });
  if (reply.expired) {
    const kept = { ...question, quiet: true };
    if (await analyseAgainSilently()) return ask(kept);
  }
  if (number !== page.asks) return;
  if (reply.error) return complain(reply.error), refreshAnswer();
  complain("");
  for (const layer of reply.layers) layer.weights = floatsOf(layer.weights);
  page.answer = reply;
  page.query = reply.query;
  page.hover = null;
  const moved = page.person !== reply.query.person;
  page.person = reply.query.person;
  if (!quiet && !repeat) page.pinned = true;
  drawSkeleton();
  drawChips();
  if (moved) drawPeople();
  questionChanged(quiet, interrupted);
  refreshAnswer();
  fetchInside();
  if (moved || (page.live && page.live.person !== page.person)) fetchLive(page.person);
  hint();
}

async function analyseAgainSilently() {
  return page.source && await renew() && await analyse(page.source, { boxes: page.boxes, note: "The server had let go of this photo; sending it again …" });
}

function askKeypoint(person, keypoint) {
  return ask({ person, keypoint });
}

function changeBoxes(boxes) {
  return again({ boxes, note: boxes.length ? "Finding the pose in each box …" : "Looking at the whole photo …" });
}

function setModel(view) {
  if (view) slot("model").value = view.model;
}

/** Let go of the pinned spot, so that the map follows the pointer again. */
function unpin() {
  if (page.job) return cancelJob();
  if (!byAttention() && page.view.layers.length) return chooseMethod("attention");
  page.pinned = false;
  hint();
}

async function forget() {
  await call("forget", { token: page.token });
  const reply = await call("start", {});
  if (reply.error) return complain(reply.error);
  page.token = reply.token;
  await analyse({ example: reply.examples[0].id }, { note: "Forgotten. Back to the example …" });
}

function setTheme(dark) {
  document.body.classList.toggle("dark", dark);
  try { localStorage.setItem("posekit-theme", dark ? "dark" : "light"); } catch (problem) { /* private window */ }
}

const DEEDS = {
  upload: () => slot("file").click(),
  paste: pasteFromClipboard,
  camera: openCamera,
  shoot: takePicture,
  "camera-close": closeCamera,
  box: () => setBoxMode(!page.boxMode),
  png: () => download("png"),
  npz: () => download("npz"),
  theme: () => setTheme(!document.body.classList.contains("dark")),
  help: () => slot("help").showModal(),
  dismiss: () => complain(""),
  compute: computeMap,
  cancel: cancelJob,
  trust: weighMap,
  forget,
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && DEEDS[button.dataset.do]) DEEDS[button.dataset.do]();
});

document.addEventListener("keydown", (event) => {
  if (!element.isConnected || !pageShown("explore") || event.ctrlKey || event.metaKey || event.altKey || slot("help").open) return;
  if (event.target.closest && event.target.closest("input, select, textarea, [contenteditable]")) return;
  if (!page.view) return;
  if (page.boxMode && boxKey(event)) return event.preventDefault();
  if (/^[1-9]$/.test(event.key)) chooseLayer(Number(event.key) - 1);
  else if (event.key === "d" || event.key === "D") chooseDirection(page.direction === "row" ? "column" : "row");
  else if (event.key === "b" || event.key === "B") setBoxMode(!page.boxMode);
  else if (event.key === "?") slot("help").showModal();
  else if (event.key === "Escape") unpin();
});

for (const [name, key, show] of [["opacity", "opacity", 100], ["keep", "keep", 100]]) {
  slot(name).addEventListener("input", (event) => {
    page[key] = Number(event.target.value) / show;
    slot(name + "-out").textContent = event.target.value + " %";
    paint();
  });
}
slot("palette").addEventListener("change", (event) => {
  page.palette = event.target.value;
  drawBar();
  paint();
});
slot("model").addEventListener("change", (event) => {
  again({ model: event.target.value, note: "Loading the model …" });
});

new ResizeObserver(fitStage).observe(slot("stage"));
element.addEventListener("pk-page", (event) => {
  if (event.detail !== "explore" || !page.view) return;
  setModel(page.view);
  if (!page.live) fetchLive(page.person);
});

// A beacon still leaves when the page is already closing; an ordinary call would be cancelled.
window.addEventListener("pagehide", () => {
  const us = (window.gradio_config?.components || []).find((one) => one.props.elem_id === "posekit");
  if (!page.token || !us) return;
  const address = new URL((window.gradio_config.api_prefix || "").replace(/^\//, "") + "/component_server/", document.baseURI);
  const body = { data: { token: page.token }, component_id: us.id, fn_name: "forget", session_hash: "closing" };
  navigator.sendBeacon(address, new Blob([JSON.stringify(body)], { type: "application/json" }));
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) renew();
});

/** Read the choices the page was built with, then open with a photo already analysed. */
async function boot() {
  try {
    const theme = localStorage.getItem("posekit-theme");
    if (theme) document.body.classList.toggle("dark", theme === "dark");
  } catch (problem) { /* private window: follow the system */ }
  for (const [name, table] of Object.entries(props.palettes)) {
    page.tables[name] = bytesOf(table);
    slot("palette").append(make("option", { value: name, text: name }));
  }
  buildMethodChooser();
  showPage(pageNamed(location.hash) || "explore");
  announce(props.trained, props.untrained);
  page.palette = Object.keys(page.tables)[0];
  drawBar();
  busy("Loading the model and a first photo …");
  const reply = await call("start", {});
  if (reply.error) {
    element.dataset.state = "failed";
    busy("");
    return complain(reply.error);
  }
  page.token = reply.token;
  slot("model").append(...reply.models.map((model) => make("option", { value: model.name, text: model.label })));
  slot("model").value = reply.model;
  slot("privacy").textContent = reply.privacy;
  page.examples = reply.examples;
  page.models = reply.models;
  buildExamples(reply.examples);
  buildCompareExamples();
  const opened = reply.examples.length && await analyse({ example: reply.examples[0].id }, { note: "Loading the model and a first photo …" });
  if (!opened) element.dataset.state = "empty";
}

boot();
