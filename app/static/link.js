// Explore's link: the question on show, in the address. What links are made of stands in fragment.js.

const ASKED = /^#explore\?(.*)$/;

const asking = {
  link: null,        // the fragment that this page wrote, or opened, last
  touched: false,    // the address stays as it is until the visitor does something
  opening: false,
  timer: 0,
  waiting: null,     // the question of a link whose photo is still to come
  fresh: new Map(),  // the boxes that an example comes with, by example and way of finding people
};

// -- writing ------------------------------------------------------------------------------------

/** Note the boxes that an example was opened with, so that a link names only those that are not its own. */
function rememberBoxes(view, source) {
  if (source.example) asking.fresh.set(source.example + view.finds, boxWords(view.whole ? [] : view.people.map((person) => person.edges)));
}

function askedWords() {
  const { view, query } = page, whole = (share) => String(Math.round(share * 100));
  return {
    model: view.model, ...photoWords(),
    person: view.people.length > 1 ? String(query.person + 1) : null,
    keypoint: query.keypoint === null ? null : view.skeleton.keypoints[query.keypoint],
    at: query.keypoint === null ? pixelWords(query.point) : null,
    layer: layerName(),
    head: page.head === null ? "mean" : String(page.head + 1),
    direction: page.direction, method: page.method, part: page.part,
    zoom: zoomWords(stage.viewport),
    opacity: whole(page.opacity), keep: whole(page.keep), colours: page.palette,
  };
}

function writeAsked() {
  clearTimeout(asking.timer);
  if (asking.opening || !pageShown("explore") || !page.view || !page.query) return;
  asking.link = fragmentOf("explore", askedWords());
  if (location.hash !== asking.link) history.replaceState(history.state, "", asking.link);
}

/** Keep the address in step, so that a copied address bar, a reload and the way back bring the same. */
function keepAsked() {
  if (!asking.touched) return;
  clearTimeout(asking.timer);
  asking.timer = setTimeout(writeAsked, 250); // a slider would write a hundred times a second
}

async function copyAsked() {
  if (!page.query) return complain("Click a spot on the photo first; then there is a question to link to.");
  asking.touched = true;
  writeAsked();
  if (!(await copyText(location.href, slot("link-text"), "Copy link"))) complain("The browser did not allow it; the address bar holds the same link.");
  else if (!page.source.example) complain("Copied. The link holds the question, not the photo.", true);
}

for (const kind of ["click", "change", "input", "keyup"]) element.querySelector('[data-page="explore"]').addEventListener(kind, () => {
  asking.touched = true;
  keepAsked();
});

stage.viewport.addEventListener("change", () => {
  asking.touched = true;
  keepAsked();
});

// -- reading ------------------------------------------------------------------------------------

/** What a link asks for.  What it gets wrong becomes a sentence in `told`; the rest still counts. */
function readAsked(fragment) {
  const { told, read } = wordsOf(fragment);
  const share = (name, least) => read(name, wholeFrom(least, 100), (text) => "The link’s " + name + " is " + text + ", which is no per cent from " + least + " to 100.");
  return {
    told,
    model: readModel(read), ...readPhoto(read), person: readPerson(read),
    keypoint: read("keypoint", anyWord, String), at: readSpot(read),
    layer: read("layer", anyWord, String),
    head: read("head", (text) => (text === "mean" ? 0 : wholeFrom(1, 999)(text)), (text) => "The link’s head is " + text + ", which is no number."),
    direction: read("direction", among(["row", "column"]), (text) => "The link’s direction is " + text + "; it is row or column."),
    method: read("method", among([...HOW.keys()]), (text) => "There is no method " + text + "."),
    part: read("part", anyWord, String), zoom: readZoom(read),
    opacity: share("opacity", 0), keep: share("keep", 5),
    colours: read("colours", among(Object.keys(page.tables)), (text) => "There is no colour map " + text + "."),
  };
}

/** Do what the address asks for; resolves when it is on the page, or a sentence says why not. */
async function openAsked() {
  const state = readAsked(location.hash), mine = location.hash;
  Object.assign(asking, { link: mine, touched: true, opening: true });
  takeLooks(state);
  const model = state.model || (page.view ? page.view.model : slot("model").value), missing = photoMissing(state);
  if (!(await bringPhotoOf(state, { note: OPENING_LINK, model, wanted: state })) && (await askLinked(state))) hint();
  asking.opening = false;
  if (asking.link !== mine) return; // meanwhile another link was opened
  if (missing) {
    state.told.unshift(NOT_THE_PHOTO);
    Object.assign(asking, { touched: false, waiting: { ...state, told: [] } });
  }
  if (state.told.length) tellLink(state.told);
}

/** The question that waited for this photo, once. */
function takeWaiting(source) {
  const { waiting } = asking;
  if (source.file) asking.waiting = null;
  return source.file ? waiting : null;
}

/** Opacity, threshold, colours, direction and method: what needs no photo. */
function takeLooks(state) {
  for (const name of ["opacity", "keep"]) if (state[name] !== null) {
    page[name] = state[name] / 100;
    slot(name).value = state[name];
    slot(name + "-out").textContent = state[name] + " %";
  }
  if (state.colours) page.palette = slot("palette").value = state.colours;
  if (state.direction) page.direction = state.direction;
  if (state.method && state.method !== page.method) {
    stopJob("replaced");
    page.method = slot("method").value = state.method;
    page.found = null;
    page.told = "";
  }
}

/** Ask the photo on show what a link asks; false when the link names neither keypoint nor spot that is there. */
async function askLinked(state) {
  const { view } = page, { told } = state, { layers, people } = view;
  const layer = state.layer === null ? page.layer : layers.findIndex((one) => one.name === state.layer);
  if (layer >= 0) page.layer = Math.min(layer, Math.max(0, layers.length - 1));
  else told.push(view.title + " has no layer " + quoted(state.layer) + ".");
  const shape = layers[page.layer];
  if (state.head !== null) page.head = state.head === 0 ? null : state.head - 1;
  if (shape && page.head >= shape.heads) {
    told.push("This layer has " + shape.heads + (shape.heads > 1 ? " heads" : " head") + ", so there is no head " + (page.head + 1) + ".");
    page.head = null;
  }
  if (shape && state.part && !shape.parts.includes(state.part)) told.push("This layer’s attention has no part " + quoted(state.part) + ".");
  else if (shape && (state.part || state.keypoint || state.at)) page.part = state.part;
  markMethod();
  buildHeads();
  markChoice();
  paint();
  let person = (state.person || 1) - 1;
  if (person >= people.length && people.length) {
    told.push("There is no person " + state.person + " here; it shows person 1.");
    person = 0;
  }
  const keypoint = state.keypoint === null ? -1 : view.skeleton.keypoints.indexOf(state.keypoint);
  if (state.keypoint !== null && keypoint < 0) told.push(view.title + " knows no keypoint " + quoted(state.keypoint) + ".");
  else if (keypoint >= 0 && people.length && !people[person].keypoints[keypoint]) told.push(view.title + " found no " + state.keypoint + " in this photo.");
  const there = people.length && (keypoint >= 0 ? people[person].keypoints[keypoint] : state.at);
  if (!there) return false;
  if (keypoint >= 0) await ask({ person, keypoint, quiet: true, interrupted: null });
  else await ask({ person, point: state.at, free: true, quiet: true, interrupted: null });
  if (!page.query) told.push(slot("alert-text").textContent); // the server said why not
  showZoom(stage.viewport, state.zoom);
  page.pinned = Boolean(page.query); // whoever sent it means this very spot
  return page.pinned;
}

window.addEventListener("hashchange", () => {
  if (!element.isConnected || !page.token || pageNamed(location.hash) !== "explore") return;
  if (ASKED.test(location.hash) && location.hash !== asking.link) openAsked();
  else keepAsked();
});
element.addEventListener("pk-page", (event) => {
  if (event.detail === "explore" && !ASKED.test(location.hash)) keepAsked();
});
