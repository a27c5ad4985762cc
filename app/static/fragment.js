// What links are made of: words in the address's fragment, written and read alike on Explore, Compare and Occlusion.
// A photo is never among them; the name of one of our examples is, and which boxes were drawn on it.

const OWN_PHOTO = "own";
const NOT_THE_PHOTO = "The link holds the question, not the photo: upload the same photo, and the question is asked of it.";

// -- writing ------------------------------------------------------------------------------------

/** "#compare?models=a,b&keypoint=left+knee"; words without a value are left out. */
function fragmentOf(name, words) {
  return "#" + name + "?" + Object.entries(words).filter(([, value]) => value)
    .map(([word, value]) => word + "=" + encodeURIComponent(value).replace(/%20/g, "+").replace(/%2C/g, ",").replace(/%3B/g, ";")).join("&");
}

/** Photo pixels in tenths: "12.5,30". */
function pixelWords(values) {
  return values.map((value) => Math.round(value * 10) / 10).join(",");
}

/** Boxes as outer edges: "1,2,3,4;5,6,7,8"; "none" for the whole photo. */
function boxWords(boxes) {
  return boxes.map(pixelWords).join(";") || "none";
}

/** How far a viewport is zoomed, and the photo point in its middle; null for the whole photo. */
function zoomWords(viewport) {
  return viewport.zoomed ? viewport.zoom.toFixed(2) + "," + pixelWords(viewport.middle) : null;
}

/** The photo that Explore holds, which is the other pages' own, too; boxes only where they are not the example's. */
function photoWords() {
  const { source, view } = page, boxes = boxWords(page.boxes);
  return {
    photo: source.example || OWN_PHOTO,
    boxes: source.example && boxes !== asking.fresh.get(source.example + view.finds) ? boxes : null,
  };
}

// -- reading ------------------------------------------------------------------------------------

const quoted = (text) => "“" + (text.length > 60 ? text.slice(0, 60) + "…" : text) + "”";

const among = (list) => (text) => (list.includes(text) ? text : null);

const anyWord = (text) => text;

const wholeFrom = (least, most) => (text) => (/^\d{1,3}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : null);

/** So many numbers with a comma between them, or null. */
function numbersOf(text, count) {
  const values = text.split(",").map((part) => (/^-?\d{1,6}(\.\d{1,6})?$/.test(part) ? Number(part) : NaN));
  return values.length === count && values.every(Number.isFinite) ? values : null;
}

const numbersFrom = (count) => (text) => numbersOf(text, count);

/** The words of a fragment: read(name, accept, complaint) gives a value or null. What is wrong becomes a sentence in `told`; the rest still counts. */
function wordsOf(fragment) {
  const words = new URLSearchParams(fragment.split("?").slice(1).join("?")), told = [];
  const read = (name, accept, complaint) => {
    const text = words.get(name);
    if (text === null || text === "") return null;
    const value = accept(text);
    if (value === null) told.push(complaint(quoted(text)));
    return value;
  };
  return { told, read };
}

function readModel(read) {
  return read("model", among(page.models.map((one) => one.name)), (text) => "There is no model " + text + " here.");
}

function readPhoto(read) {
  return {
    photo: read("photo", among([OWN_PHOTO, ...page.examples.map((one) => one.id)]), (text) => "There is no example photo " + text + " here."),
    boxes: read("boxes", (text) => {
      if (text === "none") return [];
      const boxes = text.split(";").slice(0, 32).map(numbersFrom(4));
      return boxes.every((one) => one && one[2] > one[0] && one[3] > one[1]) ? boxes : null;
    }, () => "The link’s boxes are no boxes, so those of the example are used."),
  };
}

function readPerson(read) {
  return read("person", wholeFrom(1, 999), (text) => "The link’s person is " + text + ", which is no number.");
}

function readSpot(read) {
  return read("at", numbersFrom(2), (text) => "The link’s spot is " + text + ", which is no x,y in pixels.");
}

function readZoom(read) {
  return read("zoom", (text) => {
    const values = numbersOf(text, 3);
    return values && values[0] >= 1 && values[0] <= MOST_ZOOM ? values : null;
  }, (text) => "The link’s zoom is " + text + ", which is not from 1 to " + MOST_ZOOM + " and a spot x,y in pixels.");
}

/** Zoom a viewport as a link says, or show the whole photo where it says nothing. */
function showZoom(viewport, zoom) {
  if (zoom) viewport.show(zoom[0], zoom.slice(1));
  else viewport.reset();
}

/** Sentences about a link, in one line; that a photo is missing is news rather than trouble. */
function tellLink(told) {
  complain(told.join(" "), told.length === 1 && told[0] === NOT_THE_PHOTO);
}

/** Whether a link is about a photo that only its visitor has, and that is not open here. */
function photoMissing(state) {
  return state.photo === OWN_PHOTO && !(page.source && page.source.file);
}

/**
 * Bring a link's example, its boxes and the model `start` names to Explore, from where every page has its photo.
 * Resolves to false when all of it is there already. `start`: {model, note, wanted}, see analyse.
 */
async function bringPhotoOf(state, start) {
  const example = state.photo === OWN_PHOTO ? null : state.photo;
  const finds = page.view && page.view.finds;
  const wantedBoxes = state.boxes ? boxWords(state.boxes) : example && asking.fresh.get(example + finds);
  if (!page.view || (example && page.source.example !== example) || (example && !state.boxes && boxWords(page.boxes) !== wantedBoxes)) {
    const source = { example: example || page.examples[0].id };
    if (!state.boxes) await analyse(source, start);
    else if (state.boxes.length) await analyse(source, { ...start, boxes: state.boxes });
    else if (await analyse(source, { note: start.note, model: start.model })) await again({ ...start, boxes: [] });
  } else if (start.model !== page.view.model || (example && state.boxes && boxWords(page.boxes) !== wantedBoxes)) {
    await again({ ...start, boxes: example && state.boxes ? state.boxes : page.boxes });
  } else return false;
  return true;
}

const OPENING_LINK = "Opening the link …";
