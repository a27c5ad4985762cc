// The page's life from loading to closing: its buttons, its keys, its look.

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
  people: () => findPeople(),
  png: () => download("png"),
  svg: () => download("svg"),
  html: () => download("html"),
  "live-report": downloadLive,
  json: () => download("json"),
  npz: () => download("npz"),
  link: copyAsked,
  theme: () => setTheme(!document.body.classList.contains("dark")),
  help: () => slot("help").showModal(),
  dismiss: () => complain(""),
  compute: computeMap,
  cancel: cancelJob,
  trust: weighMap,
  "heads-worth": weighHeads,
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
  if (zoomKey(event, stage.viewport, zoomSpot())) return;
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

// One column: the keypoints stand before sliders and downloads, for the keyboard and a screen reader as for the eye.
const ONE_COLUMN = window.matchMedia("(max-width: 1023px)");
function placeKeypoints() {
  const side = element.querySelector(".pk-side"), points = element.querySelector(".pk-points");
  if (ONE_COLUMN.matches) slot("numbers").after(points);
  else side.after(points);
}
ONE_COLUMN.addEventListener("change", placeKeypoints);
placeKeypoints();

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
  let refused = await takeEarly();
  // A photo of one's own is asked what a link asks, but gives way to no example.
  if (reply.examples.length && ASKED.test(location.hash) && !(page.view && page.examples.some((one) => one.id === readAsked(location.hash).photo))) await openAsked();
  // Links of the other pages name a photo, too: no other one need be looked at first. The last resort names none.
  for (const state of [readPhoto(wordsOf(ASKED.test(location.hash) ? "" : location.hash).read), { photo: null, boxes: null }]) {
    if (!page.view && reply.examples.length) await bringPhotoOf(state, { note: "Loading the model and a first photo …", model: reply.model });
  }
  if (!page.view) element.dataset.state = "empty";
  refused = (await takeEarly()) || refused;
  if (refused) complain(refused);
}

boot();
