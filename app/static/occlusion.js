// Occlusion: what the page knows, and how a case, a saved case or the visitor's photo is opened.
//
// The server keeps the side before as one analysed view; a question sends the occluder along and gets both sides back,
// of which only the one after cost a pass of the model.

const occlusion = {
  source: null,       // {case}, {saved} or {own: true}
  base: null,         // of one's own photo: {source, boxes, token, model} it was opened from
  view: null,         // the side before, as Explore's page.view
  owned: false,       // whether the server made the view for this page alone
  image: null,        // the decoded photo
  masks: null,        // {words, source, list} whose pixel is whose, as run lengths
  mean: [128, 128, 128],
  person: 0, keypoint: null, point: null,
  layer: null,        // name; null: the last
  occluder: null,     // plain values, as posekit.occlusion writes them
  answer: null,       // of the newest question that was answered
  answered: null,     // the occluder that it is about
  asks: 0, opens: 0,
  tool: null,         // "brush" or "patch" while the photo waits for a stroke or a piece; "cutout", "limb": its options
  draft: null, drag: null,
  colour: "mean", brush: 0.06, share: 0.6,
  sweep: null, sweeping: null,
  link: null,
  bringing: false,    // whether a link's photo is on its way
  waiting: null,      // a link whose photo is still to come
  zoom: null,         // a link's [zoom, x, y], until the first answer has been drawn
  timer: 0,
  bring: null,        // what Explore's button brings along
};

const OC_LEVELS = { easy: "easy", medium: "medium", hard: "hard", cruel: "cruel" };
const ocViewport = new Viewport(); // what part of the photo both sides show
const ocSides = ["before", "after"].map((name) => {
  const root = element.querySelector('[data-side="' + name + '"]'), part = (one) => root.querySelector('[data-piece="' + one + '"]');
  const nodes = { frame: root.querySelector(".pk-frame"), photo: part("photo"), masks: part("masks"), map: part("map"), pose: part("pose"), tip: part("tip") };
  return { name, root, mat: root.querySelector(".pk-mat"), canvas: new PhotoCanvas(ocViewport, nodes), ...nodes };
});

/** What every question about the open photo says. */
function ocRequest() {
  const { view, source } = occlusion;
  return {
    token: page.token, view: view.id, case: source.case || null, saved: source.saved || null, whole: Boolean(view.whole),
    person: occlusion.person, keypoint: occlusion.keypoint, point: occlusion.point, layer: occlusion.layer, occluder: occlusion.occluder,
  };
}

/**
 * Open {case}, {saved} or {own: true}, through a model. `keep` holds what should stay as it is: person, keypoint (a name), point,
 * layer, occluder; a link's `front` and `zoom` are put in their place, and `told` holds what was wrong with it. When it fails, everything on the page stays.
 */
async function openOcclusionSource(source, options) {
  const { model = slot("oc-model").value || page.view.model, keep = null, again = 0 } = options || {};
  const number = ++occlusion.opens;
  occlusion.asks++; // what is under way is about another photo
  stopSweep("photo");
  ocBusy(source.own ? "Looking at your photo …" : "Opening the case …");
  complain("");
  const own = source.own ? { view: page.view.id, boxes: page.boxes, whole: page.view.whole } : {};
  const before = occlusion.owned && occlusion.view ? occlusion.view.id : null;
  const reply = await call("occlusion_open", { token: page.token, model, case: source.case || null, saved: source.saved || null, ...own, instead: before });
  if (number !== occlusion.opens) return false;
  if (reply.expired && again < 2) {
    if (source.own) return ocBusy(""), sendAgain(), false; // the photo comes anew, and this page with it
    if (again) await renew();
    return openOcclusionSource(source, { model, keep, again: again + 1 });
  }
  if (reply.error) {
    ocBusy("");
    complain(reply.error);
    if (occlusion.view) slot("oc-model").value = occlusion.view.model;
    return false;
  }
  let image = stage.image;
  if (reply.photo.src) {
    image = new Image();
    image.src = reply.photo.src;
    await image.decode();
    if (number !== occlusion.opens) return false;
  }
  takeOpened(reply, source, image, keep);
  return true;
}

/** Put an opened photo on the page and ask the first question about it. */
function takeOpened(reply, source, image, keep) {
  const samePhoto = occlusion.image && (occlusion.image === image || occlusion.image.src === image.src);
  if (!samePhoto) ocViewport.reset();
  const sameView = occlusion.view && occlusion.view.photo.width === reply.photo.width && occlusion.view.photo.height === reply.photo.height;
  Object.assign(occlusion, {
    source, view: reply, image, masks: reply.masks, mean: reply.mean, answer: null, answered: null, sweep: null, draft: null, drag: null,
    owned: !source.own || reply.id !== page.view.id,
    base: source.own ? ocBase() : null,
    person: reply.person, keypoint: reply.keypoint, point: reply.point, layer: reply.layer, occluder: reply.occluder,
  });
  if (keep) {
    const known = keep.keypoint === null ? -1 : reply.skeleton.keypoints.indexOf(keep.keypoint);
    if (keep.occluder !== undefined && sameView) occlusion.occluder = keep.occluder;
    const told = keep.told || []; // of a link alone; a model that was changed says nothing
    if (keep.person < reply.people.length) occlusion.person = keep.person;
    else if (keep.person >= 0) told.push("There is no person " + (keep.person + 1) + " here; it shows person " + (occlusion.person + 1) + ".");
    if (keep.point) Object.assign(occlusion, { point: keep.point, keypoint: null });
    else if (known >= 0) Object.assign(occlusion, { keypoint: known, point: null });
    else if (keep.keypoint) told.push(reply.title + " knows no keypoint " + quoted(keep.keypoint) + ".");
    if (reply.layers.some((layer) => layer.name === keep.layer)) occlusion.layer = keep.layer;
    else if (keep.layer) told.push(reply.title + " has no layer " + quoted(keep.layer) + ".");
  }
  if (keep && keep.front) {
    const thing = (occlusion.occluder = placedFront(keep.front, keep.told)), named = thing && thing.colour && colourWords(thing.colour);
    if (OC_COLOURS[named]) occlusion.colour = named; // what comes next is of the same colour
  }
  if (!reply.columns) coverInstead(reply.title);
  if (keep && keep.told) {
    ocViewport.reset();
    occlusion.zoom = keep.zoom;
  }
  ocMaskPictures.clear();
  element.classList.add("pk-oc-ready");
  slot("oc-model").value = reply.model;
  slot("oc-untrained").hidden = reply.trained;
  if (!reply.trained) slot("oc-untrained").replaceChildren(make("b", { text: "Untrained weights. " }), reply.card.untrained);
  if (source.saved) {
    slot("oc-case-title").value = reply.case.title;
    slot("oc-case-note").value = reply.case.note;
  }
  setTool(null);
  drawOcHead();
  drawSweep();
  fitOcclusion();
  drawOcPeople();
  drawOcChips();
  drawOccluders();
  keepOcLink();
  ocBusy("");
  if (keep && keep.told && keep.told.length) tellLink(keep.told);
  else if (reply.notes && reply.notes.length) complain(reply.notes.join(" "));
  else if (reply.skeleton.keypoints.length && !reply.people.some((one) => one.keypoints.some(Boolean))) complain(nobodyWords(reply));
  askOcclusion();
}

/** What one's own photo was opened from; another photo, box or session asks for opening it anew. */
function ocBase() {
  return page.view && { source: page.source, boxes: JSON.stringify(page.boxes), token: page.token };
}

/** What stays when only the model changes, or the server let go of the photo. */
function ocKeep() {
  const { view, person, keypoint, point, layer, occluder } = occlusion;
  return { person, keypoint: keypoint === null ? null : view.skeleton.keypoints[keypoint], point, layer, occluder };
}

/** The server let go of the photo: the same once more. */
function reopenOcclusion() {
  return openOcclusionSource(occlusion.source, { model: occlusion.view.model, keep: ocKeep() });
}

/** The page is shown, or Explore's photo changed. */
function openOcclusion() {
  if (!page.token || !page.view) return;
  buildGallery();
  const { bring, waiting } = occlusion;
  if (occlusion.bringing) return;
  occlusion.bring = null;
  if (waiting && page.source.file) {
    occlusion.waiting = null;
    return openOcclusionSource({ own: true }, { model: waiting.model || undefined, keep: waiting });
  }
  if (bring) return openOcclusionSource({ own: true }, { model: page.view.model, keep: bring });
  if (newOcLink()) return openOcLinked();
  if (!occlusion.source) return openOcclusionSource({ case: props.occlusion.opens });
  if (occlusion.source.own && ocBaseMoved()) return openOcclusionSource({ own: true }, { keep: occlusion.view ? { ...ocKeep(), occluder: undefined, point: null } : null });
  if (occlusion.view) fitOcclusion();
}

function ocBaseMoved() {
  const base = ocBase();
  return !occlusion.view || !occlusion.base || Object.keys(base).some((key) => base[key] !== occlusion.base[key]);
}

/** Explore's photo is another one, or gone: nothing of the old one stays here, seen or not. */
function dropOwnPhoto() {
  if (!occlusion.source || !occlusion.source.own || !ocBaseMoved()) return;
  Object.assign(occlusion, { answer: null, answered: null, image: null, masks: null, sweep: null, occluder: null });
  occlusion.asks++;
  for (const { photo, masks, map, pose } of ocSides) {
    for (const canvas of [photo, masks, map]) canvas.width = canvas.height = 1;
    pose.replaceChildren();
  }
  if (!pageShown("occlusion")) occlusion.view = null;
}

/** Title, question and who hides what. */
function drawOcHead() {
  const { source, view } = occlusion, known = props.occlusion.cases.find((one) => one.name === source.case);
  const title = known ? known.title : source.saved ? view.case.title : "Your photo";
  slot("oc-title").replaceChildren(make("b", { text: title }), known ? make("small", { class: "pk-oc-level", "data-level": known.level, text: OC_LEVELS[known.level] }) : "");
  const by = known ? view.hiddenBy : "nobody", what = view.skeleton.keypoints[view.keypoint] || "place asked about";
  const hidden = by === "nobody" || by === "not known" ? "" : /edge/.test(by) ? " The photo ends before the " + what + "." : " In this scene " + by + " hides the " + what + ".";
  slot("oc-question").textContent = known ? known.question + hidden
    : source.saved ? [view.case.note, "Saved " + new Date(view.case.created).toLocaleString() + (view.savedModel === view.model ? "." : " with another model.")].filter(Boolean).join(" ")
    : [view.found, view.unsure, "The photo that is open on Explore: upload one or draw boxes there. Choose a tool and put something in front."].filter(Boolean).join(" ");
  for (const node of all(".pk-oc-case")) {
    const on = source.own ? node.dataset.case === "" : node.dataset.case === source.case;
    node.setAttribute("aria-pressed", String(on));
    if (on) showCase(node);
  }
}

/** A card into view within the list, no further than needed and beside "Your photo", which stays; the page itself does not move. */
function showCase(node) {
  const box = node.parentElement, first = box.firstElementChild, gap = 8;
  if (node === first) return;
  const room = box.getBoundingClientRect(), own = first.getBoundingClientRect(), card = node.getBoundingClientRect();
  const beyond = (low, high, from, to) => (high > to ? high - to + gap : low < from ? low - from - gap : 0);
  const across = own.bottom >= card.bottom; // the cards stand side by side
  if (across) box.scrollBy({ left: beyond(card.left, card.right, own.right, room.right), behavior: "instant" });
  else box.scrollBy({ top: beyond(card.top, card.bottom, own.bottom, room.bottom), behavior: "instant" });
}

function ocBusy(text) {
  element.classList.toggle("pk-oc-opening", Boolean(text));
  ocState(text);
}

/** A few words over the photo after: what is under way, or why it is not up to date. */
function ocState(text) {
  write(slot("oc-state"), text);
}
