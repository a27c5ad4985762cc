// Compare: the photo, the pose and the map of every panel, live under the pointer or exact after a click.

/** Give every panel the same size, as large as leaves all of a row on the screen. */
function fitPanels() {
  const box = slot("panels");
  if (!page.view || !compare.panels.length || !box.clientWidth) return;
  const { width, height } = page.view.photo, count = compare.panels.length;
  const narrow = window.matchMedia("(max-width: 640px)").matches;
  const room = Math.max(1, Math.floor((box.clientWidth + 14) / (NARROWEST + 14)));
  // Five in a room for four become three and two, not four and one.
  const columns = narrow ? count : Math.ceil(count / Math.ceil(count / room));
  box.style.setProperty("--pk-columns", columns);
  const across = compare.panels[0].nodes.mat.clientWidth;
  if (!across) return; // the page is not laid out yet; it is fitted again when it is
  const tallest = narrow ? window.innerHeight * 0.56 : Math.max(300, window.innerHeight - 388);
  const high = Math.round(height * Math.min(across / width, tallest / height));
  box.style.setProperty("--pk-photo-height", high + "px");
  compareViewport.fit(page.view.photo, { width: across, height: high });
  compare.panels.forEach(fitPanel);
  fitPair();
  paintCompare();
}

/** Put what a panel shows of the photo into its frame. */
function fitPanel(panel) {
  panel.canvas.place();
  paintPanelPhoto(panel);
  drawPose(panel);
}

/** The photo, painted anew only when it, its size or the part on show changed. */
function paintPanelPhoto({ canvas }) {
  const { photo, pose } = canvas, key = [photo.width, photo.height, pose.getAttribute("viewBox")].join(" ");
  if (photo.dataset.key === key && photo.painted === stage.image) return;
  photo.dataset.key = key;
  photo.painted = stage.image;
  canvas.paintPhoto(stage.image);
}

// One viewport for all: they show the same part of the photo.
compareViewport.addEventListener("change", () => {
  for (const panel of compare.panels) {
    panel.canvas.place();
    paintPanelPhoto(panel);
    resizeMarks(panel.canvas.pose, panel.canvas.unit);
  }
  showTips(null);
  paintCompare();
});

function drawPose(panel) {
  const { view, canvas } = panel;
  canvas.pose.replaceChildren();
  if (!view) return;
  panel.nodes.cell = draw("polygon", { class: "pk-cell" });
  panel.nodes.star = draw("path", { class: "pk-star" });
  canvas.pose.append(...view.people.map((person, index) => drawPerson(person, view.skeleton, {
    unit: canvas.unit, dot: 3.6, mine: index === compare.person, box: !view.whole || view.finds,
  })), panel.nodes.cell, panel.nodes.star);
  slot("compare-rings").hidden = !compare.panels.some((one) => one.view && anyDoubt(one.view.people));
}

/** Star and cell of the spot a panel was asked about. */
function markPanel(panel, point, token, grid) {
  const { star, cell } = panel.nodes;
  if (!star) return;
  star.style.display = point ? "" : "none";
  cell.style.display = point && grid && token >= 0 ? "" : "none";
  if (point) placeStar(star, point, panel.canvas.unit);
  if (!cell.style.display) cell.setAttribute("points", cellOutline(grid, token));
}

/** Ask for the preview of the layer a panel shows, once a layer and person. */
async function fetchPreviews(panel) {
  const { view } = panel, layer = layerOf(panel), person = compare.person;
  if (typeof DecompressionStream === "undefined" || layer === null || !view.live) return;
  const key = person + ":" + layer;
  if (panel.previews.has(key)) return;
  panel.previews.set(key, null); // under way
  const reply = await call("compare_live", { token: page.token, view: view.id, person, layer: view.layers[layer].name });
  if (panel.view !== view) return;
  if (reply.error) return void panel.previews.delete(key);
  panel.previews.set(key, { ...reply, cells: await inflate(bytesOf(reply.cells)), scale: floatsOf(reply.scale) });
  compareHint();
}

function previewOf(panel) {
  return panel.state === "ready" ? panel.previews.get(compare.person + ":" + layerOf(panel)) || null : null;
}

/** Whether pointing shows maps: previews are of attention only. */
function liveCompare() {
  return compare.method === "attention" && readyPanels().some(previewOf);
}

/** The pointer is at a photo point (null: it left); a pinned spot is never disturbed. */
function compareHover(point) {
  if (compare.hover && compare.hover.asked) return;
  const before = compare.hover;
  compare.hover = point && !compare.pinned && liveCompare() ? { point } : null;
  if (compare.hover || before) paintCompareSoon();
  if (Boolean(compare.hover) !== Boolean(before)) drawAsked();
}

/** Show the live maps of a spot the server is being asked about; its answer takes their place. */
function showAsked(point) {
  if (compare.head !== null || !liveCompare()) return; // previews are of the mean
  compare.hover = { point, asked: true };
  paintCompareSoon();
}

/** No answer comes: what was on the page is there again. */
function dropAsked() {
  if (!compare.hover || !compare.hover.asked) return;
  compare.hover = null;
  paintCompareSoon();
  drawAsked();
}

/** A panel's live map as shares of its mass, with the densest cell's density; null where it has none. */
function liveMap(panel) {
  const preview = previewOf(panel);
  if (!preview) return null;
  const token = cellAt(preview.query, compare.hover.point);
  if (token < 0) return null;
  const grid = previewGrid(preview, compare.direction, token, compare.hover.point);
  if (!grid) return null;
  let sum = 0;
  for (const value of grid.weights) sum += value;
  if (!(sum > 0)) return null;
  return { ...grid, hasty: true, token, cells: preview.query, density: (largest(grid.weights) / sum) * preview.factors[compare.direction] };
}

let comparePainting = 0;

function paintCompareSoon() {
  if (!comparePainting) comparePainting = requestAnimationFrame(() => {
    comparePainting = 0;
    paintCompare();
  });
}

function paintCompare() {
  if (!page.view || !pageShown("compare")) return;
  const look = currentLook(1);
  const live = compare.hover ? new Map(readyPanels().map((panel) => [panel, liveMap(panel)])) : null;
  const densest = live ? Math.max(0, ...Array.from(live.values(), (map) => (map ? map.density : 0))) : 0;
  for (const panel of compare.panels) {
    const ready = panel.state === "ready", answer = ready ? panel.answer : null;
    const moving = live ? live.get(panel) || null : null;
    let grid = live ? moving : answer && answer.map;
    if (grid && compare.scale === "one") {
      // The cell that would have the strongest colour: on this map's own scale the densest cell of all panels.
      grid = { ...grid, top: live ? (largest(grid.weights) * densest) / grid.density : grid.top };
    } else if (grid) grid = { ...grid, top: 0 };
    panel.canvas.paintMap(grid, look);
    if (live) markPanel(panel, ready ? compare.hover.point : null, moving ? moving.token : -1, moving && moving.cells);
    else markPanel(panel, answer && answer.point, answer && answer.map ? answer.map.token : -1, answer && answer.map);
    if (answer) write(panel.nodes.note, [answer.note, faintWords(answer.map)].filter(Boolean).join(" "));
    if (ready) write(panel.nodes.legend, live ? liveWords(panel, moving) : answer ? answer.legend : "");
  }
  element.classList.toggle("pk-live", Boolean(compare.hover));
  drawCompareBar(live ? densest : null);
}

/** Why a panel is nearly dark: beside a denser map, such as QueryPose's, one scale for all leaves it few colours. */
function faintWords(map) {
  const most = map && compare.scale === "one" ? largest(map.weights) : 0;
  if (!most || most > map.top / 3) return "";
  return "Faint: its strongest cell reaches " + percent(most / map.top) + " of the common scale. Under Colours, each can have its own.";
}

function liveWords(panel, map) {
  if (!map) return panel.view.live ? "This spot lies outside what the model saw." : "Too fine a grid to follow the pointer: click for this model’s map.";
  return "Live · " + panel.view.layers[layerOf(panel)].title.toLowerCase() + " · mean of heads · 8-bit";
}

/** What the colours stand for, in numbers. */
function drawCompareBar(densest) {
  const { answer } = compare, bar = slot("compare-bar");
  write(slot("compare-bar-text"), compare.scale !== "one" ? "each panel up to its own strongest cell: colours do not compare"
    : densest !== null ? "0 to " + percent(densest) + " of the map on 1 % of the person’s box, the same in every panel"
    : answer ? "0 to " + answer.scale.ticks[answer.scale.ticks.length - 1][1] + " " + answer.scale.unit + ", the same in every panel"
    : "colour: share of the map on 1 % of the person’s box");
  if (bar.dataset.palette === page.palette) return;
  bar.dataset.palette = page.palette;
  drawScale(bar, page.tables[page.palette]);
}

/** Set a text only when it changed: a frame under the pointer has no time for layout. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function drawScale(canvas, table) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    const step = 3 * Math.round((x / (canvas.width - 1)) * 255);
    context.fillStyle = "rgb(" + table[step] + "," + table[step + 1] + "," + table[step + 2] + ")";
    context.fillRect(x, 0, 1, canvas.height);
  }
}

let fitted = 0;
new ResizeObserver(([entry]) => {
  // Fitting changes the height itself; only a new width asks for another fit.
  if (entry.contentRect.width === fitted) return;
  fitted = entry.contentRect.width;
  requestAnimationFrame(fitPanels);
}).observe(slot("panels"));
window.addEventListener("resize", () => requestAnimationFrame(fitPanels));
