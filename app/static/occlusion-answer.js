// Occlusion: questions, of which only the newest is answered, and what comes back: numbers, words, layers.

let ocTimer = 0;

/** Ask in so many milliseconds, unless something newer comes before. */
function askOcclusionSoon(wait) {
  clearTimeout(ocTimer);
  occlusion.asks++; // a reply that is still on its way is about something else
  if (occlusion.view) ocLooking(true);
  if (wait) ocTimer = setTimeout(askOcclusion, wait);
  else askOcclusion();
}

/** Ask what the occluder changes. The server drops a question that a newer one overtakes; so does this page. */
async function askOcclusion() {
  clearTimeout(ocTimer);
  if (!occlusion.view || occlusion.drag && occlusion.drag.drawing) return;
  const number = ++occlusion.asks, asked = occlusion.occluder;
  ocLooking(true);
  const reply = await call("occlusion_study", { ...ocRequest(), number });
  if (number !== occlusion.asks || reply.stale) return;
  ocLooking(false);
  if (reply.expired) return reopenOcclusion();
  if (reply.error) {
    element.classList.add("pk-oc-again"); // what is on show is about something else
    ocState("");
    return complain(reply.error);
  }
  takeOcclusion(reply, asked);
}

/** What is on the page stays, but says that it is about to change. */
function ocLooking(on) {
  element.classList.toggle("pk-oc-again", on);
  if (!element.classList.contains("pk-oc-opening")) ocState(on ? "Looking again …" : "");
}

/** Draw an answer; `asked`: the occluder that it is about. */
function takeOcclusion(reply, asked) {
  for (const layer of reply.layers) for (const side of ["before", "after"]) if (layer[side]) layer[side].weights = floatsOf(layer[side].weights);
  Object.assign(occlusion, { answer: reply, answered: asked });
  if (reply.before.point && !occlusion.drag) ocViewport.reveal(reply.before.point);
  if (occlusion.zoom) showZoom(ocViewport, occlusion.zoom);
  occlusion.zoom = null;
  drawPoses();
  drawOccluders();
  drawMaskLayers();
  paintOcclusion();
  drawOcFacts();
  drawOcChips();
  slot("oc-said").replaceChildren(...reply.sentences.map((text) => make("p", { text })));
  whenIdle(() => {
    if (occlusion.answer !== reply) return;
    drawOcTables();
    drawOcLayers();
    fetchCaseThumbs();
  });
  keepOcLink();
}

// -- asking -------------------------------------------------------------------------------------

/** Ask about a keypoint of somebody. */
function askOcKeypoint(person, keypoint) {
  const moved = person !== occlusion.person;
  Object.assign(occlusion, { person, keypoint, point: null });
  if (moved) drawOcPeople();
  drawOcChips();
  askOcclusionSoon(0);
  if (occlusion.tool === "limb") putLimb(occlusion.share);
}

/** A click on a side: the keypoint near it, or the spot itself. */
function askOcPoint(side, point) {
  const near = nearestKeypoint(ocPeople(side), point, 14 * ocViewport.unit), best = near && [near.person, near.keypoint];
  const { answer, view } = occlusion;
  // After, a model of whole photos may count people in another order.
  if (best && side === "after" && answer && best[0] === answer.after.person) best[0] = occlusion.person;
  if (best && best[0] < view.people.length && view.people[best[0]].keypoints[best[1]]) return askOcKeypoint(...best);
  Object.assign(occlusion, { keypoint: null, point: point.map((value) => Math.round(value * 10) / 10) });
  drawOcChips();
  askOcclusionSoon(0);
}

// -- what is drawn ------------------------------------------------------------------------------

/** The figures under each photo, the same cells on both sides. */
function drawOcFacts() {
  const { answer } = occlusion, layer = ocLayer();
  ["before", "after"].forEach((side, n) => {
    const shares = layer ? layer.shares[n] : null, { confidence } = answer[side];
    const share = (key) => (shares && shares[key] !== null ? percent(shares[key]) : layer ? "–" : null);
    const known = shares && shares.own !== null, thing = occlusion.answer.occluder, nobody = answer.masks === null || answer.own === null;
    const cells = [
      [confidence === null ? "–" : confidence.toFixed(2), "confidence", "The height of the keypoint’s peak, as the model scores itself; not a probability."],
      side === "after" ? [answer.moved !== null && thing ? answer.moved.toFixed(0) + " px" : "–", ...answer.movedWords] : null,
      layer && !known && nobody ? ["–", "no mask known", "Nothing says which pixels are this person’s, so purity cannot be measured."] : null,
      layer && !known && !nobody ? ["–", "on this person", "The keypoint is not found here, so nothing looks from it."] : null,
      layer && known ? [share("own"), occlusion.masks && occlusion.masks.source === "limbs" ? "on this person, estimated" : "on this person", "Share of the " + answer.mass + " on this person’s mask" + (side === "after" ? ", as far as it can be seen" : "") + (answer.masks ? " (" + typeset(answer.masks) + "), which is not the share in the box: the table below has both." : ".")] : null,
      layer && known ? [share("others"), "on others", "Share of the " + answer.mass + " on other people’s masks" + (side === "after" ? ", as far as they can be seen." : ".")] : null,
      layer && known ? [share("background"), "background", "Share of the " + answer.mass + " on nobody."] : null,
      layer && thing ? [share("occluder"), ...answer.placeWords[n]] : null,
    ].filter(Boolean);
    slot("oc-" + side + "-facts").replaceChildren(...cells.map(([value, words, title]) => make("div", {}, [make("dt", {}, [helpWords(words, title)]), make("dd", { text: value })])));
    write(slot("oc-" + side + "-note"), answer[side].person === null ? "this person is not found" : answer[side].note ? answer[side].note : side === "after" ? (answer.where || "nothing in front yet") : "");
    slot("oc-" + side + "-note").title = answer[side].note; // a narrow column cuts it off
  });
}

/** The keypoint list; a keypoint that was not found before cannot be asked about. */
function drawOcChips() {
  const { view, person, keypoint } = occlusion, someone = view.people[person], bar = slot("oc-chips");
  markSweepOld();
  if (!someone) return bar.replaceChildren(make("p", { class: "pk-oc-soft", text: view.title + " found nobody here." }));
  const focused = bar.contains(document.activeElement) ? document.activeElement.dataset.keypoint : null;
  const first = keypoint === null ? someone.keypoints.findIndex(Boolean) : keypoint;
  bar.replaceChildren(...view.skeleton.keypoints.map((name, k) => make("button", {
    type: "button", class: "pk-chip " + SIDE_CLASS[view.skeleton.sides[k]] + (someone.scores[k] < page.weak ? " pk-weak" : ""), "data-keypoint": k,
    "aria-pressed": String(k === keypoint), tabindex: k === first ? 0 : -1, disabled: !someone.keypoints[k], title: someone.keypoints[k] ? someone.doubts[k] || "" : "not found",
    onclick: () => askOcKeypoint(occlusion.person, k),
  }, [make("i", { class: someone.doubts[k] ? "pk-hollow" : "", "aria-hidden": "true" }), make("span", { text: name }), make("small", { text: someone.keypoints[k] ? someone.scores[k].toFixed(2) : "–" })])));
  if (focused !== null) bar.querySelector('[data-keypoint="' + focused + '"]')?.focus({ preventScroll: true });
}

slot("oc-chips").addEventListener("keydown", (event) => {
  if (!(event.key in STEP)) return;
  event.preventDefault();
  const chips = Array.from(slot("oc-chips").querySelectorAll(".pk-chip:not(:disabled)")), at = chips.indexOf(event.target.closest(".pk-chip"));
  const next = chips[(at + STEP[event.key] + chips.length) % chips.length];
  next.focus();
  next.click();
});

/** Several people: who is asked about. */
function drawOcPeople() {
  const { view } = occlusion, bar = slot("oc-people");
  bar.hidden = view.people.length < 2;
  bar.replaceChildren(...view.people.map((person, index) => make("button", {
    type: "button", class: "pk-chip pk-oc-person", style: "--pk-person: rgb(" + ocPersonColour(index).join(",") + ")", "aria-pressed": String(index === occlusion.person), disabled: !person.keypoints.some(Boolean),
    title: person.keypoints.some(Boolean) ? "" : "not found",
    onclick: () => {
      const there = person.keypoints, sought = occlusion.keypoint === null ? 0 : occlusion.keypoint;
      askOcKeypoint(index, there[sought] ? sought : there.findIndex(Boolean));
      element.querySelector('[data-slot="oc-people"] [aria-pressed="true"]')?.focus({ preventScroll: true });
    },
  }, [make("i", { "aria-hidden": "true" }), "Person " + (index + 1)])));
}

/** A table of cells; the first cell of a row names it, `titles` explain the rows. */
function ocTable(node, heads, rows, titles) {
  node.replaceChildren(
    make("thead", {}, [make("tr", {}, heads.map((text) => make("th", { scope: "col", text })))]),
    make("tbody", {}, rows.map(([name, ...cells], n) => make("tr", {}, [make("th", { scope: "row" }, [titles && titles[n] ? helpWords(name, titles[n]) : name]), ...cells.map((text) => make("td", { text }))]))),
  );
}

function drawOcTables() {
  const { answer } = occlusion, layer = ocLayer();
  // Other layers have their own place beside the table.
  const rows = answer.changes.filter((row) => row.layer === null || (layer && row.layer === layer.name));
  ocTable(slot("oc-table"), answer.heads, rows.map((row) => [layer ? row.cells[0].replace(", " + answer.layerWords, "") : row.cells[0], ...row.cells.slice(1)]), rows.map((row) => row.meaning));
  rows.forEach((row, n) => (slot("oc-table").tBodies[0].rows[n].dataset.key = row.key));
  ocTable(slot("oc-keypoints"), answer.keypointHeads, answer.keypoints);
}

/** Every layer before and after, as small maps under the layer's own scale. */
function drawOcLayers() {
  const { answer, view } = occlusion, box = slot("oc-layers"), shown = ocLayer();
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.ocLayer : null;
  write(slot("oc-layers-title"), answer.supervised ? "Supervised against naive" : "Every layer, before and after");
  write(slot("oc-layers-note"), answer.layers.length ? "The same click in every layer, before and after. Press one to see it above." : view.title + " has no attention between places to show.");
  box.replaceChildren(...answer.layers.map((layer) => {
    const grid = layer.before || layer.after, [before, after] = layer.shares;
    // Not found on one side, the keypoint has no map there; the mask is known all the same.
    const known = before.own !== null || after.own !== null, words = known ? [before, after].map((one) => (one.own === null ? "not found" : percent(one.own))).join(" → ") : "no mask known";
    return make("button", {
      type: "button", class: "pk-oc-layer", "data-oc-layer": layer.name, "aria-pressed": String(layer === shown), title: layer.name + ", " + grid.rows + " × " + grid.cols + " cells",
      onclick: () => chooseOcLayer(layer.name),
    }, [
      make("span", { class: "pk-oc-thumbs" }, ["before", "after"].map((side) => make("canvas", { "data-thumb": side, "aria-hidden": "true", ...ocThumbSize(grid) }))),
      make("b", { text: ocLayerTitle(layer.name) }), known ? make("small", { text: "on this person" }) : "", make("small", { class: "pk-oc-shares", text: words }),
    ]);
  }));
  const look = currentLook(1);
  const photos = new Map(ocSides.map((side) => [side, sidePhoto(side)]));
  answer.layers.forEach((layer) => {
    const button = Array.from(box.children).find((node) => node.dataset.ocLayer === layer.name);
    for (const side of ocSides) ocThumb(button.querySelector('[data-thumb="' + side.name + '"]'), photos.get(side), layer.before || layer.after, layer[side.name], look);
  });
  if (focused !== null) Array.from(box.children).find((node) => node.dataset.ocLayer === focused)?.focus({ preventScroll: true });
}

function ocThumbSize(grid) {
  const width = 2 * 92;
  return { width, height: Math.max(24, Math.round((width * grid.rows) / grid.cols)) };
}

/** A map over the part of the photo that a grid covers; without a map, that part alone. */
function ocThumb(canvas, photo, grid, map, look) {
  drawCrop(canvas, { image: photo, width: photo.width }, grid, dimming(look.opacity));
  if (!map) return;
  paintGrid(scratch, map, look, fineness(map, canvas.width));
  canvas.getContext("2d").drawImage(scratch, 0, 0, canvas.width, canvas.height);
}

/** The maps are here already; the numbers that are about one layer come from the server. */
function chooseOcLayer(name) {
  occlusion.layer = name;
  paintOcclusion();
  drawOcFacts();
  drawOcLayers();
  askOcclusionSoon(0);
}
