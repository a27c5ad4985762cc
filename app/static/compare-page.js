// Compare: its controls, what one can take home, and its keys.

/** Show which direction, method and layers are chosen. */
function markCompare() {
  const method = METHODS.get(compare.method);
  all("[data-way]").forEach((node) => {
    const on = node.dataset.way === (method.direction ? compare.direction : "row");
    node.setAttribute("aria-checked", String(on));
    node.tabIndex = on ? 0 : -1;
    node.disabled = !method.direction;
  });
  slot("compare-method").value = compare.method;
  slot("compare-method").title = method.description;
  const layers = slot("compare-layers");
  layers.value = compare.layers;
  layers.disabled = !method.layers;
  markHeads(method);
  slot("compare-anchor").value = compare.anchor;
  slot("compare-scale").value = compare.scale;
}

/** The heads there are to choose from: those of the layers on show, where the method knows of heads. */
function markHeads(method) {
  const list = slot("compare-head"), chosen = compare.head === null ? 0 : compare.head + 1;
  const most = Math.max(chosen, ...readyPanels().map((panel) => (layerOf(panel) === null ? 0 : panel.view.layers[layerOf(panel)].heads)));
  if (list.options.length !== most + 1) {
    list.replaceChildren(make("option", { value: "", text: "all" }), ...Array.from({ length: most }, (_, head) => make("option", { value: head, text: String(head + 1) })));
  }
  list.value = compare.head === null ? "" : String(compare.head);
  list.disabled = !method.heads || most < 2;
}

function compareDirection(direction) {
  if (!METHODS.get(compare.method).direction) return;
  compare.direction = direction;
  markCompare();
  paintCompareSoon();
  compareAgain();
}

slot("compare-direction").addEventListener("click", (event) => {
  const button = event.target.closest("[data-way]");
  if (button) compareDirection(button.dataset.way);
});
slot("compare-direction").addEventListener("keydown", (event) => {
  if (!(event.key in STEP)) return;
  event.preventDefault();
  compareDirection(compare.direction === "row" ? "column" : "row");
  element.querySelector('[data-way="' + compare.direction + '"]').focus();
});
for (const cost of new Set(Array.from(METHODS.values(), (method) => method.cost))) {
  slot("compare-method").append(make("optgroup", { label: cost }, Array.from(METHODS.values()).filter((method) => method.cost === cost)
    .map((method) => make("option", { value: method.name, text: method.title, title: method.description }))));
}
slot("compare-method").addEventListener("change", (event) => {
  compare.method = event.target.value;
  compare.hover = null;
  compare.panels.forEach(drawLayers);
  markCompare();
  compareAgain();
});
slot("compare-layers").addEventListener("change", (event) => {
  if (event.target.value === "last") return lastLayers();
  ownLayers();
  layersChanged();
});
slot("compare-head").addEventListener("change", (event) => {
  compare.head = event.target.value === "" ? null : Number(event.target.value);
  markCompare();
  compareAgain();
});
slot("compare-anchor").addEventListener("change", (event) => {
  compare.anchor = event.target.value;
  markCompare();
  compareAgain();
});
slot("compare-scale").addEventListener("change", (event) => {
  compare.scale = event.target.value;
  markCompare();
  paintCompare();
  paintPair();
});
slot("compare-opacity").addEventListener("input", (event) => {
  page.opacity = Number(event.target.value) / 100;
  paintCompareSoon();
  paintPair();
});

// -- downloads ----------------------------------------------------------------------------------

/** The comparison as a file; of a picture one panel alone, by its place among those that answered. */
async function downloadComparison(format, panel) {
  const panels = readyPanels(), { query } = compare;
  if (!query || !compare.sent || panels.length < 2) return complain("Wait until two models have answered; then there is something to download.");
  busy(PACKING[format]);
  compareHint();
  const reply = await call("compare_download", { ...compare.sent, format, panel, photo: slot("compare-with-photo").checked });
  busy("");
  compareHint();
  handOver(reply, sendAgain);
}

/** From Explore: its photo, boxes, model and keypoint. */
function bringModel() {
  if (!page.view) return;
  if (compare.panels.length && !compare.panels.some((panel) => panel.model === page.view.model)) setPanels([newPanel(page.view.model), ...compare.panels.slice(1)]);
  if (page.query && page.query.keypoint !== null) compare.wanted = page.view.skeleton.keypoints[page.query.keypoint];
  compare.person = Math.max(0, page.person);
  compare.direction = page.direction;
  markCompare();
  goTo("compare");
}

/** To Explore with the keypoint this page ended at. */
function takeBack() {
  const name = compare.query && compare.query.keypoint, known = page.view ? page.view.skeleton.keypoints.indexOf(name) : -1;
  goTo("explore");
  const someone = page.view && page.view.people[compare.person];
  if (known >= 0 && someone && someone.keypoints[known] && !(page.query && page.query.keypoint === known && page.person === compare.person)) askKeypoint(compare.person, known);
}

const COMPARE_DEEDS = {
  "compare-open": bringModel,
  "compare-back": takeBack,
  "compare-link": copyLink,
  "compare-html": () => downloadComparison("html"),
  "compare-png": () => downloadComparison("png"),
  "compare-svg": () => downloadComparison("svg"),
  "compare-json": () => downloadComparison("json"),
  "compare-npz": () => downloadComparison("npz"),
  "compare-trust": measureTrust,
  "compare-trust-stop": stopTrust,
  "compare-stop": stopWork,
  dismiss: () => (compare.told = []), // it was read; the next answer does not bring it back
};

element.addEventListener("pk-busy", () => {
  if (pageShown("compare")) compareHint();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && COMPARE_DEEDS[button.dataset.do]) COMPARE_DEEDS[button.dataset.do]();
});

document.addEventListener("keydown", (event) => {
  if (!element.isConnected || !pageShown("compare") || event.ctrlKey || event.metaKey || event.altKey || slot("help").open) return;
  if (event.target.closest && event.target.closest("input, select, textarea, [contenteditable]")) return;
  if (zoomKey(event, compareViewport, compareSpot())) return;
  if (/^[1-9]$/.test(event.key)) chooseLayerOfAll(Number(event.key) - 1);
  else if (event.key === "0") lastLayers();
  else if (event.key === "d" || event.key === "D") compareDirection(compare.direction === "row" ? "column" : "row");
  else if (event.key === "?") slot("help").showModal();
  else if (event.key === "Escape") {
    compare.pinned = false;
    compareHint();
  }
});

markCompare();

/** Keys and buttons zoom at the spot asked about. */
function compareSpot() {
  return compare.query && compare.query.point;
}

zoomButtons(slot("compare-zoom"), compareViewport, compareSpot);

/** The example photos again: what one page shows, the other does too. */
function buildCompareExamples() {
  slot("compare-examples").replaceChildren(...page.examples.map((example) => make("button", {
    type: "button", class: "pk-example", "data-example": example.id, title: example.caption,
    "aria-pressed": String(Boolean(page.source && page.source.example === example.id)), onclick: () => (window.scrollTo(0, 0), analyse({ example: example.id })),
  }, [make("img", { src: example.thumb, alt: "", width: 64, height: 64 }), make("span", { text: example.title })])));
}
