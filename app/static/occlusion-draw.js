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
  const scale = Math.min(across / width, tallest / height);
  const shown = { width: Math.round(width * scale), height: Math.round(height * scale) };
  occlusion.unit = width / shown.width;
  const dense = Math.min(2, window.devicePixelRatio || 1);
  slot("oc-pair").style.setProperty("--pk-photo-height", shown.height + "px");
  for (const side of ocSides) {
    side.frame.style.width = shown.width + "px";
    side.frame.style.height = shown.height + "px";
    Object.assign(side.photo, { width: shown.width * dense, height: shown.height * dense });
    Object.assign(side.masks, { width: shown.width * dense, height: shown.height * dense });
    Object.assign(side.map, shown);
    side.pose.setAttribute("viewBox", [-0.5, -0.5, width, height].join(" "));
  }
  drawPhotos();
  drawPoses();
  drawOccluders();
  drawMaskLayers();
  paintOcclusion();
  drawSweep();
}

/** The photo, and on the right side what lies in front of it. */
function drawPhotos(only) {
  if (!occlusion.image) return;
  for (const side of ocSides) {
    if (only && side.name !== only) continue;
    const context = side.photo.getContext("2d"), scale = side.photo.width / occlusion.view.photo.width;
    context.imageSmoothingQuality = "high";
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(occlusion.image, 0, 0, side.photo.width, side.photo.height);
    const thing = occlusion.draft || occlusion.occluder;
    // Canvas pixel = (photo pixel + 0.5) * scale.
    context.setTransform(scale, 0, 0, scale, 0.5 * scale, 0.5 * scale);
    if (side.name === "after" && thing) drawThing(context, thing);
  }
}

/** An occluder as the server will paint it, in photo pixels with centres at the integers. */
function drawThing(context, thing) {
  context.save();
  context.fillStyle = context.strokeStyle = ocColour(thing.colour);
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

/** The people as coloured masks; the person asked about has a white outline. */
function drawMaskLayers() {
  const wanted = slot("oc-masks").checked, { answer } = occlusion;
  for (const side of ocSides) {
    const context = side.masks.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, side.masks.width, side.masks.height);
    const own = answer && answer.afterMasks && side.name === "after" ? answer.afterMasks : occlusion.masks ? occlusion.masks.list : [];
    if (!wanted || !own.length) continue;
    const [height, width] = (own.find(Boolean) || { size: [1, 1] }).size, picture = make("canvas", { width, height });
    const image = picture.getContext("2d").createImageData(width, height), out = image.data;
    own.forEach((mask, person) => {
      if (!mask) return;
      const inside = maskBytes(mask), [r, g, b] = ocPersonColour(person), edge = answer && answer.own === person ? Math.max(1, Math.round(occlusion.unit)) : 0;
      for (let i = 0; i < inside.length; i++) {
        if (!inside[i]) continue;
        const x = i % width, rim = edge && (x < edge || x >= width - edge || !inside[i - edge] || !inside[i + edge] || !inside[i - edge * width] || !inside[i + edge * width]);
        out[4 * i] = rim ? 255 : r;
        out[4 * i + 1] = rim ? 255 : g;
        out[4 * i + 2] = rim ? 255 : b;
        out[4 * i + 3] = rim ? 255 : 118;
      }
    });
    picture.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, side.masks.width, side.masks.height);
  }
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
  const look = lookOf(page.tables[page.palette], page.opacity, 1), layer = slot("oc-map").checked ? ocLayer() : null;
  for (const side of ocSides) {
    const grid = layer && layer[side.name];
    drawMapOnPhoto(side.map, grid, look, 1 / occlusion.unit);
    side.photo.style.filter = grid ? dimming() : "none";
  }
  const shown = layer && (layer.before || layer.after), bar = slot("oc-bar");
  bar.parentElement.hidden = !shown;
  bar.parentElement.title = "One colour scale for both photos; the mean of the layer’s heads";
  if (!shown) return;
  drawScale(bar, page.tables[page.palette]);
  write(slot("oc-bar-text"), "0 to " + percent(shown.top) + " of the attention in a cell, on both sides · " + ocLayerTitle(layer.name).toLowerCase());
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
  const { view, answer } = occlusion, u = occlusion.unit;
  if (!view) return;
  const { limbs, sides, keypoints } = view.skeleton;
  for (const side of ocSides) {
    if (only && side.name !== only) continue;
    const svg = side.pose, mine = answer ? answer[side.name].person : side.name === "before" ? occlusion.person : null;
    const focused = svg.contains(document.activeElement) ? document.activeElement.dataset.at : null;
    svg.querySelector(".pk-oc-poses")?.remove();
    const poses = draw("g", { class: "pk-oc-poses" });
    ocPeople(side.name).forEach((person, index) => {
      const group = draw("g", { class: "pk-person" + (index === mine ? " pk-mine" : "") }), lines = draw("g", { class: "pk-limbs" });
      for (const pass of ["pk-casing", "pk-line"]) for (const [a, b] of limbs) {
        const [p, q] = [person.keypoints[a], person.keypoints[b]];
        if (!p || !q) continue; // not found
        const weak = Math.min(person.scores[a], person.scores[b]) < page.weak;
        lines.append(draw("line", { class: pass + " " + SIDE_CLASS[sideOfLimb(sides, a, b)] + (weak ? " pk-weak" : ""), x1: p[0], y1: p[1], x2: q[0], y2: q[1] }));
      }
      group.append(lines);
      person.keypoints.forEach((point, k) => {
        if (!point) return;
        const here = index === mine && k === occlusion.keypoint, button = side.name === "before";
        group.append(draw("g", {
          class: "pk-point " + SIDE_CLASS[sides[k]] + (person.scores[k] < page.weak ? " pk-weak" : ""), "data-person": index, "data-keypoint": k,
          ...(button ? {
            tabindex: index === occlusion.person && k === (occlusion.keypoint === null ? 0 : occlusion.keypoint) ? 0 : -1, role: "button", "aria-pressed": String(here), "data-at": index + ":" + k,
            "aria-label": keypoints[k] + ", confidence " + person.scores[k].toFixed(2) + (view.people.length > 1 ? ", person " + (index + 1) : ""),
          } : { "aria-hidden": "true" }),
        }, [draw("circle", { class: "pk-halo", cx: point[0], cy: point[1], r: 11 * u }), draw("circle", { class: "pk-dot", cx: point[0], cy: point[1], r: 4 * u })]));
      });
      poses.append(group);
    });
    const from = answer && answer.before.point, to = answer && answer.after.point;
    const moved = side.name === "after" && from && to && Math.hypot(from[0] - to[0], from[1] - to[1]) > 3 * u;
    if (moved) poses.append(draw("line", { class: "pk-oc-path", x1: from[0], y1: from[1], x2: to[0], y2: to[1] }), draw("circle", { class: "pk-oc-ring", cx: from[0], cy: from[1], r: 6 * u }));
    const at = answer && answer[side.name].point;
    if (at) poses.append(draw("path", { class: "pk-star", d: starPath(at, u) }));
    if (side.name === "after") slot("oc-was").hidden = !moved;
    svg.prepend(poses);
    if (focused) svg.querySelector('[data-at="' + focused + '"]')?.focus({ preventScroll: true });
  }
}

function starPath([x, y], unit) {
  return "M" + Array.from({ length: 10 }, (_, i) => {
    const r = (i % 2 ? 4.2 : 9.5) * unit, angle = (i * Math.PI) / 5 - Math.PI / 2;
    return (x + r * Math.cos(angle)).toFixed(2) + " " + (y + r * Math.sin(angle)).toFixed(2);
  }).join("L") + "Z";
}

let ocFitted = 0;
new ResizeObserver(([entry]) => {
  // Fitting changes the height itself; only a new width asks for another fit.
  if (entry.contentRect.width === ocFitted) return;
  ocFitted = entry.contentRect.width;
  requestAnimationFrame(fitOcclusion);
}).observe(slot("oc-pair"));
window.addEventListener("resize", () => requestAnimationFrame(fitOcclusion));
