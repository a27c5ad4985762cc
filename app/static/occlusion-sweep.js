// Occlusion: many occluders as a job on the server, drawn as curves and as heat over the photo.
//
// The curves are drawn by plotly from the figure that the server makes; the same figure is one of the downloads.

/** Start a sweep and ask after it until it is done, stopped, or the photo is another one. */
async function runSweep(kind) {
  if (!occlusion.view) return;
  if (occlusion.keypoint === null) return complain("A sweep watches a keypoint: click one, or choose it in the list.");
  const { view } = occlusion, mine = (occlusion.sweeping = { kind, view }), wanted = () => occlusion.sweeping === mine;
  complain("");
  drawSweepWork({ before: 0, share: null });
  const asked = ocRequest(), filled = occlusion.answer && occlusion.answer.filled;
  let reply = await call("occlusion_sweep", { ...asked, kind, grid: slot("oc-grid").value });
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
  occlusion.sweep = { ...sweep, occluder: asked.occluder, person: asked.person, beside: filled };
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
  all('[data-do="oc-limb-sweep"], [data-do="oc-grid-sweep"]').forEach((node) => markNeedsKeypoint(node, "and a sweep watches one", work));
  if (!work) return;
  write(slot("oc-work-text"), work.before ? "The sweep waits: " + work.before + " before you." : work.total ? "Tried " + work.done + " of " + work.total + " occluders" : "Starting …");
  if (work.share === null) progress.removeAttribute("value");
  else progress.value = work.share;
}

/** The rest of the page may be about another keypoint, or another kind of thing in front, by now; beside the sweep it says so. */
function markSweepOld() {
  const { sweep, view, person, keypoint, answer } = occlusion, old = slot("oc-sweep-old"), now = answer && answer.filled;
  const moved = sweep && (sweep.keypoint !== keypoint || sweep.person !== person), other = sweep && now && now !== sweep.filled && now !== sweep.beside;
  old.hidden = !moved && !other;
  if (old.hidden) return;
  const thing = (filled) => (other ? " and a " + filled : "");
  const named = (k, of) => (k === null ? "a free spot" : "the " + view.skeleton.keypoints[k]) + (view.people.length > 1 ? " of person " + (of + 1) : "");
  write(old, "Of an earlier study: about " + named(sweep.keypoint, sweep.person) + thing(sweep.filled) + "; the rest of the page is about " + named(keypoint, person) + thing(now) + ".");
}

/** The last sweep of this photo; it says itself which keypoint and layer it is about. */
function drawSweep() {
  const { sweep, view } = occlusion;
  slot("oc-swept").hidden = !sweep;
  if (!occlusion.sweeping) drawSweepWork(null);
  markSweepOld();
  all('[data-do="oc-plotly"], [data-do="oc-sweep-csv"]').forEach((node) => (node.disabled = !sweep));
  if (!sweep || !pageShown("occlusion")) return;
  write(slot("oc-sweep-title"), sweep.title + (sweep.layer ? " · " + ocLayerTitle(sweep.layer).toLowerCase() : ""));
  slot("oc-heat").hidden = !sweep.heat;
  drawCurves(sweep);
  const cell = (value, show) => (value === null ? "–" : show(value));
  ocTable(slot("oc-sweep-table"), ["covered", "confidence", "moved", "on this person", "on other people", sweep.placeWords], sweep.rows.map((row) => [
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
  photo.style.filter = dimming(page.opacity);
  drawMapOnPhoto(map, sweep.heat, currentLook(1), wholePhoto(view.photo));
  write(slot("oc-heat-text"), "With the middle of the occluder there the confidence in the " + sweep.label + " falls (green) or rises (violet), by at most " + sweep.heat.top.toFixed(2) + ". Click a place to put the occluder there.");
}

function percentOf(share) {
  return Math.round(share * 100) + " %";
}

/** Confidence, purity and displacement against what is covered, in plotly: lines for a limb, dots for a grid. */
async function drawCurves(sweep) {
  const place = slot("oc-plot");
  place.setAttribute("aria-label", sweep.title + ", against how much of " + sweep.shareWords + " is covered; the table below has the numbers");
  write(slot("oc-plot-text"), [sweep.masks ? "" : "On whom the attention lies: no mask known.", sweep.kind === "limb" ? "Click a point to hide so much." : ""].filter(Boolean).join(" "));
  const node = await drawFigure(place, sweep.figure, 360);
  if (!node || occlusion.sweep !== sweep || sweep.kind !== "limb") return;
  node.on("plotly_click", ({ points }) => {
    Object.assign(occlusion, { keypoint: sweep.keypoint, point: null, share: Math.min(1, points[0].x / 100) });
    setTool("limb");
  });
}

slot("oc-heat-map").addEventListener("click", (event) => {
  const { sweep, view } = occlusion, box = slot("oc-heat-map").getBoundingClientRect();
  if (!sweep || !view) return;
  const at = [((event.clientX - box.left) / box.width) * view.photo.width - 0.5, ((event.clientY - box.top) / box.height) * view.photo.height - 0.5];
  const side = ocSide(), thing = sweep.occluder || { kind: "rectangle", box: [0, 0, side, side], colour: ocFill() }, [x, y, w, h] = thingBox(thing);
  putThing(movedThing(thing, at[0] - x - w / 2, at[1] - y - h / 2));
});
slot("oc-grid").append(...props.occlusion.grids.map((name) => make("option", { value: name, text: name, selected: name === "usual" })));
