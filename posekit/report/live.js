// The live report: a place of the photo, its map in every layer. What it knows of the photo stands in the file.

const slots = {};
for (const node of document.querySelectorAll("[data-slot]")) slots[node.dataset.slot] = node;
const data = JSON.parse(slots.data.textContent);
const picture = slots.frame.querySelector("img");
const photo = { image: make("canvas", { width: picture.getAttribute("width"), height: picture.getAttribute("height") }), width: data.photo.width };
const REACH = 16; // screen pixels around a keypoint that count as the keypoint
const TOUCH = matchMedia("(hover: none)").matches;

const state = {
  person: data.first, layer: data.layers.length - 1, direction: "row",
  asked: null,    // {point, keypoint, pinned}: the place whose maps are shown
  pinned: null,   // what was clicked, to come back to
};
const previews = {}; // item -> its layers, unpacked

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** 0.0312 -> "3.1 %". */
function percent(share) {
  const value = share * 100;
  if (value >= 99.5 && 1 - share > 1e-6) return Math.min(value, 99.9).toFixed(1) + " %";
  return (value >= 9.95 ? value.toFixed(0) : value >= 0.995 ? value.toFixed(1) : value.toPrecision(2)) + " %";
}

const amount = (value) => (data.attention ? percent(value) : Number(value.toPrecision(2)).toString());

/** Photo pixels per screen pixel. */
const unit = () => data.photo.width / slots.frame.clientWidth;

/** A layer's map of the place asked about; null where the model saw nothing. */
function mapOf(layer) {
  const { asked, person } = state, one = (previews[data.item[person]] || [])[layer];
  if (!asked || !one) return null;
  if (!data.attention) return asked.keypoint === null ? null : previewGrid(one, "row", asked.keypoint, asked.point);
  const token = cellAt(one.query, asked.point);
  return token < 0 ? null : previewGrid(one, state.direction, token, asked.point);
}

// -- painting -----------------------------------------------------------------------------------

let waiting = 0;

function paint() {
  if (!waiting) waiting = requestAnimationFrame(() => {
    waiting = 0;
    paintNow();
  });
}

function paintNow() {
  const { asked } = state, table = tables[slots.palette.value];
  const look = lookOf(table, slots.opacity.value / 100, 1, null), grid = mapOf(state.layer);
  drawMapOnPhoto(slots.map, grid, look, wholePhoto(data.photo));
  picture.style.filter = grid ? dimming(look.opacity) : "none";
  document.querySelectorAll(".layers button").forEach((button, layer) => {
    const one = layer === state.layer ? grid : mapOf(layer), canvas = button.querySelector("canvas");
    if (one) drawMapOnCrop(canvas, photo, one, look, asked.point);
    else blank(canvas, layer);
    write(button.querySelector("small"), one ? "peak " + amount(largest(one.weights)) : "");
  });
  drawMark(asked);
  drawWords(asked, grid);
}

/** A layer without a map: the part of the photo that it sees, or nothing. */
function blank(canvas, layer) {
  const held = (previews[data.item[state.person]] || [])[layer];
  if (held) drawCrop(canvas, photo, { ...held.key }, "none");
}

/** Set a text only when it changed: a frame under the pointer has no time for layout. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function drawMark(asked) {
  slots.mark.style.display = asked ? "" : "none";
  if (!asked) return;
  const [x, y] = asked.point, size = unit();
  slots.mark.setAttribute("d", "M" + Array.from({ length: 10 }, (_, i) => {
    const r = (i % 2 ? 4.2 : 9.5) * size, angle = (i * Math.PI) / 5 - Math.PI / 2;
    return (x + r * Math.cos(angle)).toFixed(2) + " " + (y + r * Math.sin(angle)).toFixed(2);
  }).join("L") + "Z");
}

function nameOf(asked) {
  return asked.keypoint === null ? "this place" : data.keypoints[asked.keypoint];
}

function drawWords(asked, grid) {
  const layer = data.layers[state.layer], person = data.people[state.person];
  if (!asked) {
    slots.asked.textContent = "Nothing is asked yet.";
    write(slots.top, "");
    return;
  }
  const who = data.people.length > 1 ? ", person " + (state.person + 1) : "";
  const sure = asked.keypoint === null ? "" : ", confidence " + person.scores[asked.keypoint].toFixed(2);
  const verb = { row: "looks at", column: "is looked at by" }[state.direction], heads = layer.heads === 1 ? "one head" : "mean of " + layer.heads + " heads";
  const words = grid
    ? [data.model, layer.title, ...(data.attention ? [verb, heads] : []), "grid " + grid.rows + " × " + grid.cols, "scaled to its own maximum"].join(" · ")
    : "The model did not see this place.";
  slots.asked.replaceChildren(make("b", {}, capital(nameOf(asked))), who + sure + (asked.pinned ? "" : " · live"), make("br", {}), words);
  if (layer.meaning) slots.asked.append(make("br", {}), capital(layer.meaning).replace(/[.]?$/, "."));
  write(slots.top, grid ? amount(largest(grid.weights)) + (data.attention ? " of the attention in a cell" : "") : "");
}

function drawBar() {
  const context = slots.bar.getContext("2d"), table = tables[slots.palette.value];
  for (let x = 0; x < 256; x++) {
    context.fillStyle = "rgb(" + table[3 * x] + "," + table[3 * x + 1] + "," + table[3 * x + 2] + ")";
    context.fillRect(x, 0, 1, 1);
  }
}

// -- asking -------------------------------------------------------------------------------------

/** Show the maps of a place; null: of what was clicked before. */
function ask(asked) {
  state.asked = asked || state.pinned;
  if (asked && asked.pinned) state.pinned = asked;
  press(slots.keypoints, state.asked ? state.asked.keypoint : null);
  paint();
}

function askKeypoint(keypoint) {
  const point = data.people[state.person].keypoints[keypoint];
  if (point) ask({ point, keypoint, pinned: true });
}

/** After a choice beside the photo, which on a phone may have been scrolled away. */
function backInSight() {
  slots.frame.scrollIntoView({ block: "nearest" });
}

/** What a pointer event is about: a keypoint nearby, of whom it is, or the place itself. */
function placeOf(event, anybody) {
  const box = slots.frame.getBoundingClientRect();
  const point = [
    ((event.clientX - box.left) / box.width) * data.photo.width - 0.5, ((event.clientY - box.top) / box.height) * data.photo.height - 0.5,
  ];
  let nearest = REACH * unit(), found = { point, keypoint: null, person: state.person };
  data.people.forEach((person, index) => {
    if (!person.held || (!anybody && index !== state.person)) return;
    person.keypoints.forEach((at, keypoint) => {
      const away = at && person.scores[keypoint] >= 0.1 ? Math.hypot(at[0] - point[0], at[1] - point[1]) : Infinity;
      if (away < nearest) [nearest, found] = [away, { point: at, keypoint, person: index }];
    });
  });
  if (anybody && found.keypoint === null) found.person = boxedAt(point);
  return found;
}

/** Whose box a place lies in: the person asked about, else the one with the smallest box there, else still the former. */
function boxedAt([x, y]) {
  const inside = (index) => {
    const { held, edges: [x0, y0, x1, y1] } = data.people[index];
    return held && x >= x0 && x <= x1 && y >= y0 && y <= y1;
  };
  const area = ({ edges: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
  if (inside(state.person)) return state.person;
  const around = data.people.map((_, index) => index).filter(inside);
  return around.sort((a, b) => area(data.people[a]) - area(data.people[b]))[0] ?? state.person;
}

function tip(found) {
  slots.tip.hidden = found === null || found.keypoint === null;
  if (slots.tip.hidden) return;
  write(slots.tip, data.keypoints[found.keypoint] + " " + data.people[found.person].scores[found.keypoint].toFixed(2));
  const left = found.point[0] / unit() + 14, top = found.point[1] / unit() - 34;
  slots.tip.style.left = Math.max(4, Math.min(slots.frame.clientWidth - slots.tip.offsetWidth - 4, left)) + "px";
  slots.tip.style.top = Math.max(4, top) + "px";
}

slots.frame.addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return;
  tip(placeOf(event, true));
  const found = placeOf(event, false);
  if (data.attention || found.keypoint !== null) ask({ ...found, pinned: false });
});
slots.frame.addEventListener("pointerleave", () => {
  tip(null);
  ask(null);
});
slots.frame.addEventListener("click", (event) => {
  const found = placeOf(event, true);
  if (!data.attention && found.keypoint === null) return;
  choosePerson(found.person);
  tip(TOUCH ? found : null);
  ask({ ...found, pinned: true });
});
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[1-9]$/.test(event.key) && data.layers[event.key - 1]) chooseLayer(event.key - 1);
});

// -- choosing -----------------------------------------------------------------------------------

function press(group, chosen) {
  Array.from(group.children).forEach((button, index) => button.setAttribute("aria-pressed", String(index === chosen)));
}

function chooseLayer(layer) {
  state.layer = layer;
  press(slots.layers, layer);
  paint();
}

function choosePerson(person) {
  if (person === state.person && slots.keypoints.children.length) return;
  state.person = person;
  state.pinned = null;
  press(slots.people, person);
  showPerson();
  const { keypoints, scores } = data.people[person];
  slots.keypoints.replaceChildren(...data.keypoints.map((name, keypoint) => make("button", {
    type: "button", disabled: !keypoints[keypoint], title: keypoints[keypoint] ? null : "not found", onclick: () => {
      askKeypoint(keypoint);
      backInSight();
    },
  }, name, make("small", {}, keypoints[keypoint] ? scores[keypoint].toFixed(2) : "–"))));
  sizeLayers();
}

/** The person asked about on top and with the box; the lines of the others no wider. */
function showPerson() {
  const groups = Array.from(slots.pose.querySelectorAll(".person"));
  const mine = groups.find((group) => Number(group.dataset.person) === state.person);
  for (const group of groups) {
    group.classList.toggle("asked", group === mine);
    const thinner = Math.min(1, mine.dataset.width / group.dataset.width);
    for (const node of group.querySelectorAll("line, circle")) for (const name of ["stroke-width", "r"]) {
      if (!node.hasAttribute(name)) continue;
      node.dataset[name === "r" ? "radius" : "wide"] ??= node.getAttribute(name); // as it is drawn alone
      node.setAttribute(name, node.dataset[name === "r" ? "radius" : "wide"] * thinner);
    }
  }
  slots.pose.insertBefore(mine, slots.mark);
}

/** Small canvases as high as the crop that this person's maps lie on. */
function sizeLayers() {
  const layers = previews[data.item[state.person]] || [];
  document.querySelectorAll(".layers canvas").forEach((canvas, index) => {
    if (!layers[index]) return;
    const { rows, cols, toPhoto: m } = layers[index].key;
    canvas.width = 216;
    canvas.height = Math.round((216 * rows * Math.hypot(m[1], m[4])) / (cols * Math.hypot(m[0], m[3])));
  });
}

/** Somebody else, asked about the keypoint that tells most. */
function meet(person) {
  choosePerson(person);
  askKeypoint(data.people[person].opening);
}

slots.directions.hidden = !data.attention;
for (const node of document.querySelectorAll("[data-only=attention]")) node.hidden = !data.attention;
for (const button of slots.directions.children) button.addEventListener("click", () => {
  state.direction = button.dataset.direction;
  for (const one of slots.directions.children) one.setAttribute("aria-pressed", String(one === button));
  paint();
});
slots.layers.append(...data.layers.map(({ title }, layer) => make("button", {
  type: "button", title: "key " + (layer + 1), onclick: () => chooseLayer(layer),
}, make("canvas", { width: 216, height: 288, "aria-hidden": "true" }), capital(title), make("small", {}))));
slots.who.hidden = data.people.length === 1;
slots.people.append(...data.people.map(({ held }, person) => make("button", {
  type: "button", disabled: !held, title: held ? null : "not in this file", onclick: () => {
    meet(person);
    backInSight();
  },
}, "person " + (person + 1))));
slots.opacity.addEventListener("input", paint);
slots.palette.addEventListener("change", () => {
  drawBar();
  paint();
});
slots.hint.textContent = data.attention
  ? (TOUCH ? "Tap" : "Point at") + " any spot to see what the model looks at" + (TOUCH ? "." : ", click to hold it.")
  : (TOUCH ? "Tap" : "Point at") + " a keypoint to see what the model left about it" + (TOUCH ? "." : ", click to hold it.");

const tables = Object.fromEntries(Object.entries(data.tables).map(([name, bytes]) => [name, bytesOf(bytes)]));

/** The photo as large as the window allows, with room beside it; the map has as many pixels as it is shown with. */
function fit() {
  const { width, height } = data.photo, live = slots.live.clientWidth, beside = live > 780 ? 342 : 0;
  const high = Math.max(300, window.innerHeight - 270), wide = Math.round(Math.min(live - beside, (high * width) / height));
  slots.hero.style.width = (beside ? Math.max(wide, 320) : wide) + "px";
  slots.frame.style.width = wide + "px";
  slots.map.width = slots.frame.clientWidth;
  slots.map.height = slots.frame.clientHeight;
  paint();
}

async function start() {
  await picture.decode();
  photo.image.getContext("2d").drawImage(picture, 0, 0);
  for (const [item, layers] of Object.entries(data.previews)) previews[item] = await Promise.all(layers.map(unpacked));
  drawBar();
  press(slots.layers, state.layer);
  meet(state.person);
  fit();
  new ResizeObserver(fit).observe(slots.live);
  window.addEventListener("resize", fit);
  document.body.dataset.state = "ready";
}

start().catch(() => {
  slots.hint.className = "warn";
  slots.hint.textContent = "This browser cannot unpack the maps: open the file in a newer one (Chrome 80, Firefox 113, Safari 16.4 or later).";
});
