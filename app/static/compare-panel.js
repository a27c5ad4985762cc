// Compare: one panel on the page, whatever state it is in.

const UNTRAINED_PANEL = "Untrained: these weights are random numbers, so the pose and the map here mean nothing.";

/** The panel's elements, made once; setPanelState and the drawing fill them. */
function buildPanel(panel) {
  const n = (panel.nodes = {});
  n.model = make("select", { "aria-label": "Model of this panel", onchange: (event) => changeModel(panel, event.target.value) });
  n.remove = make("button", { type: "button", class: "pk-icon", "aria-label": "Remove this model", title: "Remove this model", text: "×", onclick: () => removePanel(panel) });
  const photo = make("canvas", { class: "pk-photo", "aria-hidden": "true" }), map = make("canvas", { class: "pk-map", "aria-hidden": "true" });
  const pose = draw("svg", { class: "pk-skeleton", preserveAspectRatio: "none", role: "img" }), tip = make("div", { class: "pk-tip", hidden: true });
  const frame = make("div", { class: "pk-frame" }, [photo, map, pose, tip]);
  panel.canvas = new PhotoCanvas(compareViewport, { frame, photo, map, pose, tip });
  zoomable(panel.canvas, () => true);
  n.state = make("div", { class: "pk-cstate", role: "status" });
  n.mat = make("div", { class: "pk-mat" }, [frame, n.state]);
  n.warn = make("p", { class: "pk-cwarn", hidden: true });
  n.layers = make("div", { class: "pk-clayers", role: "group", "aria-label": "Layer of this panel" });
  n.beside = make("button", { type: "button", class: "pk-beside", hidden: true, onclick: () => addLayer(panel) });
  n.facts = make("p", { class: "pk-cfacts" });
  n.legend = make("p", { class: "pk-clegend" });
  n.png = make("button", {
    type: "button", class: "pk-icon", title: "This panel as a picture (PNG)", "aria-label": "Download this panel as a picture (PNG)",
    onclick: () => downloadPanel(panel),
  }, [draw("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, [draw("path", { d: "M12 4v11M7 11l5 5 5-5M4 20h16" })])]);
  n.note = make("p", { class: "pk-cnote" });
  n.root = make("article", { class: "pk-panel", "data-panel": panel.id }, [
    make("header", {}, [n.model, n.remove]), n.mat, n.warn, n.facts,
    make("div", { class: "pk-cshown" }, [n.layers, n.legend, n.png]), n.note,
  ]);
  pose.addEventListener("pointermove", (event) => {
    if (panel.state !== "ready" || compareViewport.moving) return;
    const point = panel.canvas.point(event);
    showTips(panel, point);
    if (event.pointerType !== "touch") compareHover(point);
  });
  pose.addEventListener("pointerleave", () => (showTips(null), compareHover(null)));
  pose.addEventListener("click", (event) => {
    if (panel.state === "ready" && !compareViewport.moved) compareAsk({ point: panel.canvas.point(event), on: readyPanels().indexOf(panel), person: null });
  });
}

function setPanelState(panel, state) {
  const n = panel.nodes;
  panel.state = state;
  n.root.dataset.state = state;
  n.mat.setAttribute("aria-busy", String(state === "loading"));
  if (state === "loading") n.state.replaceChildren(make("span", { class: "pk-spin", "aria-hidden": "true" }), make("span", { text: titleOf(panel.model) + " is looking at the photo …" }));
  else if (state === "failed") n.state.replaceChildren(make("span", { text: panel.error }), make("button", { type: "button", class: "pk-btn", text: "Try again", onclick: () => openPanel(panel) }));
  else n.state.replaceChildren();
  const unsure = panel.view && panel.view.unsure;
  n.warn.hidden = isTrained(panel.model) && !unsure;
  n.warn.textContent = isTrained(panel.model) ? unsure || "" : UNTRAINED_PANEL;
  if (state !== "ready") {
    n.legend.textContent = n.facts.textContent = n.note.textContent = "";
  }
  drawLayers(panel);
  markCompare();
  fitPanels();
}

/** What the server drew of this panel for the question on show. */
function downloadPanel(panel) {
  const index = compare.sent && panel.answer ? compare.answered.indexOf(panel) : -1;
  if (index < 0) return complain("Wait until this model has answered; then there is something to download.");
  return downloadComparison("png", index);
}

/** Every model in each list; those in other panels trade places when chosen. */
function fillModels(panel) {
  const list = panel.nodes.model;
  if (list.options.length !== page.models.length) {
    list.replaceChildren(...page.models.map((model) => make("option", { value: model.name, text: model.label })));
  }
  list.value = panel.model;
}

/** The layers of this panel's model; pressing one makes the choice each panel's own. */
function drawLayers(panel) {
  const { layers } = panel.nodes, list = panel.view ? panel.view.layers : [];
  const shown = layerOf(panel), off = !METHODS.get(compare.method).layers;
  layers.replaceChildren(make("span", { text: "Layer", "aria-hidden": "true" }), ...list.map((layer, index) => make("button", {
    type: "button", "aria-pressed": String(index === shown && !off), disabled: off, text: layer.mark,
    "aria-label": layer.mark + ": " + layer.title, title: off ? "This method gives one map for the whole model" : layer.title,
    onclick: () => chooseOwnLayer(panel, index),
  })), panel.nodes.beside);
  compare.panels.forEach(drawBeside); // what is left to set beside a panel depends on the others
}

/** The button that sets another layer of a panel's model beside it; it names the layer. */
function drawBeside(panel) {
  const { beside } = panel.nodes, index = otherLayer(panel);
  beside.hidden = index === null;
  if (index === null) return;
  const { title } = panel.view.layers[index], words = title + " of " + titleOf(panel.model) + " beside this panel";
  write(beside, "+ " + title);
  beside.title = words + ", asked by the same click";
  beside.setAttribute("aria-label", "Add " + words);
}

/** From here on each panel keeps the layer that it shows. */
function ownLayers() {
  for (const panel of compare.panels) panel.layer = layerOf(panel);
  compare.layers = "own";
}

function chooseOwnLayer(panel, index) {
  ownLayers();
  panel.layer = index;
  layersChanged();
  panel.nodes.layers.querySelectorAll("button")[index]?.focus({ preventScroll: true });
}

/** Number keys pick the same layer in all panels, each model's last where it has fewer. */
function chooseLayerOfAll(index) {
  if (!METHODS.get(compare.method).layers) return;
  compare.layers = "own";
  for (const panel of compare.panels) panel.layer = panel.view ? Math.min(index, panel.view.layers.length - 1) : null;
  layersChanged();
}

function lastLayers() {
  compare.layers = "last";
  layersChanged();
}

function layersChanged() {
  compare.panels.forEach(drawLayers);
  markCompare();
  compareAgain();
  readyPanels().forEach(fetchPreviews);
}

/** The keypoint of a panel's own pose within a finger's width of a point, by index; -1 for none. */
function panelKeypoint(panel, point) {
  const person = panel.view.people[compare.person], near = person && nearestKeypoint([person], point, 14 * panel.canvas.unit);
  return near ? near.keypoint : -1;
}

/** Beside the keypoint under the pointer its name and confidence, in every panel that has it. */
function showTips(panel, point) {
  const k = panel ? panelKeypoint(panel, point) : -1;
  const name = k < 0 ? null : panel.view.skeleton.keypoints[k];
  for (const one of readyPanels()) {
    const own = name === null ? -1 : one.view.skeleton.keypoints.indexOf(name), person = one.view.people[compare.person];
    one.canvas.showTip(own < 0 || !person ? null : person.keypoints[own], name, person ? person.scores[own] : 0, person && person.doubts[own]);
  }
}
