// Explore's link: the question on show, in the address. The photo is never part of it; the name of one of our examples is.

const ASKED = /^#explore\?(.*)$/;
const OWN_PHOTO = "own";
const NOT_THE_PHOTO = "The link holds the question, not the photo: upload the same photo, and the question is asked of it.";

const asking = {
  link: null,        // the fragment that this page wrote, or opened, last
  touched: false,    // the address stays as it is until the visitor does something
  opening: false,
  timer: 0,
  waiting: null,     // the question of a link whose photo is still to come
  fresh: new Map(),  // the boxes that an example comes with, by example and way of finding people
};

// -- writing ------------------------------------------------------------------------------------

/** Boxes as outer edges in tenths of a pixel: "1,2,3,4;5,6,7,8"; "none" for the whole photo. */
function boxWords(boxes) {
  return boxes.map((edges) => edges.map((edge) => Math.round(edge * 10) / 10).join(",")).join(";") || "none";
}

/** Note the boxes that an example was opened with, so that a link names only those that are not its own. */
function rememberBoxes(view, source) {
  if (source.example) asking.fresh.set(source.example + view.finds, boxWords(view.whole ? [] : view.people.map((person) => person.edges)));
}

function askedWords() {
  const { view, query, source } = page, boxes = boxWords(page.boxes);
  const whole = (share) => String(Math.round(share * 100));
  return {
    model: view.model,
    photo: source.example || OWN_PHOTO,
    boxes: source.example && boxes !== asking.fresh.get(source.example + view.finds) ? boxes : null,
    person: view.people.length > 1 ? String(query.person + 1) : null,
    keypoint: query.keypoint === null ? null : view.skeleton.keypoints[query.keypoint],
    at: query.keypoint === null ? query.point.map((value) => value.toFixed(1)).join(",") : null,
    layer: layerName(),
    head: page.head === null ? "mean" : String(page.head + 1),
    direction: page.direction, method: page.method, part: page.part,
    zoom: stage.viewport.zoomed ? [stage.viewport.zoom.toFixed(2), ...stage.viewport.middle.map((value) => value.toFixed(1))].join(",") : null,
    opacity: whole(page.opacity), keep: whole(page.keep), colours: page.palette,
  };
}

function askedFragment() {
  return "#explore?" + Object.entries(askedWords()).filter(([, value]) => value)
    .map(([name, value]) => name + "=" + encodeURIComponent(value).replace(/%20/g, "+").replace(/%2C/g, ",").replace(/%3B/g, ";")).join("&");
}

function writeAsked() {
  clearTimeout(asking.timer);
  if (asking.opening || !pageShown("explore") || !page.view || !page.query) return;
  asking.link = askedFragment();
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

const quoted = (text) => "“" + (text.length > 60 ? text.slice(0, 60) + "…" : text) + "”";

/** What a link asks for.  What it gets wrong becomes a sentence in `told`; the rest still counts. */
function readAsked(fragment) {
  const words = new URLSearchParams((ASKED.exec(fragment) || ["", ""])[1]), told = [];
  const read = (name, accept, complaint) => {
    const text = words.get(name);
    if (text === null || text === "") return null;
    const value = accept(text);
    if (value === null) told.push(complaint(quoted(text)));
    return value;
  };
  const among = (list) => (text) => (list.includes(text) ? text : null);
  const numbers = (text, count) => {
    const values = text.split(",").map((part) => (/^-?\d{1,6}(\.\d{1,6})?$/.test(part) ? Number(part) : NaN));
    return values.length === count && values.every(Number.isFinite) ? values : null;
  };
  const whole = (least, most) => (text) => (/^\d{1,3}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : null);
  const share = (name, least) => read(name, whole(least, 100), (text) => "The link’s " + name + " is " + text + ", which is no per cent from " + least + " to 100.");
  return {
    told,
    model: read("model", among(page.models.map((one) => one.name)), (text) => "There is no model " + text + " here."),
    photo: read("photo", among([OWN_PHOTO, ...page.examples.map((one) => one.id)]), (text) => "There is no example photo " + text + " here."),
    boxes: read("boxes", (text) => {
      if (text === "none") return [];
      const boxes = text.split(";").slice(0, 32).map((one) => numbers(one, 4));
      return boxes.every((one) => one && one[2] > one[0] && one[3] > one[1]) ? boxes : null;
    }, () => "The link’s boxes are no boxes, so those of the example are used."),
    person: read("person", whole(1, 999), (text) => "The link’s person is " + text + ", which is no number."),
    keypoint: read("keypoint", (text) => text, String),
    at: read("at", (text) => numbers(text, 2), (text) => "The link’s spot is " + text + ", which is no x,y in pixels."),
    layer: read("layer", (text) => text, String),
    head: read("head", (text) => (text === "mean" ? 0 : whole(1, 999)(text)), (text) => "The link’s head is " + text + ", which is no number."),
    direction: read("direction", among(["row", "column"]), (text) => "The link’s direction is " + text + "; it is row or column."),
    method: read("method", among([...HOW.keys()]), (text) => "There is no method " + text + "."),
    part: read("part", (text) => text, String),
    zoom: read("zoom", (text) => {
      const values = numbers(text, 3);
      return values && values[0] >= 1 && values[0] <= MOST_ZOOM ? values : null;
    }, (text) => "The link’s zoom is " + text + ", which is not from 1 to " + MOST_ZOOM + " and a spot x,y in pixels."),
    opacity: share("opacity", 0), keep: share("keep", 5),
    colours: read("colours", among(Object.keys(page.tables)), (text) => "There is no colour map " + text + "."),
  };
}

/** Do what the address asks for; resolves when it is on the page, or a sentence says why not. */
async function openAsked() {
  const state = readAsked(location.hash), mine = location.hash;
  Object.assign(asking, { link: mine, touched: true, opening: true });
  takeLooks(state);
  const example = state.photo === OWN_PHOTO ? null : state.photo;
  const model = state.model || (page.view ? page.view.model : slot("model").value);
  const note = "Opening the link …", start = { note, model, wanted: state };
  const own = page.source && page.source.file;
  const finds = page.view && page.view.finds;
  const wantedBoxes = state.boxes ? boxWords(state.boxes) : example && asking.fresh.get(example + finds);
  if (!page.view || (example && page.source.example !== example) || (example && !state.boxes && boxWords(page.boxes) !== wantedBoxes)) {
    const source = { example: example || page.examples[0].id };
    if (!state.boxes) await analyse(source, start);
    else if (state.boxes.length) await analyse(source, { ...start, boxes: state.boxes });
    else if (await analyse(source, { note, model })) await again({ ...start, boxes: [] });
  } else if (model !== page.view.model || (example && state.boxes && boxWords(page.boxes) !== wantedBoxes)) {
    await again({ ...start, boxes: example && state.boxes ? state.boxes : page.boxes });
  } else if (await askLinked(state)) hint();
  asking.opening = false;
  if (asking.link !== mine) return; // meanwhile another link was opened
  if (state.photo === OWN_PHOTO && !own) {
    state.told.unshift(NOT_THE_PHOTO);
    Object.assign(asking, { touched: false, waiting: { ...state, told: [] } });
  }
  if (state.told.length) complain(state.told.join(" "), state.told.length === 1 && state.told[0] === NOT_THE_PHOTO);
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
  if (state.zoom) stage.viewport.show(state.zoom[0], state.zoom.slice(1));
  else stage.viewport.reset();
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
