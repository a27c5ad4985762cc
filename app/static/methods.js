// Methods beside attention: choosing one, following its computation, and how faithful a map is.
//
// A click is answered with attention at once. Any other method is computed on the server as a job: the page asks how
// far it is, may stop it, and drops what no longer belongs to the question. One job a visitor, so one counter here.

const HOW = new Map(props.methods.map((method) => [method.name, method]));

/** What the chosen method is and offers. */
function how() {
  return HOW.get(page.method);
}

/** Attention is read from the trace at once; every other method is computed. */
function byAttention() {
  return how().direction;
}

/** The layer on show by its name; null for a model without attention. */
function layerName() {
  return page.view.layers.length ? page.view.layers[page.layer].name : null;
}

function buildMethodChooser() {
  const groups = new Map();
  for (const method of HOW.values()) {
    if (!groups.has(method.cost)) groups.set(method.cost, make("optgroup", { label: capital(method.cost) }));
    groups.get(method.cost).append(make("option", { value: method.name, text: method.title }));
  }
  slot("method").replaceChildren(...groups.values());
  slot("method").value = page.method;
}

function chooseMethod(name) {
  if (!page.view || !HOW.has(name) || name === page.method) return;
  stopJob("replaced");
  page.method = name;
  page.found = null;
  page.told = "";
  slot("method").value = name;
  if (page.query && !byAttention()) page.pinned = true;
  hoverAt(null);
  markMethod();
  buildHeads();
  markChoice();
  refreshAnswer();
  hint();
  if (page.query && !byAttention()) computeMap();
}

/** The controls a method has; those it lacks go away, and one line says why. */
function markMethod() {
  // Without attention between places a model may still leave maps by keypoint: they take its place.
  const method = how(), none = !page.view.layers.length, own = !none && !page.view.columns;
  const layers = !none && (method.direction || method.layers || method.layer);
  const heads = !none && !own && method.heads;
  slot("method-line").textContent = own && byAttention()
    ? "What this model leaves behind about the keypoint on its way to it." : method.description;
  for (const option of slot("method").querySelectorAll("option")) {
    const one = HOW.get(option.value);
    option.disabled = (none || (own && !one.direction)) && one.needs === "attention";
    if (one.direction) option.textContent = own ? "The model’s own maps" : one.title;
  }
  slot("direction").hidden = none || own || !method.direction;
  slot("layers-head").hidden = slot("layers").hidden = !layers;
  slot("heads-head").hidden = slot("heads").hidden = !heads;
  slot("layers").classList.toggle("pk-bare", Boolean(method.layer));
  slot("heads").classList.toggle("pk-bare", !method.direction);
  const parts = !none && method.direction ? page.view.layers[page.layer].parts : [];
  slot("parts").hidden = !parts.length;
  const missing = own && byAttention() ? [] : [!method.direction && "direction", !layers && "layer", !heads && "head"].filter(Boolean);
  const why = none && method.needs === "attention"
    ? page.view.title + " has no attention between places of the photo. Choose a method of the other groups."
    : !missing.length ? ""
    : layers ? method.title + " answers for the keypoint as it was found, so there is no " + listed(missing) + " to choose."
    : method.title + " gives one map for the whole network, so there is no " + listed(missing) + " to choose.";
  slot("why").hidden = !why;
  slot("why").textContent = why;
}

function listed(words) {
  return words.length < 2 ? words.join("") : words.slice(0, -1).join(", ") + " or " + words[words.length - 1];
}

/** The question on show, as the server wants to hear it. */
function mapQuestion() {
  const { person, keypoint, point } = page.query;
  return {
    token: page.token, view: page.view.id, direction: page.direction, person, keypoint, point,
    free: keypoint === null, method: page.method, layer: layerName(), part: page.part,
    head: byAttention() || how().heads ? page.head : null,
  };
}

/** The map that a method other than attention gave, once it is there. */
function foundGrid(index) {
  if (!page.found) return null;
  const one = page.found.layers ? page.found.layers[index] : page.found;
  if (!one) return null;
  return {
    weights: one.weights, rows: one.rows, cols: one.cols, toPhoto: one.toPhoto, signed: one.signed, top: one.top,
    numbers: one.numbers && (one.numbers[0] || one.numbers), legend: one.legend || one.legends[0],
    delta: one.delta, missed: one.missed, heat: !page.found.layers, live: false,
  };
}

/** Compute the chosen method's map for the spot that was asked about. */
async function computeMap() {
  page.found = null;
  page.told = "";
  const reply = await follow("map", "compute");
  if (!reply) return;
  if (reply.expired && await analyseAgainSilently()) {
    return tellMap("The server had let go of this photo meanwhile; it was sent again.");
  }
  if (reply.error) return tellMap(reply.error);
  const { answer } = reply;
  for (const one of answer.layers || [answer]) one.weights = floatsOf(one.weights);
  page.found = answer;
  refreshAnswer();
}

function tellMap(sentence) {
  page.told = sentence;
  refreshAnswer();
}

/** Run a job to its end: resolves to the last reply, or to null when nobody waits for it any more. */
async function follow(kind, name) {
  const mine = ++page.computing;
  page.job = { kind, done: 0, total: 0, before: 0, state: "waiting", since: performance.now() };
  refreshAnswer();
  let reply = await call(name, mapQuestion());
  while (reply.job && mine === page.computing) {
    page.job = { ...page.job, ...reply };
    if (reply.state === "running" && !page.job.ran) page.job.ran = performance.now();
    ({ map: drawWork, trust: drawTrust, heads: drawHeadWorth })[kind]();
    await new Promise((done) => setTimeout(done, 120)); // the server itself waits a little before it answers
    if (mine !== page.computing) return null;
    reply = await call("progress", { token: page.token, view: page.view.id, job: reply.job });
  }
  if (mine !== page.computing) return null;
  page.job = null;
  return reply;
}

/** Stop what is being computed; `why` is told to the server. True when there was something to stop. */
function stopJob(why) {
  if (!page.job) return false;
  page.computing++;
  page.job = null;
  call("cancel", { token: page.token, why });
  return true;
}

function cancelJob() {
  const kind = page.job && page.job.kind;
  if (!stopJob("visitor")) return;
  if (kind === "map") tellMap(how().title + " was stopped.");
  else refreshAnswer();
}

/** After a new answer to a click, or a new photo (`quiet`): what the chosen method does about it. */
function questionChanged(quiet, interrupted) {
  page.found = null;
  page.told = "";
  if (byAttention()) return;
  // Many passes are not begun before somebody asks for them.
  if (!quiet || how().needs !== "perturbation") return computeMap();
  tellMap(interrupted || how().title + " has not been computed for this photo yet.");
}

/** How far a computation is, in words. */
function jobWords(job) {
  if (job.state === "waiting" && job.before) return "Waiting for " + job.before + (job.before > 1 ? " others" : " other computation") + " to end …";
  if (!job.total) return how().needs === "gradient" ? "Running the network with gradients …" : "Starting …";
  const left = job.ran && job.done > 0 && job.done < job.total
    ? ((performance.now() - job.ran) / 1000) * (job.total - job.done) / job.done : 0;
  const time = left > 90 ? Math.round(left / 60) + " min left" : Math.round(left) + " s left";
  return "Pass " + job.done + " of " + job.total + (left > 1.5 ? " · about " + time : "");
}

function progressBar(job, label) {
  return make("progress", { max: job.total || 1, value: job.total ? job.done : false, "aria-label": label });
}

/** The box under the chooser: progress and Cancel, or why there is no map. */
function drawWork() {
  const box = slot("work"), job = page.job && page.job.kind === "map" ? page.job : null;
  box.hidden = !job && !page.told;
  box.classList.toggle("pk-told", !job);
  if (job) {
    const share = job.total ? Math.round((100 * job.done) / job.total) + " %" : "";
    box.replaceChildren(
      make("div", { class: "pk-work-line" }, [make("b", { text: "Computing " + how().title }), make("span", { text: share })]),
      progressBar(job, "Progress of " + how().title),
      make("div", { class: "pk-work-line" }, [
        make("span", { text: jobWords(job) }),
        make("button", { type: "button", class: "pk-link", "data-do": "cancel", text: "Cancel" }),
      ]),
    );
  } else if (page.told) {
    box.replaceChildren(make("div", { class: "pk-work-line" }, [
      make("span", { text: page.told, role: "status" }),
      page.query && make("button", { type: "button", class: "pk-btn", "data-do": "compute", text: "Compute" }),
    ]));
  }
}

// -- how faithful --------------------------------------------------------------------------------

/** What a measured faithfulness belongs to: this very map. */
function trustKey() {
  if (!page.query || !page.view) return null;
  const { token, ...question } = mapQuestion();
  return JSON.stringify(question);
}

/** The faithfulness of the map on show, where it was measured. */
function trustOf() {
  return page.trusts.get(trustKey());
}

async function weighMap() {
  if (!currentGridExact()) return complain("Click a spot on the photo first; then there is a map to measure.");
  const key = trustKey();
  const reply = await follow("trust", "trust");
  if (!reply) return;
  if (reply.expired && await analyseAgainSilently()) return complain("The photo was sent again; please measure once more.");
  if (reply.error) complain(reply.error);
  else page.trusts.set(key, reply.answer);
  refreshAnswer();
}

/** The line under the legend: the button, how far it is, or the figure and what it means. */
function drawTrust() {
  const box = slot("trust"), job = page.job && page.job.kind === "trust" ? page.job : null;
  const known = trustOf(), grid = currentGridExact();
  box.hidden = !grid && !job;
  box.dataset.verdict = known ? known.verdict : "";
  if (job) box.replaceChildren(
    progressBar(job, "Progress of the test of faithfulness"),
    make("div", { class: "pk-work-line" }, [
      make("span", { text: job.total ? "Hiding and showing places: " + Math.round((100 * job.done) / job.total) + " %" : jobWords(job) }),
      make("button", { type: "button", class: "pk-link", "data-do": "cancel", text: "Cancel" }),
    ]),
  );
  else if (known) box.replaceChildren(make("p", { role: "status" }, [known.meaning + " ", helpMark(TRUST_SCALE, "faithfulness")]));
  else box.replaceChildren(make("button", {
    type: "button", class: "pk-btn", "data-do": "trust", text: "How faithful?",
    title: "Hides and shows the places this map marks, strongest first, and compares what becomes of the keypoint with random places.",
  }));
}

const TRUST_SCALE = "Faithfulness is the mean of insertion and of one minus deletion, areas under the curves of what is left of"
  + " the keypoint as places come or go, strongest first. Random maps and a plain spot on the keypoint went through the same.";

slot("method").addEventListener("change", (event) => chooseMethod(event.target.value));

slot("parts").addEventListener("click", (event) => {
  const button = event.target.closest("[data-part]");
  if (button) choosePart(button.dataset.part || null);
});
slot("parts").addEventListener("keydown", (event) => {
  if (!(event.key in STEP)) return;
  event.preventDefault();
  const choices = all("[data-part]").map((node) => node.dataset.part);
  const at = choices.indexOf(page.part || "");
  choosePart(choices[(at + STEP[event.key] + choices.length) % choices.length] || null);
});

/** Show the whole attention, or one part of its dot product alone. */
function choosePart(part) {
  page.part = part;
  markParts();
  if (page.query) ask({ again: true });
  hint();
}

/** One button a part of the layer on show, and one for all of them together. */
function markParts() {
  const parts = page.view.layers.length ? page.view.layers[page.layer].parts : [];
  const focused = slot("parts").contains(document.activeElement);
  slot("parts").replaceChildren(...["", ...parts].map((part) => make("button", {
    type: "button", role: "radio", "data-part": part, "aria-checked": String(part === (page.part || "")),
    tabindex: part === (page.part || "") ? 0 : -1, text: part || "all",
    title: part ? "The attention as if only the " + part + " part of its dot product counted" : "The whole attention, as the model uses it",
  })));
  if (focused) slot("parts").querySelector('[aria-checked="true"]')?.focus({ preventScroll: true });
}
