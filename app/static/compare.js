// Compare: what the page knows, its panels, and the models in them.
//
// A panel is one model looking at the photo that Explore holds (page.view says which, and whose boxes), through one of its
// layers: a model may stand in several panels, to see two of its layers answer the same click. The server keeps one
// analysed view a model; the page keeps its id, its pose, and the previews that let the maps follow the pointer.

const compare = {
  panels: [],         // left to right: {id, model, state, view, opening, error, layer, previews, answer, canvas, nodes}
  layers: "last",     // every model's last layer, or "own": panel.layer
  direction: "row", method: "attention",
  head: null,         // null: the mean, or what the method makes of all of them
  anchor: "point",    // ask all models at the same spot, or ("keypoint") each at its own keypoint
  scale: "one",       // one colour scale for all panels, or "own"
  person: 0,
  query: null, answer: null, ranking: null, trust: null,
  hover: null,        // {point} while the previews follow the pointer; {asked} until the server answers
  pinned: false,
  sent: null,         // the request behind the answer, to ask for more of the same
  answered: [],       // the panels it was about, in its order
  wanted: null,       // a keypoint's name to ask about as soon as two panels are ready
  pair: [0, 1], wipe: 50,
  link: null,         // the fragment this page wrote last
  bringing: false,    // whether a link's photo is on its way
  zoom: null,         // a link's [zoom, x, y], until the first answer has been drawn
  waiting: null,      // the same of a link whose photo is still to come
  told: [],           // sentences about the link, until another question is asked
  timer: 0,
  base: null,         // {source, boxes, token}: what the panels were analysed from
  serial: 0, asks: 0,
};

const compareViewport = new Viewport(); // what part of the photo all panels show

const METHODS = new Map(props.compare.methods.map((method) => [method.name, method]));
const NARROWEST = 250; // screen pixels a panel needs to be worth looking at

function readyPanels() {
  return compare.panels.filter((panel) => panel.state === "ready");
}

function isTrained(model) {
  const known = page.models.find((one) => one.name === model);
  return !known || known.trained;
}

function titleOf(model) {
  const known = page.models.find((one) => one.name === model);
  return known ? known.title : model;
}

/** The layer a panel shows, by its place in the model; null while nothing is known of it. */
function layerOf(panel) {
  if (!panel.view || !panel.view.layers.length) return null;
  const last = panel.view.layers.length - 1;
  return compare.layers === "last" || panel.layer === null ? last : Math.min(panel.layer, last);
}

/** Its name, null for a model without attention layers. */
function panelLayer(panel) {
  const index = layerOf(panel);
  return index === null ? null : panel.view.layers[index].name;
}

function newPanel(model, layer) {
  const panel = {
    id: ++compare.serial, model, state: "waiting", view: null, opening: null, error: "", answer: null, canvas: null,
    layer: layer === undefined ? null : layer, wantedLayer: null, previews: new Map(), nodes: null,
  };
  buildPanel(panel);
  return panel;
}

/** Make these the page's panels, and open those that are new. */
function setPanels(panels) {
  compare.panels = panels;
  layPanels();
  for (const panel of compare.panels) if (panel.state === "waiting") openPanel(panel);
}

/** Put the panels on the page, as many side by side as leave each one room. */
function layPanels() {
  const box = slot("panels"), count = compare.panels.length;
  const last = count < props.compare.most ? [addButton()] : [];
  const wanted = [...compare.panels.map((panel) => panel.nodes.root), ...last];
  // Only what moved is put in again, so that a chosen list keeps the focus.
  if (wanted.length !== box.children.length || wanted.some((node, n) => node !== box.children[n])) box.replaceChildren(...wanted);
  compare.panels.forEach((panel, index) => {
    panel.nodes.root.setAttribute("aria-label", "Panel " + (index + 1) + ", " + titleOf(panel.model));
    panel.nodes.remove.hidden = count <= 2;
    fillModels(panel);
    drawBeside(panel);
  });
  compare.pair = compare.pair.map((index, side) => (index < count ? index : side ? count - 1 : 0));
  if (compare.pair[0] === compare.pair[1]) compare.pair = [0, Math.min(1, count - 1)];
  fitPanels();
  keepLink();
}

function addButton() {
  return make("button", {
    type: "button", class: "pk-add", onclick: addPanel,
    title: "Add a model, " + compare.panels.length + " of at most " + props.compare.most + " are here",
  }, [make("span", { text: "+", "aria-hidden": "true" }), make("b", { text: "Add a model" })]);
}

/** The next model that is not here yet, trained ones first as the server lists them. */
function addPanel() {
  const here = compare.panels.map((panel) => panel.model);
  const next = page.models.find((model) => !here.includes(model.name));
  if (!next) return complain("Every model there is stands on the page already.");
  setPanels([...compare.panels, newPanel(next.name)]);
  showPanel(compare.panels[compare.panels.length - 1]);
}

function showPanel({ nodes }) {
  nodes.root.scrollIntoView({ block: "nearest", inline: "nearest" });
  nodes.model.focus({ preventScroll: true });
}

/**
 * The layer to set beside the one a panel shows, by its place in the model; null where all are on the page.
 * The last layer of a kind that no panel of this model shows (a bottleneck's attention beside the encoder's); else the last not shown.
 */
function otherLayer(panel) {
  const { view } = panel, same = compare.panels.filter((one) => one.view && one.model === panel.model).map(layerOf);
  if (!view || !METHODS.get(compare.method).layers || compare.panels.length >= props.compare.most) return null;
  const kinds = same.map((index) => view.layers[index]?.kind);
  const free = view.layers.map((_, index) => index).filter((index) => !same.includes(index)).reverse();
  return free.find((index) => !kinds.includes(view.layers[index].kind)) ?? free[0] ?? null;
}

/** The same model in one more panel, right of this one, showing another of its layers. */
function addLayer(panel) {
  const layer = otherLayer(panel), at = compare.panels.indexOf(panel);
  if (layer === null) return;
  ownLayers();
  const added = newPanel(panel.model, layer);
  compare.pair = [at, at + 1]; // both of them in "two at a time"
  setPanels([...compare.panels.slice(0, at + 1), added, ...compare.panels.slice(at + 1)]);
  showPanel(added);
}

function removePanel(panel) {
  if (compare.panels.length <= 2) return;
  const at = compare.panels.indexOf(panel);
  compare.panels = compare.panels.filter((one) => one !== panel);
  layPanels();
  compare.panels[Math.min(at, compare.panels.length - 1)].nodes.model.focus({ preventScroll: true });
  compareAgain();
}

/** Another model in this panel's place; two panels of one model on the same layer would say nothing, so they trade. */
function changeModel(panel, model) {
  const other = compare.panels.find((one) => one.model === model && one !== panel), shown = other || newPanel(model);
  setPanels(compare.panels.map((one) => (one === panel ? shown : one === other ? panel : one)));
  shown.nodes.model.focus({ preventScroll: true });
  if (other) compareAgain();
}

/** A panel's analysed view: that of the same model's other panel, of Explore, or a new one from the server. */
function viewOf(panel) {
  const twin = compare.panels.find((one) => one !== panel && one.model === panel.model && (one.view || one.opening));
  if (twin) return twin.view || twin.opening;
  if (panel.model === page.view.model && page.view.people.length) return page.view;
  return call("compare_open", { token: page.token, view: page.view.id, model: panel.model, boxes: page.boxes });
}

/** Run one panel's model on the photo that is open. */
async function openPanel(panel) {
  if (!page.view) return;
  const base = compare.base;
  setPanelState(panel, "loading");
  const reply = await (panel.opening = viewOf(panel));
  if (compare.base !== base || !compare.panels.includes(panel)) return;
  panel.opening = null;
  if (reply.expired) return void sendAgain();
  if (reply.error) {
    panel.error = reply.error;
    return setPanelState(panel, "failed"), compareAgain();
  }
  panel.view = reply;
  panel.previews = new Map();
  if (panel.wantedLayer) {
    const at = reply.layers.findIndex((layer) => layer.name === panel.wantedLayer);
    panel.layer = at < 0 ? null : at;
    if (at < 0 && panel.wantedLayer !== "last") tellCompare(reply.title + " has no layer " + quoted(panel.wantedLayer) + ".");
    panel.wantedLayer = null;
  }
  setPanelState(panel, "ready");
  await compareAgain();
  fetchPreviews(panel);
}

let sending = null;

/** The server let go of the photo: one new upload for all panels, however many noticed. */
function sendAgain() {
  if (!sending) sending = analyseAgainSilently().finally(() => (sending = null));
  return sending;
}

/** Bring the panels to the photo that is open now; what still fits is kept. */
async function openCompare() {
  if (!page.view) return;
  if (newLink() && !compare.bringing) await bringLinkedPhoto();
  const base = { source: page.source, boxes: JSON.stringify(page.boxes), token: page.token };
  if (compare.base && compare.base.source !== base.source) {
    compareViewport.reset();
    if (base.source.file) [compare.zoom, compare.waiting] = [compare.waiting, null];
  }
  const same = compare.base && Object.keys(base).every((key) => base[key] === compare.base[key]);
  if (!same) {
    compare.base = base;
    compare.wanted = compare.wanted || (compare.query && compare.query.keypoint)
      || (page.query && page.query.keypoint !== null ? page.view.skeleton.keypoints[page.query.keypoint] : null);
    compare.query = compare.answer = compare.ranking = compare.trust = compare.hover = null;
    compare.pinned = false;
    // Where Explore's model found nobody, the other models are asked about the first person they are shown.
    compare.person = Math.max(0, Math.min(page.person, page.view.people.length - 1));
    for (const panel of compare.panels) Object.assign(panel, { state: "waiting", view: null, opening: null, answer: null, previews: new Map() });
    clearAnswers();
  }
  if (!compare.panels.length || newLink()) beginWith(linkedState());
  else setPanels(compare.panels);
  if (same && compare.wanted) compareAgain();
  drawComparePeople();
  drawAsked();
}

element.addEventListener("pk-shown", () => {
  if (pageShown("compare")) openCompare();
});
element.addEventListener("pk-page", (event) => {
  if (event.detail !== "compare") return;
  openCompare();
  requestAnimationFrame(fitPanels);
});
