// Talking to the server: analysing a photo, asking about a spot, and what follows on the page.

const LOST = "The server did not answer; please check the connection and try again.";

/** Call a server function; resolves to its reply, or to {error} with one sentence. */
async function call(name, argument) {
  try {
    return (await server[name](argument)) || { error: LOST };
  } catch (problem) {
    return { error: LOST };
  }
}

function busy(text) {
  element.classList.toggle("pk-working", Boolean(text));
  slot("busy-text").textContent = text;
  element.dispatchEvent(new CustomEvent("pk-busy"));
  stage.frame.setAttribute("aria-busy", String(Boolean(text)));
}

/** One sentence in the alert line; the page below it stays as it was. `calm`: news rather than trouble. `people`: with a button to find everybody. */
function complain(sentence, calm, people) {
  slot("alert-people").hidden = !people;
  slot("alert").hidden = !sentence;
  slot("alert").classList.toggle("pk-calm", Boolean(calm));
  slot("alert-text").textContent = sentence || "";
}

/** Whether the model on show found no keypoint of anybody, so that there is nothing to ask about. */
function nobodyFound() {
  const { view } = page;
  return Boolean(view && view.skeleton.keypoints.length && !view.people.some((person) => person.keypoints.some(Boolean)));
}

/** Why there is nobody, and what to do about it. */
function nobodyWords(view) {
  const found = view.title + (view.whole ? " found nobody in this photo" : " found nobody in this box");
  return view.card.trained ? found + ": try another photo, a box around somebody, or a model that takes a box for one person."
    : found + ", for its weights are random numbers: choose a model that is not called untrained.";
}

function hint(text) {
  const words = text
    || (page.boxMode ? "Drag a box around each person you want."
      : nobodyFound() ? page.view.title + " found nobody, so there is nothing to ask about."
      : !byAttention() ? "Click any spot to explain it by " + how().title + "." + (TOUCH ? "" : " Esc goes back to attention.")
      : page.pinned && !TOUCH ? "Pinned. Click another spot, or press Esc to let go."
      : TOUCH ? "Tap any spot to see what the model looks at."
      : liveReady() ? "Point at any spot to see what the model looks at. Click to keep it."
      : "Click any spot to see what the model looks at.");
  if (slot("hint").textContent !== words) slot("hint").textContent = words;
}

/**
 * Analyse a photo: {file}, {example}, or the one we have with another model or other boxes.
 * When it fails, everything on the page stays.  `wanted`: the question of a link, see link.js.
 */
async function analyse(source, options) {
  const { model = slot("model").value, boxes = [], note = "Analysing …", wanted } = options || {};
  const job = ++page.jobs;
  busy(note);
  complain("");
  const argument = source.file
    ? { binary: true, data: { photo: source.file, token: page.token, model, boxes: JSON.stringify(boxes) } }
    : { token: page.token, model, boxes, example: source.example };
  let reply = await call(source.file ? "analyse" : "analyse_example", argument);
  if (reply.expired && await renew()) return analyse(source, options);
  if (job !== page.jobs) return false;
  busy("");
  if (reply.error) return complain(reply.error), setModel(page.view), false;
  if (!boxes.length) rememberBoxes(reply, source);
  await show(reply, source, { wanted: wanted || takeWaiting(source) });
  return true;
}

/** The same photo again, through another model, with other boxes, or with those that a model finds (`find`). */
async function again(options) {
  const { model = slot("model").value, boxes = page.boxes, note, wanted, find } = options;
  const job = ++page.jobs, before = page.boxes.length;
  busy(note);
  complain("");
  const reply = await call("again", { token: page.token, view: page.view.id, model, boxes, find });
  if (reply.expired && await renew()) return analyse(page.source, { model, boxes, note, wanted });
  if (job !== page.jobs) return false;
  busy("");
  if (reply.error) return complain(reply.error), setModel(page.view), false;
  if (!find && !options.boxes) reply.finder = page.view.finder; // the same people through another model
  await show(reply, page.source, { drawn: !find && boxes.length > before, otherBoxes: Boolean(find || options.boxes), wanted });
  return true;
}

/** A new session after the old one expired; whatever is on the page stays. */
async function renew() {
  const reply = await call("start", {});
  if (reply.token) page.token = reply.token;
  return Boolean(reply.token);
}

/** What was asked of the view on show, in words that another model understands: a keypoint's name or a spot, and where whoever it was about stands. */
function questionBefore() {
  const { view, query, pinned } = page;
  if (!query) return null;
  const name = query.keypoint === null ? null : view.skeleton.keypoints[query.keypoint];
  // The spot that a model without keypoints opens with is nobody's question.
  const point = name === null && (pinned || view.skeleton.keypoints.length) ? query.point : null;
  return { name, point, pinned, edges: view.people[query.person].edges };
}

/** Who stands where somebody stood in another analysis of the photo: whose box shares most with theirs. */
function personAt(view, edges) {
  const size = ([x0, y0, x1, y1]) => Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
  const shares = view.people.map(({ edges: own }) => {
    const both = size([Math.max(own[0], edges[0]), Math.max(own[1], edges[1]), Math.min(own[2], edges[2]), Math.min(own[3], edges[3])]);
    return both / (size(own) + size(edges) - both);
  });
  const at = shares.indexOf(Math.max(...shares)), someone = view.people[at];
  const found = someone && (!view.skeleton.keypoints.length || someone.keypoints.some(Boolean));
  return found && shares[at] > 0 ? at : view.person;
}

/**
 * Put a fresh analysis on the page and ask it about one keypoint, so that there is something to see: of another photo, about
 * the one that tells most; of the same photo through another model, what was asked before, which stays pinned if it was.
 * `drawn`: the last box is new, so that person is meant.  `otherBoxes`: the people are others.  `wanted`: a link asks something of its own.
 */
async function show(view, source, { drawn, otherBoxes, wanted }) {
  if (view.photo.src) {
    const image = new Image();
    image.src = view.photo.src;
    await image.decode();
    stage.image = image;
    stage.viewport.reset();
  }
  page.asks++; // an answer that is still on its way is about what was on show before
  const before = questionBefore(), samePhoto = source === page.source, same = before && samePhoto && !otherBoxes;
  const asked = before && before.name ? view.skeleton.keypoints.indexOf(before.name) : -1;
  const computed = page.job && page.job.kind === "map" ? how().title : null;
  stopJob("photo");
  page.part = page.found = null;
  page.told = "";
  showInside(null);
  page.source = source;
  page.view = view;
  page.boxes = view.whole ? [] : view.people.map((person) => person.edges);
  page.person = drawn ? view.people.length - 1 : same ? personAt(view, before.edges) : view.person;
  const someone = view.people[page.person];
  const keypoint = someone ? firstKeypoint(someone, asked, !samePhoto) : -1;
  const spot = same && someone ? before.point : null;
  page.query = page.answer = page.hover = page.live = null;
  page.pinned = Boolean(same && before.pinned && (spot || (keypoint >= 0 && keypoint === asked)));
  element.dataset.state = "ready";
  setModel(view);
  buildThumbs();
  fitStage();
  drawChips();
  drawPeople();
  drawCard();
  refreshAnswer();
  all(".pk-example").forEach((node) => node.setAttribute("aria-pressed", String(source.example === node.dataset.example)));
  const example = page.examples.find((one) => one.id === source.example);
  slot("caption").textContent = example ? example.caption : "";
  stage.photo.setAttribute("aria-label", "The photo, " + view.people.length + (view.people.length > 1 ? " people" : " person")
    + " with " + view.skeleton.keypoints.length + " keypoints each");
  element.dispatchEvent(new CustomEvent("pk-shown"));
  if (wanted && (await askLinked(wanted))) return afterShown();
  const bare = someone && !view.skeleton.keypoints.length; // a backbone predicts no keypoints
  const [x0, y0, x1, y1] = someone ? someone.edges : [];
  const interrupted = computed && "The photo or the model changed, so " + computed + " was stopped.";
  if (spot && await ask({ person: page.person, point: spot, free: true, quiet: true, interrupted })) return tellNotes(view);
  if (spot) page.pinned = false; // the spot is none for this model
  if (bare) await ask({ person: page.person, point: [(x0 + x1) / 2, (y0 + y1) / 2], quiet: true, interrupted: null });
  else if (keypoint >= 0) await ask({ person: page.person, keypoint, quiet: true, interrupted });
  else complain(view.notes.concat(nobodyWords(view)).join(" "));
  if (bare || keypoint >= 0) tellNotes(view);
  else afterShown();
}

/** What the visitor should know about how the analysis came about, once its first question is answered. */
function tellNotes(view) {
  if (view.notes.length) complain(view.notes.join(" "), true, view.crowd);
  afterShown();
}

/**
 * The keypoint to ask somebody about before anybody clicks: the one that was asked about (-1: none), unless nobody found it or
 * another photo hardly shows it; or else the one whose map tells most.
 */
function firstKeypoint(someone, asked, otherPhoto) {
  const { keypoints, scores, opening } = someone;
  if (keypoints[asked] && !(otherPhoto && scores[asked] < page.weak)) return asked;
  return keypoints[opening] ? opening : keypoints.findIndex(Boolean);
}

function afterShown() {
  if (pageShown("explore")) fetchLive(page.person);
  hint();
}

/**
 * Ask about a point or a keypoint; the exact answer for every layer and head comes back in one reply.
 * Resolves to false when it was refused; the page says why.
 */
async function ask(question) {
  if (!page.view) return false;
  const number = ++page.asks;
  const { quiet, again: repeat, interrupted, ...rest } = question;
  const wanted = repeat
    ? { person: page.query.person, keypoint: page.query.keypoint, point: page.query.point, free: true }
    : rest;
  stopJob("replaced"); // what is being computed answers an older question
  let reply = await call("explain", { token: page.token, view: page.view.id, direction: page.direction, part: page.part, ...wanted });
  if (number !== page.asks) return true; // something newer was asked, or shown
  if (reply.expired && await analyseAgainSilently()) return ask({ ...question, quiet: true });
  if (reply.error) return complain(reply.error), refreshAnswer(), false;
  complain("");
  for (const layer of reply.layers) layer.weights = floatsOf(layer.weights);
  page.answer = reply;
  page.query = reply.query;
  stage.viewport.reveal(page.query.point);
  page.hover = null;
  const moved = page.person !== reply.query.person;
  page.person = reply.query.person;
  if (!quiet && !repeat) page.pinned = true;
  drawSkeleton();
  drawChips();
  if (moved) drawPeople();
  questionChanged(quiet, interrupted);
  refreshAnswer();
  fetchInside();
  if (moved || (page.live && page.live.person !== page.person)) fetchLive(page.person);
  hint();
  return true;
}

async function analyseAgainSilently() {
  return page.source && await renew() && await analyse(page.source, { boxes: page.boxes, note: "The server had let go of this photo; sending it again …" });
}

function askKeypoint(person, keypoint) {
  return ask({ person, keypoint });
}

function changeBoxes(boxes) {
  return again({ boxes, note: boxes.length ? "Finding the pose in each box …" : "Looking at the whole photo …" });
}

function setModel(view) {
  if (view) slot("model").value = view.model;
  // A model that finds people by itself needs no other for it.
  slot("find-people").hidden = !view || view.finds || !page.models.some((one) => one.finds && one.trained);
}

/** Let go of the pinned spot, so that the map follows the pointer again. */
function unpin() {
  if (page.job) return cancelJob();
  if (!byAttention() && page.view.layers.length) return chooseMethod("attention");
  page.pinned = false;
  hint();
}

async function forget() {
  await call("forget", { token: page.token });
  const reply = await call("start", {});
  if (reply.error) return complain(reply.error);
  page.token = reply.token;
  await analyse({ example: reply.examples[0].id }, { note: "Forgotten. Back to the example …" });
}
