// Occlusion: the things to put in front, and how they are placed, dragged, sized and steered with keys.

const OC_COLOURS = { mean: "the photo’s mean", grey: "grey", black: [0, 0, 0], white: [255, 255, 255], knockout: "nothing: attention knockout" };
const OC_BLOCK = "Attention knockout: the photo stays, but no token may look at a cell of which half or more is hatched";
const OC_KNOCKOUT = "Attention knockout: the photo stays as it is, and no token may look at a cell of which half or more is hatched; what is left lies on cells that are hatched less. If the keypoint stays, it did not need the look; covering takes the pixels away as well.";

/** The box round an occluder, [x, y, width, height] in photo pixels. */
function thingBox(thing) {
  if (thing.kind === "rectangle") return thing.box;
  if (thing.kind === "patch") return [...thing.target, thing.source[2], thing.source[3]];
  if (thing.kind === "cutout") {
    const [x0, y0, x1, y1] = maskEdges(thing.mask);
    return [x0 + thing.by[0], y0 + thing.by[1], x1 - x0 + 1, y1 - y0 + 1];
  }
  const xs = thing.points.map((point) => point[0]), ys = thing.points.map((point) => point[1]), half = thing.width / 2;
  const [left, top] = [Math.min(...xs) - half, Math.min(...ys) - half];
  return [left, top, Math.max(...xs) + half - left, Math.max(...ys) + half - top];
}

const ocEdges = new WeakMap();

/** First and last column and row of a mask. */
function maskEdges(mask) {
  if (!ocEdges.has(mask)) {
    const inside = maskBytes(mask), width = mask.size[1];
    let [x0, y0, x1, y1] = [width, mask.size[0], 0, 0];
    inside.forEach((on, i) => {
      if (!on) return;
      const x = i % width, y = Math.floor(i / width);
      [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
    });
    ocEdges.set(mask, [x0, y0, x1, y1]);
  }
  return ocEdges.get(mask);
}

/** The same thing so many pixels further; its middle stays inside the photo. */
function movedThing(thing, dx, dy) {
  const [x, y, w, h] = thingBox(thing), { width, height } = occlusion.view.photo;
  const cx = x + w / 2, cy = y + h / 2;
  dx = Math.round(Math.min(width - 1, Math.max(0, cx + dx)) - cx);
  dy = Math.round(Math.min(height - 1, Math.max(0, cy + dy)) - cy);
  if (thing.kind === "rectangle") return { ...thing, box: [x + dx, y + dy, w, h] };
  if (thing.kind === "patch") return { ...thing, target: [thing.target[0] + dx, thing.target[1] + dy] };
  if (thing.kind === "cutout") return { ...thing, by: [thing.by[0] + dx, thing.by[1] + dy] };
  return { ...thing, points: thing.points.map(([px, py]) => [px + dx, py + dy]) };
}

/** The same thing so much wider and higher; null where its size is not for choosing. */
function sizedThing(thing, dx, dy) {
  const least = (value) => Math.max(4, Math.round(value)), { width, height } = occlusion.view.photo;
  if (thing.kind === "rectangle") return { ...thing, box: [thing.box[0], thing.box[1], Math.min(width, least(thing.box[2] + dx)), Math.min(height, least(thing.box[3] + dy))] };
  if (thing.kind === "patch") {
    const [x, y, w, h] = thing.source;
    return { ...thing, source: [x, y, Math.min(width - x, least(w + dx)), Math.min(height - y, least(h + dy))] };
  }
  if (thing.kind === "stroke") return { ...thing, width: Math.min(Math.max(width, height) / 3, least(thing.width + dx + dy)) };
  return null;
}

const OC_NAMES = { rectangle: "Rectangle", stroke: "Stroke", patch: "Piece of the photo", cutout: "Cut-out" };

/** Outlines and handles of what is in front, on both sides; made once, so that the focus stays. */
function drawOccluders() {
  const thing = occlusion.draft || occlusion.occluder, u = ocViewport.unit;
  element.querySelector('[data-do="oc-remove"]').disabled = !thing;
  for (const side of ocSides) {
    let group = side.pose.querySelector(".pk-oc-thing");
    if (!thing || !occlusion.view) {
      if (group) group.remove();
      continue;
    }
    if (!group) {
      group = draw("g", { class: "pk-oc-thing", tabindex: side.name === "after" ? 0 : -1, role: "group", "aria-roledescription": "movable occluder" });
      side.pose.append(group);
    }
    const [x, y, w, h] = thingBox(thing);
    group.setAttribute("aria-label", OC_NAMES[thing.kind] + " of " + Math.round(w) + " by " + Math.round(h) + " pixels at " + Math.round(x) + ", " + Math.round(y)
      + ". Arrow keys move it, Shift and arrows size it, Delete takes it away.");
    const shape = thing.kind === "stroke"
      ? [draw("polyline", { class: "pk-oc-line", points: thing.points.concat(thing.points.length === 1 ? [[thing.points[0][0], thing.points[0][1] + 0.01]] : []).map((point) => point.join(",")).join(" "), "stroke-width": thing.width, "stroke-linecap": thing.flat ? "butt" : "round" })] : [];
    const frame = draw("rect", { class: "pk-oc-frame", x: x - 0.5, y: y - 0.5, width: w, height: h });
    const sized = thing.kind === "rectangle" || thing.kind === "patch";
    const corner = sized ? [["pk-oc-grip", 6], ["pk-oc-reach", 15]].map(([name, radius]) => fill(disc(name, [x + w - 0.5, y + h - 0.5], radius, u), { "data-grip": "size" })) : [];
    group.replaceChildren(...shape, outlineOf(thing, [x, y, w, h]), frame, ...corner);
  }
}

/** Put a thing in front and ask at once, or a moment later while it moves. */
function putThing(thing, wait) {
  occlusion.occluder = thing;
  occlusion.draft = null;
  drawPhotos("after");
  drawOccluders();
  askOcclusionSoon(wait || 0);
}

/** Where the keypoint asked about is before; the middle of the photo without one. */
function ocSpot() {
  const { view, person, keypoint, point } = occlusion;
  const at = point || (keypoint !== null && view.people[person] && view.people[person].keypoints[keypoint]);
  return at || [view.photo.width / 2, view.photo.height / 2];
}

/** A sixth of the person's box, as the sweeps begin with. */
function ocSide() {
  const { view, person } = occlusion, someone = view.people[person];
  const [x0, y0, x1, y1] = someone ? someone.edges : [0, 0, view.photo.width, view.photo.height];
  return Math.max(12, Math.round(Math.max(x1 - x0, y1 - y0) / 6));
}

function putRectangle() {
  const side = ocSide(), [x, y] = ocSpot();
  putThing({ kind: "rectangle", box: [Math.round(x - side / 2), Math.round(y - side / 2), side, side], colour: ocFill() });
}

function putPatch(source) {
  const [x, y] = ocSpot();
  putThing({ kind: "patch", source, target: [Math.round(x - source[2] / 2), Math.round(y - source[3] / 2)] });
}

/** A copy of somebody, laid over the keypoint; one's own copy steps aside. */
function putCutout(index) {
  const mask = occlusion.masks.list[index], [x0, y0, x1, y1] = maskEdges(mask), [x, y] = ocSpot();
  const own = occlusion.answer && occlusion.answer.own === index;
  const by = own ? [Math.round((x1 - x0) * 0.5), 0] : [Math.round(x - (x0 + x1) / 2), Math.round(y - (y0 + y1) / 2)];
  putThing(movedThing({ kind: "cutout", mask, by }, 0, 0));
}

function ocFill() {
  const chosen = OC_COLOURS[occlusion.colour];
  return Array.isArray(chosen) ? chosen : occlusion.colour;
}

let limbAsks = 0, limbUnderWay = false;

/** The band over a share of the limb: the server knows where limbs are; only the newest share counts. */
async function putLimb(share) {
  occlusion.share = share;
  limbAsks++;
  if (limbUnderWay) return;
  limbUnderWay = true;
  for (let done = 0; done !== limbAsks; ) {
    done = limbAsks;
    const { view } = occlusion;
    if (occlusion.keypoint === null) {
      complain("Click a keypoint first: a limb ends in one.");
      break;
    }
    const reply = await call("occlusion_limb", { ...ocRequest(), occluder: null, share: occlusion.share });
    if (view !== occlusion.view) break;
    if (reply.expired) { reopenOcclusion(); break; }
    if (reply.error) { complain(reply.error); break; }
    putThing(reply.occluder && { ...reply.occluder, colour: ocFill() }, done === limbAsks ? 60 : 220);
  }
  limbUnderWay = false;
}

function removeThing() {
  setTool(null);
  putThing(null);
}

// -- tools --------------------------------------------------------------------------------------

/** Choose a tool; `keyed`: by the keyboard, which cannot drag, so that a default is placed. */
function setTool(tool, keyed) {
  const { view } = occlusion;
  occlusion.tool = null;
  occlusion.draft = null;
  if (view && tool === "rectangle") putRectangle();
  else if (view && keyed && tool === "brush") putThing({ kind: "stroke", points: [ocSpot()], width: ocBrush(), colour: ocFill(), flat: false });
  else if (view && keyed && tool === "patch") putPatch([0, 0, ocSide(), ocSide()]);
  if (view && tool) occlusion.tool = tool;
  if (tool === "limb") putLimb(occlusion.share);
  if (tool === "cutout" && occlusion.masks && occlusion.masks.list.length === 1) putCutout(0);
  element.classList.toggle("pk-oc-armed", occlusion.tool === "brush" || occlusion.tool === "patch");
  markTools();
  drawToolOptions();
  if (view) drawOccluders();
}

/** A model without attention between places has none to block: what did so covers the photo. */
function coverInstead(title) {
  const thing = occlusion.occluder, blocked = thing && thing.colour === "knockout";
  if (occlusion.colour === "knockout") occlusion.colour = "mean";
  if (!blocked) return;
  occlusion.occluder = { ...thing, colour: "mean" };
  complain(title + " has no attention between places of the photo that could be blocked, so the place is covered.");
}

/** Why there is no keypoint here whose limb could be hidden or that a sweep could watch; "" where there is one. */
function noKeypointWords() {
  const { view } = occlusion;
  return !view || view.people.some((one) => one.keypoints.some(Boolean)) ? ""
    : view.skeleton.keypoints.length ? view.title + " found nobody here" : view.title + " predicts no keypoints";
}

/** A button that needs a keypoint: off, and it says why, where there is none. `busy`: it waits for something else. */
function markNeedsKeypoint(node, after, busy) {
  const words = noKeypointWords();
  node.dataset.title = node.dataset.title || node.title;
  node.disabled = Boolean(words || busy);
  node.title = words ? words + ", " + after : node.dataset.title;
}

/** Which tool is in hand: a rectangle that blocks attention has a button of its own. */
function markTools() {
  const held = occlusion.tool === "rectangle" && occlusion.colour === "knockout" ? "knockout" : occlusion.tool;
  all("[data-tool]").forEach((node) => node.setAttribute("aria-pressed", String(node.dataset.tool === held)));
  const button = element.querySelector('[data-tool="knockout"]'), { view } = occlusion;
  button.disabled = Boolean(view) && !view.columns;
  markNeedsKeypoint(element.querySelector('[data-tool="limb"]'), "and a limb ends in one");
  button.title = button.disabled ? view.title + " has no attention between places of the photo to block" : OC_BLOCK;
}

/** Brush width in photo pixels. */
function ocBrush() {
  return Math.max(4, Math.round(occlusion.brush * Math.max(occlusion.view.photo.width, occlusion.view.photo.height)));
}

/** What the chosen tool can be told. */
function drawToolOptions() {
  const box = slot("oc-options"), { tool, masks } = occlusion;
  const colour = () => make("label", { class: "pk-oc-option" }, [make("span", { text: "Filled with" }), make("select", {
    "aria-label": "What the occluder is filled with", onchange: (event) => {
      occlusion.colour = event.target.value;
      explainFill();
      markTools();
      const thing = occlusion.occluder;
      if (thing && thing.colour !== undefined) putThing({ ...thing, colour: ocFill() });
    },
  }, Object.entries(OC_COLOURS).filter(([value]) => value !== "knockout" || occlusion.view.columns).map(([value, words]) => make("option", { value, text: Array.isArray(words) ? value : words, selected: value === occlusion.colour })))]);
  const explained = make("span", { class: "pk-oc-soft pk-oc-fill", text: OC_KNOCKOUT });
  const explainFill = () => { explained.hidden = occlusion.colour !== "knockout"; };
  explainFill();
  const slide = (label, value, low, high, change) => make("label", { class: "pk-oc-option pk-oc-slide" }, [make("span", { text: label }), make("input", {
    type: "range", min: low, max: high, value, "aria-label": label, oninput: (event) => {
      event.target.nextElementSibling.textContent = event.target.value + " %";
      change(Number(event.target.value) / 100);
    },
  }), make("output", { text: value + " %" })]);
  const say = (text) => make("span", { class: "pk-oc-soft", text });
  if (tool === "rectangle") box.replaceChildren(say(TOUCH ? "Drag it; pull the dot at its corner." : "Drag it on either photo; pull the dot at its corner."), colour(), explained);
  else if (tool === "brush") box.replaceChildren(say("Paint over either photo."), slide("Width", Math.round(occlusion.brush * 100), 1, 20, (value) => {
    occlusion.brush = value;
    const thing = occlusion.occluder;
    if (thing && thing.kind === "stroke") putThing({ ...thing, width: ocBrush() }, 140);
  }), colour(), explained);
  else if (tool === "patch") box.replaceChildren(say("Drag over the piece you want; it is laid on the keypoint."));
  else if (tool === "cutout") box.replaceChildren(...(!masks ? [say("No mask is known of anybody here, so nobody can be cut out.")] : [
    say("Whom? " + capital(masks.words) + "."),
    ...masks.list.map((mask, index) => make("button", {
      type: "button", class: "pk-chip pk-oc-person", style: "--pk-person: rgb(" + ocPersonColour(index).join(",") + ")", disabled: mask.counts.length < 2, onclick: () => putCutout(index),
    }, [make("i", { "aria-hidden": "true" }), "Person " + (index + 1)])),
  ]));
  else if (tool === "limb") box.replaceChildren(slide("Hidden of the way to the keypoint", Math.round(occlusion.share * 100), 0, 100, putLimb), colour(), explained);
  else box.replaceChildren(say("Choose what to put in front, then drag it on either photo. Click a keypoint, or any spot, to ask about it."));
}

element.querySelector(".pk-oc-tools").addEventListener("click", (event) => {
  const button = event.target.closest("[data-tool]");
  if (!button || !occlusion.view) return;
  const { tool } = button.dataset, again = tool === occlusion.tool && tool !== "rectangle";
  if (tool === "knockout") occlusion.colour = "knockout";
  else if (tool === "rectangle" && occlusion.colour === "knockout") occlusion.colour = "mean";
  setTool(again ? null : tool === "knockout" ? "rectangle" : tool, event.detail === 0);
});
