// Inside the model: what it left besides maps. Drawn over the photo or under it, whatever model it is.

const inside = { asked: 0, found: null, view: null, stage: null, shown: { votes: true, fields: true, joins: true }, boxes: [] };
const OVERLAYS = [
  ["votes", "votes", "The cells whose offsets point to this keypoint, each with a line to where it points."],
  ["fields", "limb field", "Where the model sees the limbs that end here, and which way they run."],
  ["joins", "joined limbs", "The limbs that made this person; dashed, the next best pair."],
];

/** Ask what there is about the keypoint on show; models without an inside are never asked. */
async function fetchInside() {
  const mine = ++inside.asked, query = page.query;
  inside.boxes = [];
  if (!page.view || !page.view.inside || !query) return showInside(null);
  // Of some models all that is kept is about the person: another keypoint has nothing new.
  if (page.view.inside === "person" && inside.found && inside.view === page.view.id && inside.found.person === query.person) return frameAsked();
  const view = page.view.id;
  const reply = await call("inside", { token: page.token, view: page.view.id, person: query.person, keypoint: query.keypoint });
  if (mine !== inside.asked || view !== page.view.id) return;
  inside.view = view;
  showInside(reply.error ? null : reply);
}

function showInside(found) {
  inside.found = found;
  const some = found && (found.film.length || found.matrices.length || (found.joins || []).length || (found.votes || []).length || found.pair || (found.weights || []).length);
  slot("inside").hidden = !some;
  if (some) {
    slot("inside-note").textContent = page.view.title + (page.view.people.length > 1 ? ", person " + (found.person + 1) : "");
    drawFilm();
    drawOverlays();
    drawJoins();
    drawHeatPair();
    drawWeights();
    drawMatrices();
  }
  drawInside();
}

function drawFilm() {
  const { film } = inside.found, slider = slot("film-stage");
  slot("film").hidden = film.length < 2;
  if (film.length < 2) return void (inside.stage = null);
  slider.max = film.length - 1;
  if (inside.stage === null || inside.stage >= film.length) inside.stage = film.length - 1;
  slider.value = inside.stage;
  tellStage();
}

function tellStage() {
  const frame = inside.found.film[inside.stage], last = inside.found.film.length - 1;
  slot("film-out").textContent = frame.stage + " of " + last;
  slot("film-line").textContent = frame.stage === 0 ? "Where this query starts: nothing has been looked at yet."
    : "What stage " + frame.stage + " says: its box" + (frame.keypoints ? ", the pose, and how far off it expects each keypoint to be" : "")
      + (frame.score === null ? "." : "; " + percent(frame.score) + " sure of a person.");
}

slot("film-stage").addEventListener("input", (event) => {
  if (!inside.found || !inside.found.film.length) return;
  inside.stage = Number(event.target.value);
  tellStage();
  drawInside();
});

function drawOverlays() {
  const there = OVERLAYS.filter(([name]) => (inside.found[name] || []).length);
  slot("overlays-row").hidden = !there.length;
  slot("votes-line").textContent = votesWords(inside.found.votes || []);
  slot("overlays").replaceChildren(...there.map(([name, words, meaning]) => make("button", {
    type: "button", class: "pk-chip", title: meaning, "aria-pressed": String(inside.shown[name]), text: words,
    onclick: (event) => {
      inside.shown[name] = !inside.shown[name];
      event.currentTarget.setAttribute("aria-pressed", String(inside.shown[name]));
      drawInside();
    },
  })));
}

/** Which cells made the keypoint, in a sentence. */
function votesWords(votes) {
  if (!votes.length) return "";
  const far = Math.max(...votes.map((vote) => Math.hypot(vote.point[0] - vote.cell[0], vote.point[1] - vote.cell[1])));
  const some = votes.length === 1 ? "One cell voted for this keypoint; it points" : votes.length + " cells voted for this keypoint; their mean, each weighted by its heat, is its place. They point";
  return some + " at most " + far.toFixed(1) + " px away from " + (votes.length === 1 ? "its" : "their") + " middle.";
}

function drawJoins() {
  const rows = inside.found.joins || [];
  slot("joins").hidden = !rows.length;
  const heads = [["limb", ""], ["score", "Alignment less a penalty for an overlong limb; the highest pair is joined."],
    ["alignment", "Mean of the field along the way, in the way’s direction; 1 is perfect."],
    ["agreeing", "Share of the samples on the way that point the right way."], ["next best", "Score of the best other pair that shares an end."], ["what it did", ""]];
  slot("joins-title").textContent = "Why these keypoints were joined";
  slot("joins-table").replaceChildren(
    make("tr", {}, heads.map(([text, title]) => make("th", { text, title, scope: "col" }))),
    ...rows.map((row) => make("tr", {}, [row.limb, row.score.toFixed(2), row.alignment.toFixed(2), percent(row.agreeing),
      row.rival ? row.rival[2].toFixed(2) : "none", row.outcome].map((text) => make("td", { text })))),
  );
}

/** Everything of the inside that lies on the photo; the pose underneath stays the answer's. */
function drawInside() {
  stage.pose.querySelector(".pk-inside-layer")?.remove();
  const { found } = inside;
  if (!found || !page.view || page.boxMode) return;
  const group = draw("g", { class: "pk-inside-layer" });
  const line = (name, [x1, y1], [x2, y2]) => draw("line", { class: name, x1, y1, x2, y2 });
  const rect = (name, [x0, y0, x1, y1]) => draw("rect", { class: name, x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0) });
  const frame = inside.stage === null ? null : found.film[inside.stage];
  if (frame && inside.stage < found.film.length - 1) {
    if (frame.box) group.append(rect("pk-frame-box", frame.box));
    if (frame.keypoints) {
      for (const [a, b] of page.view.skeleton.limbs) group.append(line("pk-joined", frame.keypoints[a], frame.keypoints[b]));
    }
  }
  const asked = page.query ? page.query.keypoint : null;
  if (frame && frame.sigmas) frame.keypoints.forEach(([cx, cy], k) => group.append(draw("ellipse", { class: "pk-sigma" + (k === asked ? " pk-sigma-asked" : ""), cx, cy, rx: frame.sigmas[k][0], ry: frame.sigmas[k][1] })));
  if (inside.shown.fields) for (const field of found.fields || []) field.starts.forEach((start, n) => {
    const [dx, dy] = field.arrows[n], long = 0.9 * field.cell;
    const tip = [start[0] + dx * long, start[1] + dy * long];
    group.append(line("pk-arrow", start, tip), disc("pk-arrow", tip, 1.4, stage.unit));
  });
  if (inside.shown.joins) for (const row of found.joins || []) {
    group.append(line("pk-joined", ...row.ends));
    if (row.rival) group.append(line("pk-rival", row.rival[0], row.rival[1]));
  }
  if (inside.shown.votes) for (const vote of found.votes || []) {
    group.append(line("pk-vote", vote.cell, vote.point), disc("pk-vote", vote.cell, 1 + 3 * Math.max(0, vote.weight), stage.unit));
  }
  inside.boxes.forEach((box, n) => group.append(rect(n ? "pk-query-box pk-key-box" : "pk-query-box", box)));
  stage.pose.append(group);
}
