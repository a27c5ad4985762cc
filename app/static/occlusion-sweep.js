// Occlusion: many occluders as a job on the server, drawn as curves and as heat over the photo.
//
// The curves are SVG from the arrays that the server sends; the same sweep as a plotly figure is one of the downloads.

const OC_CURVES = [
  { key: "confidence", words: "confidence", class: "pk-oc-c1" },
  { key: "on_person", words: "on this person", class: "pk-oc-c2" },
  { key: "on_others", words: "on other people", class: "pk-oc-c3" },
  { key: "on_occluder", words: "on the occluder", class: "pk-oc-c4" },
];
const OC_PLOT = { height: 300, left: 46, right: 14, top: 12, bottom: 44 };

/** Start a sweep and ask after it until it is done, stopped, or the photo is another one. */
async function runSweep(kind) {
  if (!occlusion.view) return;
  if (occlusion.keypoint === null) return complain("A sweep watches a keypoint: click one, or choose it in the list.");
  const { view } = occlusion, mine = (occlusion.sweeping = { kind, view }), wanted = () => occlusion.sweeping === mine;
  complain("");
  drawSweepWork({ before: 0, share: null });
  let reply = await call("occlusion_sweep", { ...ocRequest(), kind, grid: slot("oc-grid").value });
  while (reply.job && wanted()) {
    drawSweepWork({ before: reply.before, share: reply.total ? reply.done / reply.total : null, done: reply.done, total: reply.total });
    await new Promise((go) => setTimeout(go, 200));
    if (wanted()) reply = await call("progress", { token: page.token, view: view.id, job: reply.job });
  }
  if (!wanted()) return;
  occlusion.sweeping = null;
  drawSweepWork(null);
  if (reply.expired) return reopenOcclusion();
  if (reply.error) return complain(reply.error);
  const sweep = reply.answer;
  if (sweep.heat) sweep.heat.weights = floatsOf(sweep.heat.weights);
  occlusion.sweep = { ...sweep, occluder: occlusion.occluder };
  drawSweep();
  slot("oc-swept").scrollIntoView({ block: "nearest" });
}

/** Give up the sweep under way; the page says why unless it was asked for here. */
function stopSweep(why) {
  if (!occlusion.sweeping) return;
  occlusion.sweeping = why === "visitor" ? occlusion.sweeping : null;
  if (why !== "visitor") drawSweepWork(null);
  return call("cancel", { token: page.token, why });
}

function drawSweepWork(work) {
  const bar = slot("oc-work"), progress = bar.querySelector("progress");
  bar.hidden = !work;
  all('[data-do="oc-limb-sweep"], [data-do="oc-grid-sweep"]').forEach((node) => (node.disabled = Boolean(work)));
  if (!work) return;
  write(slot("oc-work-text"), work.before ? "The sweep waits: " + work.before + " before you." : work.total ? "Tried " + work.done + " of " + work.total + " occluders" : "Starting …");
  if (work.share === null) progress.removeAttribute("value");
  else progress.value = work.share;
}

/** The last sweep of this photo; it says itself which keypoint and layer it is about. */
function drawSweep() {
  const { sweep, view } = occlusion;
  slot("oc-swept").hidden = !sweep;
  element.querySelector('[data-do="oc-plotly"]').disabled = !sweep;
  if (!sweep || !pageShown("occlusion")) return;
  write(slot("oc-sweep-title"), sweep.title + (sweep.layer ? " · " + ocLayerTitle(sweep.layer).toLowerCase() : ""));
  slot("oc-heat").hidden = !sweep.heat;
  drawCurves(sweep);
  const cell = (value, show) => (value === null ? "–" : show(value));
  ocTable(slot("oc-sweep-table"), ["covered", "confidence", "moved", "on this person", "on other people", "on the occluder"], sweep.rows.map((row) => [
    cell(row.share, percentOf), row.confidence.toFixed(2), cell(row.displacement_px, (value) => value.toFixed(1) + " px"), sweep.masks ? cell(row.on_person, percent) : "no mask known", sweep.masks ? cell(row.on_others, percent) : "no mask known", cell(row.on_occluder, percent),
  ]));
  if (!sweep.heat) return;
  const figure = slot("oc-heat"), frame = figure.querySelector(".pk-frame"), photo = figure.querySelector(".pk-photo"), map = slot("oc-heat-map");
  const { width, height } = view.photo, scale = Math.min((figure.clientWidth || 300) / width, 380 / height);
  frame.style.width = Math.round(width * scale) + "px";
  frame.style.height = Math.round(height * scale) + "px";
  Object.assign(photo, { width: Math.round(2 * width * scale), height: Math.round(2 * height * scale) });
  Object.assign(map, { width: Math.round(width * scale), height: Math.round(height * scale) });
  photo.getContext("2d").drawImage(occlusion.image, 0, 0, photo.width, photo.height);
  photo.style.filter = dimming();
  drawMapOnPhoto(map, sweep.heat, lookOf(page.tables[page.palette], page.opacity, 1), scale);
  write(slot("oc-heat-text"), "With the middle of the occluder there the confidence in the " + sweep.label + " falls (green) or rises (violet), by at most " + sweep.heat.top.toFixed(2) + ". Click a place to put the occluder there.");
}

function percentOf(share) {
  return Math.round(share * 100) + " %";
}

/** Confidence and purity against what is covered: lines for a limb, dots for a grid. */
function drawCurves(sweep) {
  const width = Math.max(280, slot("oc-plot").clientWidth || 560), { height, left, right, top, bottom } = OC_PLOT, rows = sweep.rows.filter((row) => row.share !== null).sort((a, b) => a.share - b.share);
  const most = Math.max(sweep.kind === "limb" ? 1 : 0.02, ...rows.map((row) => row.share));
  const x = (share) => left + (share / most) * (width - left - right), y = (value) => top + (1 - Math.min(1, value)) * (height - top - bottom);
  const svg = draw("svg", { viewBox: [0, 0, width, height].join(" "), class: "pk-oc-curves", role: "img", "aria-label": sweep.title + ", against how much of " + sweep.shareWords + " is covered; the table below has the numbers" });
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(draw("line", { class: "pk-oc-rule", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }), draw("text", { x: left - 8, y: y(tick) + 4, "text-anchor": "end", text: tick.toFixed(2) }));
    svg.append(draw("text", { x: x(tick * most), y: height - bottom + 18, "text-anchor": "middle", text: percentOf(tick * most) }));
  }
  svg.append(draw("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle", class: "pk-oc-axis", text: "covered of " + sweep.shareWords }));
  const shown = OC_CURVES.filter(({ key }) => rows.some((row) => row[key] !== null));
  for (const curve of shown) {
    const points = rows.filter((row) => row[curve.key] !== null).map((row) => [x(row.share), y(row[curve.key])]);
    if (sweep.kind === "limb") svg.append(draw("polyline", { class: "pk-oc-curve " + curve.class, points: points.map((point) => point.map((value) => value.toFixed(1)).join(",")).join(" ") }));
    svg.append(...points.map(([cx, cy]) => draw("circle", { class: "pk-oc-mark " + curve.class, cx, cy, r: sweep.kind === "limb" ? 3.6 : 2.6 })));
  }
  const cursor = draw("line", { class: "pk-oc-cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  svg.append(cursor);
  const nearest = (event) => {
    const box = svg.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * width;
    return rows.reduce((best, row) => (Math.abs(x(row.share) - at) < Math.abs(x(best.share) - at) ? row : best), rows[0]);
  };
  const legend = () => slot("oc-plot-text").replaceChildren(...shown.map((curve) => make("span", { class: "pk-oc-legend " + curve.class }, [make("i", { "aria-hidden": "true" }), curve.words])), sweep.masks ? "" : make("span", { text: "on whom: no mask known" }), sweep.kind === "limb" ? make("span", { text: "Click a place to hide so much." }) : "");
  svg.addEventListener("pointermove", (event) => {
    const row = nearest(event);
    if (!row) return;
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", x(row.share));
    cursor.setAttribute("x2", x(row.share));
    slot("oc-plot-text").replaceChildren(make("b", { text: percentOf(row.share) + " covered" }), ...shown.map((curve) => make("span", { class: "pk-oc-legend " + curve.class }, [make("i", { "aria-hidden": "true" }), curve.words + " " + (row[curve.key] === null ? "–" : row[curve.key].toFixed(2))])));
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    legend();
  });
  if (sweep.kind === "limb") svg.addEventListener("click", (event) => {
    const row = nearest(event);
    if (!row) return;
    Object.assign(occlusion, { keypoint: sweep.keypoint, point: null, share: row.share });
    setTool("limb");
  });
  slot("oc-plot").replaceChildren(svg);
  legend();
}

slot("oc-heat-map").addEventListener("click", (event) => {
  const { sweep, view } = occlusion, box = slot("oc-heat-map").getBoundingClientRect();
  if (!sweep || !view) return;
  const at = [((event.clientX - box.left) / box.width) * view.photo.width - 0.5, ((event.clientY - box.top) / box.height) * view.photo.height - 0.5];
  const side = ocSide(), thing = sweep.occluder || { kind: "rectangle", box: [0, 0, side, side], colour: ocFill() }, [x, y, w, h] = thingBox(thing);
  putThing(movedThing(thing, at[0] - x - w / 2, at[1] - y - h / 2));
});
slot("oc-grid").append(...props.occlusion.grids.map((name) => make("option", { value: name, text: name, selected: name === "usual" })));
