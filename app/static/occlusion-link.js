// Occlusion's link: the case or photo, the question, what is in front, and the zoom, in the address. What links are made
// of stands in fragment.js. Of an occluder the link says kind, place, size and colour; of a piece of the photo where it is
// taken from, and of a cut-out whose it is: no pixel.

const OC_FRAGMENT = /^#occlusion\?(.*)$/;
const MOST_STROKE = 400; // points, as many as the brush paints

// -- writing ------------------------------------------------------------------------------------

function ocLinkWords() {
  const { source, view, person, keypoint, point, layer } = occlusion;
  return {
    case: source.case, ...(source.own ? photoWords() : {}), model: view.model,
    person: view.people.length > 1 ? String(person + 1) : null,
    keypoint: keypoint === null ? null : view.skeleton.keypoints[keypoint],
    at: keypoint === null && point ? pixelWords(point) : null, layer,
    ...frontWords(), zoom: occlusion.zoom ? occlusion.zoom.join(",") : zoomWords(ocViewport),
  };
}

/** What is in front, in words; nothing where it is what the case itself puts there. */
function frontWords() {
  const { occluder: thing, view, masks } = occlusion, plain = JSON.stringify;
  if (plain(thing) === plain(view.occluder)) return {};
  if (!thing) return { occluder: "none" };
  const words = { occluder: thing.kind, colour: thing.colour && colourWords(thing.colour) };
  if (thing.kind === "stroke") return { ...words, place: thing.points.map(pixelWords).join(";"), width: pixelWords([thing.width]), ends: thing.flat ? "flat" : null };
  const [x, y, w, h] = thingBox(thing), place = pixelWords([x, y]);
  if (thing.kind === "rectangle") return { ...words, place, size: pixelWords([w, h]) };
  if (thing.kind === "patch") return { ...words, place, from: pixelWords(thing.source.slice(0, 2)), size: pixelWords([w, h]) };
  const whose = masks ? masks.list.findIndex((mask) => plain(mask.counts) === plain(thing.mask.counts)) : -1;
  return whose < 0 ? {} : { ...words, place, of: String(whose + 1) }; // a saved case's cut-out is in no list
}

function colourWords(colour) {
  const named = Object.entries(OC_COLOURS).find(([name, value]) => name === colour || (Array.isArray(value) && String(value) === String(colour)));
  return named ? named[0] : colour.join(",");
}

function keepOcLink() {
  clearTimeout(occlusion.timer);
  if (!pageShown("occlusion") || !occlusion.view) return;
  occlusion.link = occlusion.source.saved ? "#occlusion" : fragmentOf("occlusion", ocLinkWords());
  if (location.hash !== occlusion.link) history.replaceState(history.state, "", occlusion.link);
}

ocViewport.addEventListener("change", () => {
  clearTimeout(occlusion.timer);
  occlusion.timer = setTimeout(keepOcLink, 250); // a pan would write a hundred times a second
});

async function copyOcLink() {
  if (!occlusion.view) return complain("Wait until the photo is open; then there is something to link to.");
  if (occlusion.source.saved) return complain("A saved case has no link: it stays on this server, in the list below.");
  keepOcLink();
  if (!(await copyText(location.href, slot("oc-link-text"), "Copy link"))) complain("The browser did not allow it; the address bar holds the same link.");
  else if (occlusion.source.own && !page.source.example) complain("Copied. The link holds the question and what is in front, not the photo.", true);
}

// -- reading ------------------------------------------------------------------------------------

/** What a link says; what it gets wrong becomes a sentence in `told`, and the rest still counts. */
function ocLinked() {
  const { told, read } = wordsOf(OC_FRAGMENT.test(location.hash) ? location.hash : "");
  const person = readPerson(read);
  return {
    told,
    case: read("case", among(props.occlusion.cases.map((one) => one.name)), (text) => "There is no case " + text + " here."),
    ...readPhoto(read), model: readModel(read), person: person === null ? NaN : person - 1,
    keypoint: read("keypoint", anyWord, String), point: readSpot(read), layer: read("layer", anyWord, String),
    front: readFront(read), zoom: readZoom(read),
  };
}

/** A link's occluder as plain words and numbers, null for none named; see placedFront for what becomes of it. */
function readFront(read) {
  const kind = read("occluder", among(["none", ...Object.keys(OC_NAMES)]), (text) => "There is no occluder " + text + ".");
  const pairs = (text) => {
    const points = text.split(";").slice(0, MOST_STROKE).map(numbersFrom(2));
    return points.every(Boolean) ? points : null;
  };
  const positive = (count) => (text) => {
    const values = numbersOf(text, count);
    return values && values.every((value) => value >= 1) ? values : null;
  };
  const colour = (text) => {
    if (Object.keys(OC_COLOURS).includes(text)) return Array.isArray(OC_COLOURS[text]) ? OC_COLOURS[text] : text;
    const values = numbersOf(text, 3);
    return values && values.every((value) => Number.isInteger(value) && value >= 0 && value <= 255) ? values : null;
  };
  const wrong = (what) => (text) => "The link’s " + what + " of the occluder is " + text + ", which cannot be.";
  return kind && {
    kind, place: read("place", pairs, wrong("place")), size: read("size", positive(2), wrong("size")),
    width: read("width", positive(1), wrong("width")), from: read("from", numbersFrom(2), wrong("source")),
    flat: read("ends", among(["flat"]), wrong("end")) === "flat",
    of: read("of", wholeFrom(1, 99), wrong("person")), colour: read("colour", colour, wrong("colour")) || "mean",
  };
}

/** The occluder that a link describes, on the photo that is open; null, and a sentence, where there is none such. */
function placedFront(front, told) {
  const { kind, place, size, colour } = front, { width, height } = occlusion.view.photo;
  const refuse = (sentence) => (told.push(sentence), occlusion.view.occluder);
  if (kind === "none") return null;
  const what = OC_NAMES[kind].toLowerCase(), whole = "The link’s " + what + " is not whole, so it is left out.";
  const mask = kind === "cutout" && occlusion.masks && occlusion.masks.list[front.of - 1];
  if (!place || (kind === "stroke" ? !front.width : kind === "cutout" ? !front.of : !size) || (kind === "patch" && !front.from)) return refuse(whole);
  if (kind === "cutout" && (!mask || mask.counts.length < 2)) return refuse("There is no person " + front.of + " to cut out here.");
  const [x, y] = place[0];
  const thing = kind === "rectangle" ? { kind, box: [x, y, ...size], colour }
    : kind === "stroke" ? { kind, points: place, width: front.width[0], colour, flat: front.flat }
    : kind === "patch" ? { kind, source: [...front.from, ...size], target: [x, y] }
    : { kind, mask, by: [x - maskEdges(mask)[0], y - maskEdges(mask)[1]] };
  const [left, top, w, h] = thingBox(thing), middle = [left + w / 2, top + h / 2];
  const outside = middle[0] < 0 || middle[1] < 0 || middle[0] > width || middle[1] > height || Math.max(w, h) > 4 * Math.max(width, height);
  return outside ? refuse("The link’s " + what + " does not fit this photo, so it is left out.") : thing;
}

/** Whether the address holds a case that this page did not write there. */
function newOcLink() {
  return OC_FRAGMENT.test(location.hash) && location.hash !== occlusion.link;
}

/** Open what a new link asks for: its photo first, where it is one of Explore's. */
async function openOcLinked() {
  const link = ocLinked(), { model } = link;
  if (link.case) return openOcclusionSource({ case: link.case }, { model: model || undefined, keep: link });
  occlusion.bringing = true;
  await bringPhotoOf(link, { note: OPENING_LINK, model: page.view.model });
  occlusion.bringing = false;
  if (photoMissing(link)) {
    // Places on that photo are none on this one: they wait until it is open.
    occlusion.waiting = { ...link, told: [] };
    Object.assign(link, { front: null, zoom: null, point: null });
    link.told.unshift(NOT_THE_PHOTO);
  }
  return openOcclusionSource({ own: true }, { model: model || undefined, keep: link });
}

window.addEventListener("hashchange", () => {
  if (!element.isConnected || !pageShown("occlusion") || pageNamed(location.hash) !== "occlusion") return;
  if (newOcLink()) openOcclusion();
  else keepOcLink();
});
