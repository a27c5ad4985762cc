// Occlusion: the gallery, its buttons, and when the page opens.

/** The prepared cases and one's own photo; pictures come one after another, each rendered once by the server. */
function buildGallery() {
  const box = slot("oc-cases");
  if (box.children.length) return;
  const card = (name, picture, title, level, question, open) => make("button", { type: "button", class: "pk-oc-case", "data-case": name, "aria-pressed": "false", onclick: open }, [
    picture, make("span", { class: "pk-oc-name" }, [make("b", { text: title }), level ? make("small", { class: "pk-oc-level", "data-level": level, text: OC_LEVELS[level] }) : ""]), make("small", { class: "pk-oc-asks", text: question }),
  ]);
  const glyph = () => make("span", { class: "pk-oc-own", "aria-hidden": "true" }, [draw("svg", { viewBox: "0 0 24 24" }, [draw("path", { d: "M4 8h4l1.5-2.5h5L16 8h4v11H4z" }), draw("circle", { cx: 12, cy: 13, r: 3.4 })])]);
  box.append(card("", glyph(), "Your photo", null, "The one open on Explore, with its boxes.", () => openOcclusionSource({ own: true })));
  for (const one of props.occlusion.cases) {
    box.append(card(one.name, make("img", { src: NO_PICTURE, alt: "", width: 64, height: 64 }), one.title, one.level, one.question, () => openOcclusionSource({ case: one.name })));
  }
  slot("oc-model").append(...page.models.map((model) => make("option", { value: model.name, text: model.label })));
  slot("oc-model").value = page.view.model;
  fetchCases();
}

const NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"; // one clear pixel

let ocThumbsAsked = false;

async function fetchCaseThumbs() {
  if (ocThumbsAsked) return;
  ocThumbsAsked = true;
  // The picture of the case on show comes first, for the eye is on it.
  const open = (node) => node.parentElement.getAttribute("aria-pressed") === "true";
  for (const node of all(".pk-oc-case img").sort((one, other) => open(other) - open(one))) {
    const reply = await call("occlusion_thumb", { case: node.parentElement.dataset.case });
    if (reply.thumb) node.src = reply.thumb;
  }
}

/** Keys and buttons zoom at the spot asked about. */
function ocAskedSpot() {
  return occlusion.answer && occlusion.answer.before.point;
}

// -- controls -----------------------------------------------------------------------------------

slot("oc-model").addEventListener("change", (event) => {
  if (occlusion.view) openOcclusionSource(occlusion.source, { model: event.target.value, keep: ocKeep() });
});
zoomButtons(slot("oc-zoom"), ocViewport, ocAskedSpot);
slot("oc-map").addEventListener("change", paintOcclusion);
slot("oc-masks").addEventListener("change", drawMaskLayers);

/** From Explore: its photo, model and keypoint. */
function bringPhoto() {
  if (!page.view) return;
  const keypoint = page.query && page.query.keypoint !== null ? page.view.skeleton.keypoints[page.query.keypoint] : null;
  occlusion.bring = { person: page.person, keypoint, point: null, layer: null };
  goTo("occlusion");
}

const OCCLUSION_DEEDS = {
  "occlusion-open": bringPhoto,
  "oc-remove": removeThing,
  "oc-limb-sweep": () => runSweep("limb"),
  "oc-grid-sweep": () => runSweep("grid"),
  "oc-sweep-stop": () => stopSweep("visitor"),
  "oc-html": () => downloadOcclusion("html"),
  "oc-png": () => downloadOcclusion("png"),
  "oc-svg": () => downloadOcclusion("svg"),
  "oc-paper": () => downloadOcclusion("paper-svg"),
  "oc-link": copyOcLink,
  "oc-json": () => downloadOcclusion("json"),
  "oc-csv": () => downloadOcclusion("csv"),
  "oc-npz": () => downloadOcclusion("npz"),
  "oc-plotly": () => downloadOcclusion("sweep"),
  "oc-sweep-csv": () => downloadOcclusion("sweep-csv"),
  "oc-save": saveCase,
  "oc-more": () => fetchCases(true),
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && OCCLUSION_DEEDS[button.dataset.do]) OCCLUSION_DEEDS[button.dataset.do]();
});
document.addEventListener("keydown", (event) => {
  if (!element.isConnected || !pageShown("occlusion") || event.ctrlKey || event.metaKey || event.altKey || slot("help").open) return;
  if (event.target.closest && event.target.closest("input, select, textarea, [contenteditable]")) return;
  if (zoomKey(event, ocViewport, ocAskedSpot())) return;
  if (event.key === "?") slot("help").showModal();
  else if (event.key === "Escape") setTool(null);
});

element.addEventListener("pk-shown", () => {
  dropOwnPhoto();
  if (pageShown("occlusion")) openOcclusion();
});
element.addEventListener("pk-page", (event) => {
  if (event.detail !== "occlusion") return;
  openOcclusion();
  requestAnimationFrame(fitOcclusion);
});
