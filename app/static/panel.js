// The side of the page: layers, heads, numbers, legend, keypoint list, model card.

/** The map of one layer and head that is on show now: live under the pointer, or the exact answer. */
function currentGrid(layer, head) {
  const index = layer === undefined ? page.layer : layer;
  if (page.hover) return liveGrid(index);
  if (!byAttention()) return foundGrid(index);
  if (!page.answer) return null;
  const one = page.answer.layers[index];
  if (!one) return null;
  const which = head === undefined ? page.head : head;
  const plane = which === null ? 0 : which + 1;
  const cells = one.rows * one.cols;
  return {
    weights: one.weights.subarray(plane * cells, (plane + 1) * cells),
    rows: one.rows, cols: one.cols, toPhoto: one.toPhoto, heads: one.heads, head: which,
    numbers: one.numbers[plane], legend: one.legends[plane], live: false,
  };
}

/** Colours of signed maps, -1 to 1: against, near black at zero, for. */
const DIVERGING = bytesOf(props.diverging);

/** How maps are painted now; `keep`: the share of a map's mass that is shown. */
function currentLook(keep) {
  return lookOf(page.tables[page.palette], page.opacity, keep, DIVERGING);
}

/** The photo on the stage, as maps on crops want it. */
function stagePhoto() {
  return { image: stage.image, width: page.view.photo.width };
}

let painting = 0;

/** Redraw the maps at the next frame, however often it is asked for. */
function paint() {
  if (!painting) painting = requestAnimationFrame(() => {
    painting = 0;
    paintNow();
  });
}

function paintPhotoMap() {
  stage.paintMap(currentGrid(), currentLook(page.keep), page.boxMode);
}

function paintNow() {
  if (!page.view) return;
  const look = currentLook(page.keep);
  paintPhotoMap();
  markQuery();
  const asked = page.hover || page.query;
  const thumbs = (name) => (slot(name).hidden || slot(name).classList.contains("pk-bare") ? [] : slot(name).querySelectorAll("canvas"));
  thumbs("layers").forEach((canvas, index) => {
    const grid = currentGrid(index);
    if (!grid) return;
    drawMapOnCrop(canvas, stagePhoto(), grid, look, asked.point);
    canvas.nextElementSibling.querySelector("small").textContent = "peak " + (page.view.columns ? percent : plainNumber)(largest(grid.weights));
    canvas.parentElement.title = legendOf(grid, index) + " · key " + (index + 1);
  });
  thumbs("heads").forEach((canvas) => {
    const grid = currentGrid(page.layer, canvas.dataset.head === "mean" ? null : Number(canvas.dataset.head));
    if (!grid || (grid.live && canvas.dataset.head !== "mean")) return;
    drawMapOnCrop(canvas, stagePhoto(), grid, look, null);
    canvas.parentElement.title = legendOf(grid, page.layer);
  });
  element.classList.toggle("pk-live", Boolean(page.hover));
  drawLegend();
}

/** Thumbnails for every layer and head, made once per analysed photo and model. */
function buildThumbs() {
  const { layers } = page.view;
  // Who looks at the last layer goes on looking at the last one, whatever model comes next.
  const last = layers.length - 1, atLast = page.layer === null || page.layer === page.lastLayer;
  page.layer = Math.max(0, atLast ? last : Math.min(page.layer, last));
  page.lastLayer = last;
  markMethod();
  slot("layers").replaceChildren();
  slot("heads").replaceChildren();
  if (!layers.length) return;
  const shape = layers[page.layer];
  element.style.setProperty("--pk-crop", shape.cols + " / " + shape.rows);
  element.style.setProperty("--pk-layers", layers.length > 4 ? 3 : Math.max(3, layers.length));
  slot("layers").replaceChildren(...layers.map((layer, index) => make("button", {
    type: "button", class: "pk-thumb", "data-layer": index, title: layer.title + ", key " + (index + 1),
    onclick: () => chooseLayer(index),
  }, [thumbCanvas(layer, 132), make("span", {}, [make("b", { text: layer.title }), make("small", { text: "–" })])])));
  buildHeads();
  markChoice();
}

/** Thumbnails for the heads of the layer on show; layers may differ in how many they have. */
function buildHeads() {
  const shape = page.view.layers[page.layer];
  if (!shape) return;
  element.style.setProperty("--pk-heads", Math.min(9, shape.heads + 1));
  const heads = shape.heads > 1 ? ["mean", ...Array(shape.heads).keys()] : [];
  if (!heads.length) slot("heads").hidden = true;
  slot("heads-note").textContent = heads.length ? shape.heads + " heads" + (byAttention() ? " and their mean" : "") : page.view.columns ? "this model has one head per layer" : "";
  slot("heads").replaceChildren(...heads.map((head) => {
    const canvas = thumbCanvas(shape, 56);
    canvas.dataset.head = head;
    return make("button", {
      type: "button", class: "pk-thumb", "data-head": head,
      "aria-label": head === "mean" ? "Mean of all heads" : "Head " + (head + 1),
      onclick: () => chooseHead(head === "mean" ? null : head),
    }, [canvas, make("span", { text: head !== "mean" ? String(head + 1) : byAttention() ? "mean" : "all" })]);
  }));
  if (page.head !== null && page.head >= shape.heads) page.head = null;
}

function thumbCanvas(layer, width) {
  const dense = Math.min(2, window.devicePixelRatio || 1);
  return make("canvas", { width: width * dense, height: Math.round((width * dense * layer.rows) / layer.cols), "aria-hidden": "true" });
}

function chooseLayer(index) {
  if (!page.view || index < 0 || index >= page.view.layers.length) return;
  const heads = page.view.layers[page.layer].heads;
  page.layer = index;
  if (page.view.layers[index].heads !== heads) buildHeads();
  markMethod();
  markChoice();
  choiceChanged(how().layer);
}

/** Another layer or head: a map we have, or one to compute. */
function choiceChanged(compute) {
  if (compute && page.query) computeMap();
  else refreshAnswer();
}

function chooseHead(head) {
  page.head = head;
  markChoice();
  choiceChanged(!byAttention() && how().heads);
}

function chooseDirection(direction) {
  if (!byAttention()) return;
  page.direction = direction;
  markChoice();
  if (page.query) ask({ again: true });
}

/** Show which layer, head and direction are chosen. */
function markChoice() {
  all("[data-layer]").forEach((node) => node.setAttribute("aria-pressed", String(Number(node.dataset.layer) === page.layer)));
  all("button[data-head]").forEach((node) => node.setAttribute("aria-pressed", String(node.dataset.head === (page.head === null ? "mean" : String(page.head)))));
  all("[data-direction]").forEach((node) => {
    const on = node.dataset.direction === page.direction;
    node.setAttribute("aria-checked", String(on));
    node.tabIndex = on ? 0 : -1;
  });
  if (!page.view || !page.view.layers.length) return;
  slot("heads-of").textContent = how().direction || how().layer ? page.view.layers[page.layer].title.toLowerCase() : "all layers";
  markParts();
}

slot("direction").addEventListener("click", (event) => {
  const button = event.target.closest("[data-direction]");
  if (button) chooseDirection(button.dataset.direction);
});
slot("direction").addEventListener("keydown", (event) => {
  if (!(event.key in STEP)) return;
  event.preventDefault();
  chooseDirection(page.direction === "row" ? "column" : "row");
  element.querySelector('[data-direction="' + page.direction + '"]').focus();
});

const WORDS = { row: "looks at", column: "is looked at by" };

/** Everything that follows from the answer, the layer and the head. */
function refreshAnswer() {
  paint();
  drawQuery();
  drawNumbers();
  drawWork();
  drawTrust();
  drawHeadWorth();
  markDownloads();
  keepAsked();
}

function drawQuery() {
  const title = slot("query");
  if (page.hover) return title.replaceChildren(
    make("b", { text: "This spot" }), make("small", { text: "live" }), make("span", { text: WORDS[page.direction] + " …" }),
  );
  if (!page.query) return void (title.textContent = nobodyFound() ? "Nothing to ask about" : "Point at the photo, or pick a keypoint");
  const { label, keypoint, person } = page.query;
  const score = keypoint === null ? null : page.view.people[person].scores[keypoint];
  const doubt = keypoint === null ? null : page.view.people[person].doubts[keypoint];
  title.replaceChildren(
    make("b", { text: askedTitle(label) }),
    score === null ? "" : make("small", {}, [score.toFixed(2), helpMark("confidence", "this confidence")]),
    doubt ? make("small", { class: "pk-doubt" }, [helpWords("doubtful", doubt)]) : "",
    page.view.people.length > 1 ? make("small", { text: "person " + (person + 1) }) : "",
    make("span", { text: !byAttention() ? "by " + how().title : page.view.columns ? WORDS[page.direction] + " …" : "found by …" }),
  );
}

/** What a map shows: model, layer, head, direction, grid and scale. */
function legendOf(grid, layer) {
  if (grid.live) return "Live preview · " + page.view.title + " · " + page.view.layers[layer].title.toLowerCase()
    + " · mean of heads · 8-bit · click for exact values";
  const trust = layer === page.layer && trustOf();
  return grid.legend + (trust ? " · " + trust.words : "") + (page.keep < 1 ? " · strongest cells only, " + percent(page.keep) : "");
}

function drawLegend() {
  const grid = currentGrid();
  const legend = slot("legend");
  slot("scale").hidden = !grid && (!byAttention() || nobodyFound());
  legend.hidden = nobodyFound();
  slot("palette").disabled = Boolean(grid && grid.signed);
  slot("palette").title = grid && grid.signed ? "A signed map has colours of its own: green for the keypoint, violet against." : "";
  drawBar(Boolean(grid && grid.signed));
  if (!grid) return void (legend.textContent = "");
  legend.textContent = legendOf(grid, page.layer);
  slot("bar-text").textContent = grid.heat
    ? (grid.signed ? plainNumber(-grid.top) + " against, " : "0 to ") + plainNumber(grid.top) + (grid.signed ? " for" : " per cell")
    : !page.view.columns ? "0 to " + plainNumber(largest(grid.weights))
    : "0 to " + percent(largest(grid.weights))
    + (page.direction === "row" ? " of the attention per cell" : " of each cell’s attention");
}

function drawBar(signed) {
  const canvas = slot("bar"), context = canvas.getContext("2d"), table = signed ? DIVERGING : page.tables[page.palette];
  for (let x = 0; x < canvas.width; x++) {
    const step = 3 * Math.round((x / (canvas.width - 1)) * 255);
    context.fillStyle = "rgb(" + table[step] + "," + table[step + 1] + "," + table[step + 2] + ")";
    context.fillRect(x, 0, 1, canvas.height);
  }
}

/** The keypoint list: for the keyboard, for screen readers, and for small keypoints. */
function drawChips() {
  const { view } = page, person = view.people[page.person];
  slot("points-note").textContent = nobodyFound() ? "none of these was found" : "pick one here or on the photo";
  if (!person) return slot("chips").replaceChildren();
  const chosen = page.query && page.query.person === page.person ? page.query.keypoint : null;
  const bar = slot("chips");
  const focused = bar.contains(document.activeElement) ? document.activeElement.dataset.keypoint : null;
  bar.replaceChildren(...view.skeleton.keypoints.map((name, k) => make("button", {
    type: "button", class: "pk-chip " + SIDE_CLASS[view.skeleton.sides[k]] + (person.scores[k] < page.weak ? " pk-weak" : ""),
    "data-keypoint": k, "aria-pressed": String(k === chosen), tabindex: k === (chosen === null ? 0 : chosen) ? 0 : -1,
    disabled: !person.keypoints[k], title: person.keypoints[k] ? person.doubts[k] || "" : "not found",
    onclick: () => askKeypoint(page.person, k),
  }, [make("i", { class: person.doubts[k] ? "pk-hollow" : "", "aria-hidden": "true" }), make("span", { text: name }), make("small", { text: person.keypoints[k] ? person.scores[k].toFixed(2) : "–" })])));
  if (focused !== null) bar.querySelector('[data-keypoint="' + focused + '"]')?.focus({ preventScroll: true });
}

slot("chips").addEventListener("keydown", (event) => {
  if (!(event.key in STEP)) return;
  event.preventDefault();
  walk(STEP[event.key], "chips");
});
