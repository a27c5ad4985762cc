// Compare: a question to all models, and what comes back: maps, figures, the keypoints they disagree about.

/** What every request about the panels says. */
function compareRequest(panels) {
  const layered = METHODS.get(compare.method).layers && compare.layers === "own";
  return {
    token: page.token, views: panels.map((panel) => panel.view.id), person: compare.person,
    direction: METHODS.get(compare.method).direction ? compare.direction : "row",
    method: compare.method, anchor: compare.anchor,
    layers: layered ? panels.map(panelLayer) : null,
    head: METHODS.get(compare.method).heads ? compare.head : null,
    pair: compare.pair.map((index) => panels.indexOf(compare.panels[index])),
  };
}

/**
 * Ask all models about {point, on}, {keypoint} or, with {same: true}, the last question once more.
 * One request for all of them; waits until there are two panels to ask.
 */
async function compareAsk(question) {
  const panels = readyPanels(), number = ++compare.asks;
  if (panels.length < 2) {
    if (question.keypoint) compare.wanted = question.keypoint;
    return dropAsked();
  }
  const { query } = compare, { same, quiet, pair, ...asked } = question;
  const wanted = !same ? asked
    : compare.anchor === "keypoint" && query.keypoint ? { keypoint: query.keypoint }
    : { keypoint: query.keypoint, point: query.point, free: true, person: query.person };
  element.classList.add("pk-asking");
  const request = compareRequest(panels), sent = pair ? { ...compare.sent, pair: request.pair } : { ...request, ...wanted };
  const work = compareWork(sent, () => number === compare.asks, drawCompareWork);
  if (asked.point) showAsked(asked.point);
  const reply = await work;
  if (number !== compare.asks) return;
  element.classList.remove("pk-asking");
  drawCompareWork(null);
  if (!reply.answer) dropAsked();
  if (reply.expired) {
    compare.wanted = asked.keypoint || (query && query.keypoint) || compare.wanted;
    return sendAgain();
  }
  if (reply.error) return complain(reply.error);
  if (!same && !quiet) compare.told = [];
  tellLink(compare.told);
  takeAnswer(reply.answer, panels, sent, !same && !quiet && !pair);
}

/**
 * Send a request and, where it becomes a job, ask after it until it is done or nobody wants it any more.
 * Resolves to {answer} or {error}.
 */
async function compareWork(sent, wanted, tell) {
  let reply = await call("compare", sent);
  while (reply.job && wanted()) {
    tell({ share: reply.total ? reply.done / reply.total : null, before: reply.before });
    await new Promise((go) => setTimeout(go, 250));
    if (wanted()) reply = await call("progress", { token: sent.token, view: sent.views[0], job: reply.job });
  }
  return reply;
}

/** How far a slow method is, with a way to stop it; null when nothing is under way. */
function drawCompareWork(work) {
  const bar = slot("compare-work");
  bar.hidden = !work;
  if (!work) return;
  slot("compare-work-text").textContent = METHODS.get(compare.method).title
    + (work.before ? " · " + work.before + " before you" : work.share === null ? " …" : " · " + percent(work.share));
  const progress = bar.querySelector("progress");
  if (work.share === null) progress.removeAttribute("value");
  else progress.value = work.share;
}

async function stopWork() {
  await call("cancel", { token: page.token, why: "visitor" });
}

/** Put an answer on the page: maps, figures, difference. */
function takeAnswer(reply, panels, sent, pins) {
  compare.sent = sent;
  compare.answered = panels;
  compare.answer = reply;
  compare.query = reply.query;
  compare.wanted = null;
  compare.hover = null;
  compare.trust = reply.trusted ? { share: 1, done: true } : null;
  const moved = compare.person !== reply.query.person;
  compare.person = reply.query.person;
  if (pins) compare.pinned = true;
  compare.panels.forEach((panel) => (panel.answer = null));
  panels.forEach((panel, index) => {
    const answer = (panel.answer = reply.panels[index]);
    if (answer.map) answer.map.weights = floatsOf(answer.map.weights);
    drawAnswer(panel);
  });
  if (moved) compare.panels.forEach(drawPose);
  const first = reply.panels.find((one) => one.point);
  if (first) compareViewport.reveal(first.point);
  if (compare.zoom) showZoom(compareViewport, compare.zoom);
  compare.zoom = null;
  if (reply.pair) reply.pair.values = floatsOf(reply.pair.values);
  paintCompare();
  drawAsked();
  markRanks();
  if (moved) drawComparePeople(), panels.forEach(fetchPreviews);
  // The panels reach the screen first; what stands below them comes when the browser has time.
  for (const next of [drawFigures, keepLink, () => fetchRanking(panels), drawPair]) {
    whenIdle(() => {
      if (compare.answer === reply) next(); // a newer answer brings its own
    });
  }
}

/** Once what was drawn so far is on the screen and nothing more urgent waits, at most a tenth of a second later. */
function whenIdle(go) {
  requestAnimationFrame(() => (window.requestIdleCallback ? requestIdleCallback(go, { timeout: 100 }) : setTimeout(go, 0)));
}

/** The question again after a model, layer, direction or method changed; the first one when there was none. */
function compareAgain() {
  compareHint();
  if (compare.query && !compare.wanted) return compareAsk({ same: true });
  const ready = readyPanels();
  if (ready.length < 2) return;
  if (compare.wanted && !ready.some((panel) => panel.view.skeleton.keypoints.includes(compare.wanted))) {
    if (compare.panels.some((panel) => panel.state === "loading")) return; // that model may know it
    tellCompare("None of these models knows a keypoint " + quoted(compare.wanted) + ".");
    compare.wanted = null;
  }
  // A model that found somebody knows what there is to ask about.
  const { view } = ready.find(foundSomebody) || ready.find((panel) => panel.view.skeleton.keypoints.length) || ready[0];
  const person = view.people[compare.person] || view.people[0];
  return compareAsk({ keypoint: compare.wanted || view.skeleton.keypoints[person ? person.opening : 0], quiet: true });
}

/** Whether a panel's model found a keypoint of anybody. */
function foundSomebody({ view }) {
  return view.people.some((person) => person.keypoints.some(Boolean));
}

/** A panel whose model found nobody. */
function withNobody() {
  return readyPanels().find((panel) => panel.view.skeleton.keypoints.length && !foundSomebody(panel));
}

/** Why there is no keypoint to compare. */
function noRanks() {
  const none = withNobody();
  return none ? none.view.title + " found nobody here, so there are no keypoints to compare." : "These models share no keypoint.";
}

/** Nothing of another photo stays on the page while the models look at this one. */
function clearAnswers() {
  slot("ranking-note").textContent = slot("pair-note").textContent = "Waiting for two models …";
  slot("diff-note").textContent = "";
  slot("ranks").replaceChildren();
  slot("figures").replaceChildren();
  for (const canvas of all(".pk-pair .pk-frame canvas")) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/** What stands under a panel's photo. */
function drawAnswer(panel) {
  const { facts, legend, note } = panel.nodes, { answer } = panel, { figures } = answer;
  const where = typeset(figures.where), first = readyPanels().find((one) => one.answer && one.answer.figures.overlap !== null);
  legend.textContent = answer.legend;
  note.textContent = answer.note;
  // A model of whole photos that knows the keypoint and found none of it has no confidence in it.
  const lost = figures.confidence === null && compare.query && panel.view.skeleton.keypoints.includes(compare.query.keypoint);
  facts.replaceChildren(...[
    [figures.on_person, where, percent, "Share of the map that lies " + where + (where === "inside the photo" ? "; nobody drew a box, and the rest lies on the border around it." : ".")],
    [figures.confidence, "confidence", (value) => value.toFixed(2), HELP.confidence],
    [figures.overlap, "like the first", percent, "Share of the map that lies where the first model’s does."],
    [lost ? "–" : null, "confidence: not found", String, HELP.confidence],
  ].filter(([value], index) => value !== null && !(index === 2 && panel === first))
    .map(([value, words, show, meaning]) => make("span", {}, [make("b", { text: show(value) }), " ", helpWords(words, meaning)])));
  const person = panel.view.people[compare.person];
  panel.canvas.pose.setAttribute("aria-label", answer.title + ": the photo with "
    + panel.view.skeleton.keypoints.length + " keypoints" + (person && answer.keypoint !== null && person.keypoints[answer.keypoint] ? "; " + panel.view.skeleton.keypoints[answer.keypoint] + " at "
    + person.keypoints[answer.keypoint].map((value) => Math.round(value)).join(", ") : "") + (figures.on_person === null ? "" : "; " + percent(figures.on_person) + " of its map " + where));
}

/** The question in words. */
function drawAsked() {
  const title = slot("compare-query"), { query, hover } = compare;
  compareHint();
  if (hover) return title.replaceChildren(make("b", { text: "This spot" }), make("small", { text: "live" }), make("span", { text: WORDS[compare.direction] + " …" }));
  if (!query) return title.replaceChildren();
  const method = METHODS.get(compare.answer.method);
  const way = method.direction ? query.way + " …" : "by " + method.title;
  title.replaceChildren(
    make("b", { text: askedTitle(query.label) }),
    make("small", { text: typeset(query.where) }),
    page.view && page.view.people.length > 1 ? make("small", { text: "person " + (query.person + 1) }) : "",
    make("span", { text: way }),
  );
}

function compareHint() {
  const panels = readyPanels(), ready = panels.length, spots = panels.filter((panel) => panel.view.columns).length, open = compare.panels.filter((panel) => panel.state !== "failed").length;
  const lookers = spots === ready ? "every model shows where it looks" : "models with attention show where they look";
  const text = slot("busy-text").textContent && element.classList.contains("pk-working") ? slot("busy-text").textContent
    : ready < Math.min(2, open) ? "Opening the models …"
    : compare.pinned ? (TOUCH ? "Tap another spot: every model answers." : "Pinned. Click another spot, or press Esc to let go.")
    : ready && !spots ? (TOUCH ? "Tap" : "Click") + " any spot: every model answers about its nearest keypoint."
    : compare.method !== "attention" ? "Click any spot to ask every model; only attention follows the pointer."
    : TOUCH ? "Tap any spot: " + lookers + "."
    : "Point at any spot: " + lookers + ". Click to keep it.";
  if (slot("compare-hint").textContent !== text) slot("compare-hint").textContent = text;
}

/** Several people: whose cut-out is asked about. */
function drawComparePeople() {
  const bar = slot("compare-people"), people = page.view ? page.view.people : [];
  bar.hidden = people.length < 2;
  bar.replaceChildren(...people.map((_, index) => make("button", {
    type: "button", class: "pk-chip", "aria-pressed": String(index === compare.person), text: "Person " + (index + 1),
    onclick: () => {
      compare.person = index;
      compare.panels.forEach(drawPose);
      drawComparePeople();
      compareAsk({ keypoint: (compare.query && compare.query.keypoint) || page.view.skeleton.keypoints[0] });
      readyPanels().forEach(fetchPreviews);
    },
  })));
}

/** The list of keypoints; it depends on the panels, not on the question, so it is asked for when those change. */
async function fetchRanking(panels) {
  const request = compareRequest(panels), key = JSON.stringify([request.views, request.person, request.direction, request.layers, request.head]);
  if (compare.ranking && compare.ranking.key === key) return;
  const mine = (compare.ranking = { key, keypoints: compare.ranking ? compare.ranking.keypoints : [] });
  const reply = await call("compare_ranking", request);
  if (compare.ranking !== mine || reply.error) return;
  mine.keypoints = reply.keypoints;
  drawRanks();
}

function drawRanks() {
  const list = slot("ranks"), rows = compare.ranking.keypoints;
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.keypoint : null;
  const top = Math.max(1e-9, ...rows.map((row) => row.interest));
  const learnt = readyPanels().filter((panel) => isTrained(panel.model)).length;
  const none = withNobody();
  slot("ranking-note").textContent = !rows.length ? noRanks()
    : none ? none.view.title + " found nobody here, so only the others have keypoints."
    : learnt < 2 ? "Most disagreement first. With untrained models among them the order says little."
    : new Set(readyPanels().map((panel) => panel.model)).size < 2 ? "Most disagreement first: how differently the layers of this one model look."
    : "Most disagreement first: what only some find, how far apart the models put it, and how differently they look.";
  list.replaceChildren(...rows.map((row) => make("li", {}, [make("button", {
    type: "button", class: "pk-rank " + SIDE_CLASS[row.side], "data-keypoint": row.keypoint, tabindex: -1,
    title: capital([
      row.missed, row.px === null ? "" : "placed " + row.px.toFixed(0) + " px apart (" + percent(row.share) + " of the box)",
      row.maps === null ? "" : percent(row.maps) + " of the attention lies elsewhere",
    ].filter(Boolean).join("; ")),
    onclick: () => compareAsk({ keypoint: row.keypoint, person: compare.person }),
  }, [
    make("i", { "aria-hidden": "true" }), make("b", { text: row.keypoint }),
    make("small", { text: [row.missed || (row.px === null ? "" : row.px.toFixed(0) + " px apart"), row.maps === null ? "" : "maps " + percent(row.maps) + " apart"].filter(Boolean).join(" · ") }),
    make("span", { class: "pk-rank-bar", "aria-hidden": "true", style: "--pk-share: " + (row.interest / top).toFixed(3) }),
  ])])));
  markRanks();
  if (focused !== null) Array.from(list.querySelectorAll("button")).find((node) => node.dataset.keypoint === focused)?.focus({ preventScroll: true });
}

function markRanks() {
  const buttons = all(".pk-rank"), chosen = compare.query && compare.query.keypoint;
  buttons.forEach((node) => node.setAttribute("aria-pressed", String(node.dataset.keypoint === chosen)));
  const at = buttons.find((node) => node.dataset.keypoint === chosen) || buttons[0];
  buttons.forEach((node) => (node.tabIndex = node === at ? 0 : -1));
}

slot("ranks").addEventListener("keydown", (event) => {
  if (!(event.key in STEP)) return;
  event.preventDefault();
  const buttons = all(".pk-rank"), at = buttons.indexOf(event.target.closest(".pk-rank"));
  const next = buttons[(at + STEP[event.key] + buttons.length) % buttons.length];
  next.focus();
  next.click();
});
