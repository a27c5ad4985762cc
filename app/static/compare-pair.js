// Compare: two maps on one photo, with a slider between them, and their difference.

// Where the left map has more, and where the right one has; the same colours as in what is downloaded.
const MORE_COLOUR = props.compare.more, LESS_COLOUR = props.compare.less;

/** Model, and weights or layer where that tells two panels apart. */
function panelTitle(panel) {
  return panel.answer ? panel.answer.title : titleOf(panel.model);
}

function pairPanels() {
  return compare.pair.map((index) => compare.panels[index]);
}

/** Same photo size for both views, as the column gives room. */
function fitPair() {
  const { width, height } = page.view.photo;
  for (const mat of all(".pk-pair .pk-mat")) {
    const scale = Math.min(mat.clientWidth / width, Math.max(320, window.innerHeight * 0.68) / height);
    const frame = mat.querySelector(".pk-frame"), shown = { width: Math.round(width * scale), height: Math.round(height * scale) };
    if (!shown.width) return;
    frame.style.width = shown.width + "px";
    frame.style.height = shown.height + "px";
    mat.style.height = shown.height + "px";
    for (const canvas of frame.querySelectorAll("canvas")) if (canvas.width !== shown.width || canvas.height !== shown.height) Object.assign(canvas, shown);
  }
  paintPair();
}

function drawPair() {
  const names = compare.panels.map(panelTitle);
  ["pair-a", "pair-b"].forEach((name, side) => {
    slot(name).replaceChildren(...names.map((text, index) => make("option", { value: index, text })));
    slot(name).value = compare.pair[side];
  });
  const [a, b] = compare.pair.map((index) => names[index]);
  slot("wipe-left-name").textContent = slot("diff-b").textContent = a;
  slot("wipe-right-name").textContent = slot("diff-a").textContent = b;
  drawDifferenceBar();
  const pair = compare.answer && compare.answer.pair;
  slot("pair-note").textContent = !pair ? "One of these two has no map to compare."
    : percent(pair.overlap) + " of their attention lies in the same places · rank correlation " + pair.correlation.toFixed(2);
  slot("diff-note").textContent = pair ? "up to " + percent(pair.limit) + " " + pair.unit : "";
  slot("diff").setAttribute("aria-label", pair ? "Difference of the two maps: where " + a + " looks more than " + b + ", and less" : "No difference to show");
  moveWipe();
  paintPair();
}

function paintPair() {
  if (!compare.answer || !pageShown("compare") || !slot("diff").width) return;
  const look = currentLook(1), part = wholePhoto(page.view.photo);
  const [left, right] = pairPanels();
  for (const [name, panel] of [["wipe-left", left], ["wipe-right", right]]) {
    const map = panel && panel.answer && panel.answer.map;
    underlay(slot(name), map ? dimming(page.opacity) : "none");
    if (map) overlay(slot(name), (canvas) => drawMapOnPhoto(canvas, { ...map, top: compare.scale === "one" ? map.top : 0 }, look, part));
  }
  const { pair } = compare.answer;
  underlay(slot("diff"), pair ? "saturate(0.25) brightness(0.62)" : "none");
  if (pair) overlay(slot("diff"), (canvas) => drawDifference(canvas, pair, part));
}

const grounds = new Map(); // filter -> the photo through it, at the size it is shown

/** The photo itself, as far as it steps back under a map; filtering it takes longer than any map. */
function underlay(canvas, filter) {
  const { width, height } = canvas, held = grounds.get(filter);
  let ground = held && held.image === stage.image && held.width === width && held.height === height ? held : null;
  if (!ground) {
    if (grounds.size > 3) grounds.clear(); // the opacity was moved: those before it are of no use
    ground = make("canvas", { width, height });
    ground.image = stage.image;
    const context = ground.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.filter = filter;
    context.drawImage(stage.image, 0, 0, width, height);
    grounds.set(filter, ground);
  }
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(ground, 0, 0);
}

const glass = document.createElement("canvas");

/** Paint on a canvas of the same size, then lay it over. */
function overlay(canvas, paint) {
  Object.assign(glass, { width: canvas.width, height: canvas.height });
  paint(glass);
  canvas.getContext("2d").drawImage(glass, 0, 0);
}

/** Signed values: colour by sign, strength by size; where nothing differs there is the photo itself. */
function drawDifference(canvas, grid, part) {
  const { rows, cols, values, limit } = grid, context = canvas.getContext("2d");
  scratch.width = cols;
  scratch.height = rows;
  const inner = scratch.getContext("2d"), picture = inner.createImageData(cols, rows);
  for (let i = 0; i < values.length; i++) {
    const part = Math.min(1, Math.abs(values[i]) / (limit || 1)), colour = values[i] > 0 ? MORE_COLOUR : LESS_COLOUR;
    picture.data.set([...colour, 255 * page.opacity * glow(part)], 4 * i);
  }
  inner.putImageData(picture, 0, 0);
  const m = grid.toPhoto, [ox, oy] = applyAffine(m, -0.5, -0.5);
  inPhotoPixels(context, part);
  context.transform(m[0], m[3], m[1], m[4], ox, oy);
  context.imageSmoothingQuality = "high";
  context.drawImage(scratch, 0, 0);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/** How strongly a difference is coloured: two colours only, so the strength alone must tell its size. */
function glow(part) {
  return Math.pow(part, 0.7);
}

/** The bar from the right map's colour over none to the left one's. */
function drawDifferenceBar() {
  const canvas = slot("diff-bar"), context = canvas.getContext("2d"), last = canvas.width - 1;
  if (canvas.dataset.drawn) return;
  canvas.dataset.drawn = "yes";
  for (let x = 0; x <= last; x++) {
    const part = (2 * x) / last - 1, share = glow(Math.abs(part)), ground = 70;
    const mix = (part > 0 ? MORE_COLOUR : LESS_COLOUR).map((value) => Math.round(ground + (value - ground) * share));
    context.fillStyle = "rgb(" + mix.join(",") + ")";
    context.fillRect(x, 0, 1, canvas.height);
  }
}

function moveWipe() {
  slot("wipe").style.setProperty("--pk-at", compare.wipe + "%");
  const [a, b] = pairPanels().map((panel) => (panel ? panelTitle(panel) : ""));
  slot("wipe-at").setAttribute("aria-valuetext", Math.round(compare.wipe) + " % " + a + ", the rest " + b);
}

slot("wipe-at").addEventListener("input", (event) => {
  compare.wipe = Number(event.target.value);
  moveWipe();
});
["pair-a", "pair-b"].forEach((name, side) => slot(name).addEventListener("change", (event) => {
  const chosen = Number(event.target.value), other = compare.pair[1 - side];
  // The same model on both sides would show nothing: the two trade places.
  compare.pair = side ? [other === chosen ? compare.pair[1] : other, chosen] : [chosen, other === chosen ? compare.pair[0] : other];
  drawPair();
  if (compare.sent) compareAsk({ pair: true });
}));
