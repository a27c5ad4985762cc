// Occlusion: both photos with what lies on them: occluder, people as masks, maps on one scale, poses.

const ocMaskPictures = new Map(); // run lengths -> canvas, white where the mask is

/** Give both photos the same size, as large as leaves them on the screen together. */
function fitOcclusion() {
  const { view } = occlusion;
  if (!view || !pageShown("occlusion")) return;
  const { width, height } = view.photo, across = ocSides[0].mat.clientWidth;
  if (!across) return;
  const narrow = window.matchMedia("(max-width: 760px)").matches;
  const tallest = narrow ? window.innerHeight * 0.62 : Math.max(320, window.innerHeight - 412);
  const high = Math.round(height * Math.min(across / width, tallest / height));
  slot("oc-pair").style.setProperty("--pk-photo-height", high + "px");
  ocViewport.fit(view.photo, { width: across, height: high });
  for (const { canvas } of ocSides) canvas.place();
  drawPhotos();
  drawPoses();
  drawOccluders();
  drawMaskLayers();
  paintOcclusion();
  drawSweep();
}

ocViewport.addEventListener("change", () => {
  if (!occlusion.image) return;
  for (const { canvas } of ocSides) {
    canvas.place();
    canvas.showTip(null);
    resizeMarks(canvas.pose, canvas.unit);
  }
  drawPhotos();
  drawMaskLayers();
  paintOcclusion();
});

/** The photo, and on the right side what lies in front of it. */
function drawPhotos(only) {
  if (!occlusion.image) return;
  const thing = occlusion.draft || occlusion.occluder;
  for (const { name, canvas } of ocSides) {
    if (!only || name === only) canvas.paintPhoto(occlusion.image, name === "after" && thing && ((context) => drawThing(context, thing)));
  }
}

/** The whole photo of a side, as it is now, for small maps. */
function sidePhoto(side) {
  const { width, height } = occlusion.view.photo, picture = make("canvas", { width, height }), context = picture.getContext("2d");
  inPhotoPixels(context, wholePhoto(occlusion.view.photo));
  context.drawImage(occlusion.image, -0.5, -0.5, width, height);
  if (side.name === "after" && occlusion.occluder) drawThing(context, occlusion.occluder);
  return picture;
}

/** An occluder as the server will paint it, in photo pixels with centres at the integers. */
function drawThing(context, thing) {
  context.save();
  context.fillStyle = context.strokeStyle = thing.colour === "knockout" ? hatching(context) : ocColour(thing.colour);
  if (thing.kind === "rectangle") {
    const [x, y, width, height] = thing.box;
    context.fillRect(x - 0.5, y - 0.5, width, height);
  } else if (thing.kind === "stroke") {
    context.lineWidth = thing.width;
    context.lineJoin = "round";
    context.lineCap = thing.flat ? "butt" : "round";
    context.beginPath();
    thing.points.forEach(([x, y], n) => (n ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (thing.points.length === 1) context.lineTo(thing.points[0][0], thing.points[0][1] + 0.001);
    context.stroke();
  } else {
    const by = thing.kind === "patch" ? [thing.target[0] - thing.source[0], thing.target[1] - thing.source[1]] : thing.by;
    const [dx, dy] = by.map(Math.round), { width, height } = occlusion.view.photo;
    if (thing.kind === "patch") {
      const [x, y, w, h] = thing.source;
      context.beginPath();
      context.rect(x + dx - 0.5, y + dy - 0.5, w, h);
      context.clip();
      context.drawImage(occlusion.image, dx - 0.5, dy - 0.5, width, height);
    } else context.drawImage(cutPicture(thing.mask), dx - 0.5, dy - 0.5, width, height);
  }
  context.restore();
}

/** The true outline of what lies in front, over map and dimming; while it is moved, the last answer's outline moves along. */
function outlineOf(thing, [x, y, w, h]) {
  const { answer, answered } = occlusion, [wasX, wasY, wasW, wasH] = answered ? thingBox(answered) : [];
  const same = answer && answered && answered.kind === thing.kind && wasW === w && wasH === h;
  if (!same) return draw("g");
  const at = { d: answer.outline, transform: "translate(" + (x - wasX) + " " + (y - wasY) + ")" };
  return draw("g", { class: "pk-oc-outline", "aria-hidden": "true" }, [draw("path", { class: "pk-oc-under", ...at }), draw("path", at)]);
}

/** Light and dark stripes, rising to the right, in photo pixels: nothing lies there, but no token may look at it. */
function hatching(context) {
  const period = Math.max(4, Math.round(Math.max(occlusion.view.photo.width, occlusion.view.photo.height) / 80));
  const tile = make("canvas", { width: 8, height: 8 }), stripes = tile.getContext("2d");
  stripes.fillStyle = "rgba(0, 0, 0, .35)";
  stripes.fillRect(0, 0, 8, 8);
  const image = stripes.getImageData(0, 0, 8, 8);
  for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) if ((x + y) % 8 < 4) image.data.set([255, 255, 255, 128], 4 * (8 * y + x));
  stripes.putImageData(image, 0, 0);
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(period / 8));
  return pattern;
}

function ocColour(colour) {
  const [r, g, b] = colour === "grey" ? [128, 128, 128] : Array.isArray(colour) ? colour : occlusion.mean;
  return "rgb(" + r + "," + g + "," + b + ")";
}

/** A mask's run lengths (down the columns, first outside) -> bytes, 1 inside, row by row. */
function maskBytes({ size: [height, width], counts }) {
  const inside = new Uint8Array(height * width);
  let at = 0, on = 0;
  for (const count of counts) {
    if (on) for (let i = at; i < at + count; i++) inside[(i % height) * width + Math.floor(i / height)] = 1;
    at += count;
    on = 1 - on;
  }
  return inside;
}

/** What lies under a mask, alone. */
function cutPicture(mask) {
  const key = mask.counts.length + ":" + mask.counts.slice(0, 24).join(",");
  if (!ocMaskPictures.has(key)) {
    const [height, width] = mask.size, picture = make("canvas", { width, height }), context = picture.getContext("2d");
    const inside = maskBytes(mask), image = context.createImageData(width, height);
    for (let i = 0; i < inside.length; i++) image.data[4 * i + 3] = 255 * inside[i];
    context.putImageData(image, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.drawImage(occlusion.image, 0, 0, width, height);
    ocMaskPictures.set(key, picture);
  }
  return ocMaskPictures.get(key);
}

/** The people as coloured masks, by the model itself if it segments them; the person asked about has a white outline. */
function drawMaskLayers() {
  const wanted = slot("oc-masks").checked, { answer } = occlusion;
  for (const { name, masks } of ocSides) {
    const context = masks.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, masks.width, masks.height);
    const held = answer && answer.modelMasks, own = held ? held[name] : occlusion.masks ? occlusion.masks.list : [];
    if (!wanted || !own.length) continue;
    inPhotoPixels(context, ocViewport);
    context.imageSmoothingQuality = "high";
    context.drawImage(maskPicture(own, held ? occlusion.person : answer ? answer.own : null), -0.5, -0.5, occlusion.view.photo.width, occlusion.view.photo.height);
  }
}

const ocMaskLayers = new WeakMap(); // masks -> {key, picture}: a pan draws them many times a second

/** Masks as one picture, a pixel of the photo each. */
function maskPicture(own, mine) {
  const edge = Math.max(1, Math.round(ocViewport.unit)), key = mine + ":" + edge, held = ocMaskLayers.get(own);
  if (held && held.key === key) return held.picture;
  const [height, width] = (own.find(Boolean) || { size: [1, 1] }).size, picture = make("canvas", { width, height });
  const image = picture.getContext("2d").createImageData(width, height), out = image.data;
  own.forEach((mask, person) => {
    if (!mask) return;
    const inside = maskBytes(mask), [r, g, b] = ocPersonColour(person), rimmed = person === mine;
    for (let i = 0; i < inside.length; i++) {
      if (!inside[i]) continue;
      const x = i % width, rim = rimmed && (x < edge || x >= width - edge || !inside[i - edge] || !inside[i + edge] || !inside[i - edge * width] || !inside[i + edge * width]);
      out[4 * i] = rim ? 255 : r;
      out[4 * i + 1] = rim ? 255 : g;
      out[4 * i + 2] = rim ? 255 : b;
      out[4 * i + 3] = rim ? 255 : 118;
    }
  });
  picture.getContext("2d").putImageData(image, 0, 0);
  ocMaskLayers.set(own, { key, picture });
  return picture;
}

function ocPersonColour(person) {
  const { colours } = props.occlusion;
  return colours[person % colours.length];
}

/** The layer on show in an answer; null without maps. */
function ocLayer() {
  const { answer, layer } = occlusion;
  if (!answer || !answer.layers.length) return null;
  return answer.layers.find((one) => one.name === layer) || answer.layers.find((one) => one.name === answer.layer) || answer.layers[answer.layers.length - 1];
}

/** Both maps of the layer on show, under one colour scale. */
function paintOcclusion() {
  if (!occlusion.view || !pageShown("occlusion")) return;
  const look = currentLook(1), layer = slot("oc-map").checked ? ocLayer() : null;
  for (const side of ocSides) {
    const grid = layer && layer[side.name];
    side.canvas.paintMap(grid, look);
  }
  const shown = layer && (layer.before || layer.after), bar = slot("oc-bar");
  bar.parentElement.hidden = !shown;
  bar.parentElement.title = "One colour scale for both photos; the mean of the layer’s heads";
  if (!shown) return;
  drawScale(bar, page.tables[page.palette]);
  write(slot("oc-bar-text"), "0 to " + shown.limit.replace("%", " %") + " in a cell, on both sides · " + ocLayerTitle(layer.name).toLowerCase());
}

function ocLayerTitle(name) {
  const known = occlusion.view.layers.find((layer) => layer.name === name);
  return known ? known.title : name;
}

/** Who was found on a side: before comes with the photo, after with the answer. */
function ocPeople(side) {
  const { view, answer } = occlusion;
  return answer ? answer[side].people : side === "before" ? view.people : [];
}

/** Poses of both sides; on the left every keypoint is a button. */
function drawPoses(only) {
  const { view, answer } = occlusion, u = ocViewport.unit;
  if (!view) return;
  for (const side of ocSides) {
    if (only && side.name !== only) continue;
    const svg = side.pose, button = side.name === "before", mine = answer ? answer[side.name].person : button ? occlusion.person : null;
    const focused = svg.contains(document.activeElement) ? document.activeElement.dataset.at : null;
    svg.querySelector(".pk-oc-poses")?.remove();
    const poses = draw("g", { class: "pk-oc-poses" }, ocPeople(side.name).map((person, index) => drawPerson(person, view.skeleton, {
      unit: u, halo: 11, mine: index === mine,
      attributes: (k) => ({
        "data-person": index, "data-keypoint": k,
        ...(button ? {
          tabindex: index === occlusion.person && k === (occlusion.keypoint === null ? 0 : occlusion.keypoint) ? 0 : -1, role: "button",
          "aria-pressed": String(index === mine && k === occlusion.keypoint), "data-at": index + ":" + k, "aria-label": keypointWords(view.skeleton, ocPeople("before"), index, k),
        } : { "aria-hidden": "true" }),
      }),
    })));
    const from = answer && answer.before.point, to = answer && answer.after.point;
    const moved = side.name === "after" && from && to && Math.hypot(from[0] - to[0], from[1] - to[1]) > 3 * u;
    if (moved) poses.append(draw("line", { class: "pk-oc-path", x1: from[0], y1: from[1], x2: to[0], y2: to[1] }), disc("pk-oc-ring", from, 6, u));
    const at = answer && answer[side.name].point;
    if (at) poses.append(placeStar(draw("path", { class: "pk-star" }), at, u));
    if (side.name === "after") slot("oc-was").hidden = !moved;
    svg.prepend(poses);
    if (focused) svg.querySelector('[data-at="' + focused + '"]')?.focus({ preventScroll: true });
  }
  slot("oc-rings").hidden = !ocSides.some((side) => anyDoubt(ocPeople(side.name)));
}

let ocFitted = 0;
new ResizeObserver(([entry]) => {
  // Fitting changes the height itself; only a new width asks for another fit.
  if (entry.contentRect.width === ocFitted) return;
  ocFitted = entry.contentRect.width;
  requestAnimationFrame(fitOcclusion);
}).observe(slot("oc-pair"));
window.addEventListener("resize", () => requestAnimationFrame(fitOcclusion));
