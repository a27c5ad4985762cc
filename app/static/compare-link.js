// Compare's link: panels, question and zoom, in the address. What links are made of stands in fragment.js.

const FRAGMENT = /^#compare\?(.*)$/;

/** What a link says; what it gets wrong becomes a sentence in `told`, and the rest still counts. */
function linkedState() {
  const { told, read } = wordsOf(FRAGMENT.test(location.hash) ? location.hash : "");
  const list = (text) => text.split(",").filter(Boolean);
  const way = read("direction", among(["row", "column"]), (text) => "The link’s direction is " + text + "; it is row or column.");
  const ask = read("ask", among(["own", "same"]), (text) => "The link asks at " + text + "; it is own or same.");
  const layers = read("layers", list, String) || [];
  const head = read("head", wholeFrom(1, 99), (text) => "The link’s head is " + text + ", which is no number.");
  return {
    told,
    models: read("models", list, String) || [], ...readPhoto(read), person: readPerson(read),
    keypoint: read("keypoint", anyWord, String),
    layers: layers[0] === "last" && layers.length === 1 ? [] : layers,
    direction: way || "row", anchor: ask === "own" ? "keypoint" : "point",
    method: read("method", among([...METHODS.keys()]), (text) => "There is no method " + text + ".") || "attention",
    head: head && head - 1, zoom: readZoom(read),
  };
}

function linkWords() {
  const layers = compare.layers === "last" ? "last" : compare.panels.map((panel) => panelLayer(panel) || panel.wantedLayer || "last").join(",");
  return {
    models: compare.panels.map((panel) => panel.model).join(","), ...photoWords(),
    person: page.view.people.length > 1 ? String(compare.person + 1) : null,
    keypoint: (compare.query && compare.query.keypoint) || compare.wanted,
    layers, head: compare.head === null ? null : String(compare.head + 1), direction: compare.direction, method: compare.method,
    ask: compare.anchor === "keypoint" ? "own" : "same",
    zoom: compare.zoom ? compare.zoom.join(",") : zoomWords(compareViewport),
  };
}

/** Keep the address in step, so that a copied address bar and a reload bring back the same. */
function keepLink() {
  clearTimeout(compare.timer);
  if (!pageShown("compare") || !compare.panels.length || !compare.base || !page.view) return;
  compare.link = fragmentOf("compare", linkWords());
  if (location.hash !== compare.link) history.replaceState(history.state, "", compare.link);
}

compareViewport.addEventListener("change", () => {
  clearTimeout(compare.timer);
  compare.timer = setTimeout(keepLink, 250); // a pan would write a hundred times a second
});

/** Whether the address holds a comparison that this page did not write there. */
function newLink() {
  return FRAGMENT.test(location.hash) && location.hash !== compare.link;
}

/** Bring a new link's photo to Explore first, once; then the panels open on it. */
async function bringLinkedPhoto() {
  compare.bringing = true;
  await bringPhotoOf(linkedState(), { note: OPENING_LINK, model: page.view.model });
  compare.bringing = false;
}

/** Models, question, layers and zoom of a link, or the page's own choice. */
function beginWith(state) {
  const { told } = state;
  // A model may be named twice, each time with a layer of its own; one that is not here takes its layer with it.
  const here = (model) => page.models.some((one) => one.name === model);
  for (const model of state.models) if (!here(model)) told.push("There is no model " + quoted(model) + " here.");
  const panels = state.models.map((model, at) => ({ model, layer: state.layers[at] || null })).filter(({ model }) => here(model)).slice(0, props.compare.most);
  const fill = [page.view.model, ...props.compare.begin, ...page.models.map((one) => one.name)];
  for (const model of fill) if (panels.length < 2 && !panels.some((one) => one.model === model)) panels.push({ model, layer: null });
  Object.assign(compare, { direction: state.direction, method: state.method, anchor: state.anchor, head: state.head, layers: state.layers.length ? "own" : "last" });
  if (state.keypoint) compare.wanted = state.keypoint;
  if (state.person > page.view.people.length) told.push("There is no person " + state.person + " here; it shows person 1.");
  if (state.person) compare.person = state.person > page.view.people.length ? 0 : state.person - 1;
  compare.query = compare.answer = compare.ranking = compare.trust = null;
  compare.link = location.hash;
  compare.zoom = state.zoom;
  if (photoMissing(state)) {
    told.unshift(NOT_THE_PHOTO);
    Object.assign(compare, { zoom: null, waiting: state.zoom });
  }
  compare.told = told;
  compareViewport.reset();
  markCompare();
  setPanels(panels.map(({ model, layer }) => Object.assign(newPanel(model), { wantedLayer: layer })));
  if (told.length) tellLink(told);
}

/** One more sentence about the link on show. */
function tellCompare(sentence) {
  compare.told.push(sentence);
  tellLink(compare.told);
}

window.addEventListener("hashchange", () => {
  if (!element.isConnected || !pageShown("compare") || pageNamed(location.hash) !== "compare") return;
  if (newLink()) openCompare();
  else keepLink();
});

async function copyLink() {
  keepLink();
  if (!(await copyText(location.href, slot("compare-link-text"), "Copy link"))) complain("The browser did not allow it; the address bar holds the same link.");
  else if (!page.source.example) complain("Copied. The link holds the question, not the photo.", true);
}
