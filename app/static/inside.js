// Inside the model: what it left besides maps. Drawn over the photo or under it, whatever model it is.

const inside = { asked: 0, found: null, stage: null, shown: { votes: true, fields: true, joins: true }, box: null };
const OVERLAYS = [
  ["votes", "votes", "The cells whose offsets point to this keypoint, each with a line to where it points."],
  ["fields", "limb field", "Where the model sees the limbs that end here, and which way they run."],
  ["joins", "joined limbs", "The limbs that made this person; dashed, the next best pair."],
];

/** Ask what there is about the keypoint on show; models without an inside are never asked. */
async function fetchInside() {
  const mine = ++inside.asked, query = page.query;
  inside.box = null;
  if (!page.view || !page.view.inside || !query) return showInside(null);
  const reply = await call("inside", { token: page.token, view: page.view.id, person: query.person, keypoint: query.keypoint });
  if (mine !== inside.asked) return;
  showInside(reply.error ? null : reply);
}

function showInside(found) {
  inside.found = found;
  const some = found && (found.film.length || found.matrices.length || (found.joins || []).length || (found.votes || []).length);
  slot("inside").hidden = !some;
  if (some) {
    slot("inside-note").textContent = page.view.title + (page.view.people.length > 1 ? ", person " + (found.person + 1) : "");
    drawFilm();
    drawOverlays();
    drawJoins();
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
  slot("overlays").hidden = !there.length;
  slot("overlays").replaceChildren(...there.map(([name, words, meaning]) => make("button", {
    type: "button", class: "pk-chip", title: meaning, "aria-pressed": String(inside.shown[name]), text: words,
    onclick: (event) => {
      inside.shown[name] = !inside.shown[name];
      event.currentTarget.setAttribute("aria-pressed", String(inside.shown[name]));
      drawInside();
    },
  })));
}

function drawJoins() {
  const rows = inside.found.joins || [];
  slot("joins").hidden = !rows.length;
  const heads = [["limb", ""], ["score", "Alignment less a penalty for an overlong limb; the highest pair is joined."],
    ["alignment", "Mean of the field along the way, in the way’s direction; 1 is perfect."],
    ["agreeing", "Share of the samples on the way that point the right way."], ["next best", "Score of the best other pair that shares an end."], ["what it did", ""]];
  slot("joins").replaceChildren(make("table", {}, [
    make("tr", {}, heads.map(([text, title]) => make("th", { text, title, scope: "col" }))),
    ...rows.map((row) => make("tr", {}, [row.limb, row.score.toFixed(2), row.alignment.toFixed(2), percent(row.agreeing),
      row.rival ? row.rival[2].toFixed(2) : "none", row.outcome].map((text) => make("td", { text })))),
  ]));
}

const MATRIX_WORDS = { query: "queries, stage", part: "body parts, stage", gate: "gates, stage", affinity: "keypoints of everybody" };

function drawMatrices() {
  const { matrices } = inside.found;
  slot("matrices").hidden = !matrices.length;
  slot("matrices").replaceChildren(...matrices.map((one) => {
    const rows = one.rows.length, cols = one.cols.length, values = floatsOf(one.values), top = Math.max(1e-9, ...values);
    const canvas = make("canvas", { width: cols, height: rows, role: "img", tabindex: 0,
      "aria-label": one.meaning + " " + rows + " rows, " + cols + " columns." });
    canvas.style.aspectRatio = cols + " / " + rows;
    const context = canvas.getContext("2d"), image = context.createImageData(cols, rows), table = page.tables[page.palette];
    values.forEach((value, n) => {
      const step = 3 * Math.round((value / (one.kind === "gate" ? 1 : top)) * 255);
      image.data.set([table[step], table[step + 1], table[step + 2], 255], 4 * n);
    });
    context.putImageData(image, 0, 0);
    const number = one.name.includes(".") ? " " + one.name.split(".").pop() : "";
    const note = make("small", { text: one.meaning, "aria-live": "polite" });
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [Math.floor(((event.clientY - box.top) / box.height) * rows), Math.floor(((event.clientX - box.left) / box.width) * cols)];
    };
    canvas.addEventListener("pointermove", (event) => {
      const [row, col] = at(event);
      if (row < 0 || col < 0 || row >= rows || col >= cols) return;
      note.textContent = one.rows[row] + " → " + one.cols[col] + ": " + (one.kind === "gate" ? values[row * cols + col].toFixed(2) : percent(values[row * cols + col]));
      if (one.boxes) markBox(one.boxes[row]);
    });
    canvas.addEventListener("pointerleave", () => { note.textContent = one.meaning; markBox(null); });
    canvas.addEventListener("click", (event) => one.boxes && markBox(one.boxes[at(event)[0]]));
    return make("div", { class: "pk-matrix" }, [make("b", { text: capital(MATRIX_WORDS[one.kind] || one.kind) + number
      + (one.mine === null ? "" : " · this person is " + one.rows[one.mine]) }), canvas, note]);
  }));
}

function markBox(box) {
  inside.box = box;
  drawInside();
}

/** Everything of the inside that lies on the photo; the pose underneath stays the answer's. */
function drawInside() {
  stage.skeleton.querySelector(".pk-inside-layer")?.remove();
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
  if (frame && frame.sigmas) frame.keypoints.forEach(([cx, cy], k) => group.append(draw("ellipse", { class: "pk-sigma", cx, cy, rx: frame.sigmas[k][0], ry: frame.sigmas[k][1] })));
  if (inside.shown.fields) for (const field of found.fields || []) field.starts.forEach((start, n) => {
    const [dx, dy] = field.arrows[n], long = 0.9 * field.cell;
    const tip = [start[0] + dx * long, start[1] + dy * long];
    group.append(line("pk-arrow", start, tip), draw("circle", { class: "pk-arrow", cx: tip[0], cy: tip[1], r: 1.4 * stage.unit }));
  });
  if (inside.shown.joins) for (const row of found.joins || []) {
    group.append(line("pk-joined", ...row.ends));
    if (row.rival) group.append(line("pk-rival", row.rival[0], row.rival[1]));
  }
  if (inside.shown.votes) for (const vote of found.votes || []) {
    group.append(line("pk-vote", vote.cell, vote.point), draw("circle", { class: "pk-vote", cx: vote.cell[0], cy: vote.cell[1], r: (1 + 3 * Math.max(0, vote.weight)) * stage.unit }));
  }
  if (inside.box) group.append(rect("pk-query-box", inside.box));
  stage.skeleton.append(group);
}
