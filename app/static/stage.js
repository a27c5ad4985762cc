// The photo: pixels, skeleton, glow, pointer, keyboard.

const stage = {
  frame: slot("frame"), photo: slot("photo"), map: slot("map"), skeleton: slot("skeleton"), tip: slot("tip"),
  image: null,      // the decoded photo
  unit: 1,          // photo pixels per screen pixel
};

/** Screen position of a pointer event -> photo pixels (centres at integers). */
function photoPoint(event) {
  const box = stage.frame.getBoundingClientRect();
  const { width, height } = page.view.photo;
  return [
    ((event.clientX - box.left) / box.width) * width - 0.5,
    ((event.clientY - box.top) / box.height) * height - 0.5,
  ];
}

/** Fit the photo into the stage and redraw everything whose size is in screen pixels. */
function fitStage() {
  if (!page.view) return;
  const { width, height } = page.view.photo;
  const room = slot("stage").getBoundingClientRect();
  if (!room.width) return; // another page is shown; this one is fitted when it comes back
  const scale = Math.min(room.width / width, room.height / height);
  const shown = { width: Math.round(width * scale), height: Math.round(height * scale) };
  stage.frame.style.width = shown.width + "px";
  stage.frame.style.height = shown.height + "px";
  stage.unit = width / shown.width;
  const dense = Math.min(2, window.devicePixelRatio || 1);
  stage.photo.width = shown.width * dense;
  stage.photo.height = shown.height * dense;
  const context = stage.photo.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(stage.image, 0, 0, stage.photo.width, stage.photo.height);
  stage.map.width = shown.width;
  stage.map.height = shown.height;
  drawSkeleton();
  paint();
}

const SIDE_CLASS = { left: "pk-left", right: "pk-right", middle: "pk-middle" };

function sideOfLimb(sides, a, b) {
  if (sides[a] === sides[b]) return sides[a];
  return sides[a] === "middle" ? sides[b] : sides[b] === "middle" ? sides[a] : "middle";
}

/** Skeletons, boxes, and a focusable button per keypoint. */
function drawSkeleton() {
  const svg = stage.skeleton, { view } = page, u = stage.unit;
  const focused = svg.contains(document.activeElement) ? document.activeElement.dataset.at : null;
  svg.replaceChildren();
  svg.setAttribute("viewBox", [-0.5, -0.5, view.photo.width, view.photo.height].join(" "));
  const { limbs, sides, keypoints } = view.skeleton;
  view.people.forEach((person, index) => {
    const group = draw("g", { class: "pk-person" + (index === page.person ? " pk-mine" : "") });
    if (!view.whole || view.finds) {
      const [x0, y0, x1, y1] = person.edges;
      group.append(draw("rect", { class: "pk-box", x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 3 * u }));
    }
    const lines = draw("g", { class: "pk-limbs" });
    for (const pass of ["pk-casing", "pk-line"]) {
      for (const [a, b] of limbs) {
        const [p, q] = [person.keypoints[a], person.keypoints[b]];
        if (!p || !q) continue; // models of whole photos leave out what they did not find
        const weak = Math.min(person.scores[a], person.scores[b]) < page.weak;
        lines.append(draw("line", {
          class: pass + " " + SIDE_CLASS[sideOfLimb(sides, a, b)] + (weak ? " pk-weak" : ""),
          x1: p[0], y1: p[1], x2: q[0], y2: q[1],
        }));
      }
    }
    group.append(lines);
    person.keypoints.forEach((point, k) => {
      if (!point) return;
      const here = page.query && page.query.person === index && page.query.keypoint === k;
      const first = index === page.person && k === (page.query && page.query.keypoint !== null ? page.query.keypoint : 0);
      group.append(draw("g", {
        class: "pk-point " + SIDE_CLASS[sides[k]] + (person.scores[k] < page.weak ? " pk-weak" : "") + (here ? " pk-here" : ""),
        tabindex: first ? 0 : -1, role: "button", "aria-pressed": String(Boolean(here)),
        "data-at": index + ":" + k, "data-person": index, "data-keypoint": k,
        "aria-label": keypoints[k] + ", confidence " + person.scores[k].toFixed(2)
          + (view.people.length > 1 ? ", person " + (index + 1) : ""),
      }, [
        draw("circle", { class: "pk-halo", cx: point[0], cy: point[1], r: 11 * u }),
        draw("circle", { class: "pk-dot", cx: point[0], cy: point[1], r: 4.2 * u }),
      ]));
    });
    svg.append(group);
  });
  svg.append(draw("polygon", { class: "pk-cell", "data-slot": "cell" }));
  svg.append(draw("path", { class: "pk-star", "data-slot": "star" }));
  if (page.draft) svg.append(draftBox());
  if (focused) {
    const again = svg.querySelector('[data-at="' + focused + '"]');
    if (again) again.focus({ preventScroll: true });
  }
  drawInside();
  markQuery();
}

/** The star at the spot asked about and the outline of its cell. */
function markQuery() {
  const star = slot("star"), cell = slot("cell");
  if (!star) return;
  const asked = page.hover || page.query;
  const grid = asked && currentGrid();
  star.style.display = asked ? "" : "none";
  // Only attention asks from a cell; other methods explain the keypoint itself.
  cell.style.display = grid && !grid.heat && asked.token >= 0 ? "" : "none";
  if (!asked) return;
  const points = [];
  for (let i = 0; i < 10; i++) {
    const r = (i % 2 ? 4.2 : 9.5) * stage.unit, angle = (i * Math.PI) / 5 - Math.PI / 2;
    points.push((asked.point[0] + r * Math.cos(angle)).toFixed(2) + " " + (asked.point[1] + r * Math.sin(angle)).toFixed(2));
  }
  star.setAttribute("d", "M" + points.join("L") + "Z");
  if (!grid || grid.heat || asked.token < 0) return;
  const [col, row] = [asked.token % grid.cols, Math.floor(asked.token / grid.cols)];
  const corners = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]];
  cell.setAttribute("points", corners.map(([x, y]) => applyAffine(grid.toPhoto, col + x, row + y).join(",")).join(" "));
}

/** The keypoint under the pointer, within a finger's width. */
function keypointNear(point) {
  let best = null, nearest = 14 * stage.unit;
  page.view.people.forEach((person, index) => person.keypoints.forEach((at, k) => {
    const away = at ? Math.hypot(at[0] - point[0], at[1] - point[1]) : Infinity;
    if (away < nearest) [nearest, best] = [away, { person: index, keypoint: k }];
  }));
  return best;
}

/** A name and a number beside a keypoint; null hides it. */
function showTip(near) {
  const tip = stage.tip;
  tip.hidden = !near;
  if (!near) return;
  const person = page.view.people[near.person], at = person.keypoints[near.keypoint];
  tip.replaceChildren(
    make("b", { text: page.view.skeleton.keypoints[near.keypoint] }),
    make("span", { text: person.scores[near.keypoint].toFixed(2), title: "confidence" }),
  );
  const x = (at[0] + 0.5) / stage.unit, y = (at[1] + 0.5) / stage.unit;
  const width = stage.frame.clientWidth;
  tip.style.left = Math.max(4, Math.min(width - tip.offsetWidth - 4, x + 14)) + "px";
  tip.style.top = Math.max(4, y - 34) + "px";
}

stage.skeleton.addEventListener("pointermove", (event) => {
  if (!page.view || page.boxMode) return;
  const point = photoPoint(event);
  showTip(keypointNear(point));
  if (event.pointerType !== "touch") hoverAt(point);
});

stage.skeleton.addEventListener("pointerleave", () => {
  showTip(null);
  hoverAt(null);
});

stage.skeleton.addEventListener("click", (event) => {
  if (!page.view || page.boxMode) return;
  // A key press on a focused keypoint arrives as a click without a place.
  const key = event.target.closest && event.detail === 0 && event.target.closest("[data-keypoint]");
  if (key) askKeypoint(Number(key.dataset.person), Number(key.dataset.keypoint));
  else ask({ point: photoPoint(event), person: null });
});

stage.skeleton.addEventListener("focusin", (event) => {
  const at = event.target.closest("[data-keypoint]");
  if (at && at.matches(":focus-visible")) showTip({ person: Number(at.dataset.person), keypoint: Number(at.dataset.keypoint) });
});
stage.skeleton.addEventListener("focusout", () => showTip(null));

const STEP = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
const MOVE = { ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowUp: [0, -1] };

stage.skeleton.addEventListener("keydown", (event) => {
  if (page.boxMode || !page.view) return;
  const at = event.target.closest("[data-keypoint]");
  if (!at) return;
  if (event.key in STEP) {
    event.preventDefault();
    if (event.shiftKey) return nudge(MOVE[event.key]);
    walk(STEP[event.key], "stage");
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    askKeypoint(Number(at.dataset.person), Number(at.dataset.keypoint));
  }
});

/** Move the question by one cell of the token grid. */
function nudge([dx, dy]) {
  const grid = page.query && currentGrid();
  if (!grid) return;
  const m = grid.toPhoto, [x, y] = page.query.point;
  ask({ point: [x + m[0] * dx + m[1] * dy, y + m[3] * dx + m[4] * dy], person: page.query.person, free: true });
}

/** Ask about the next or previous keypoint and move the focus with it. */
function walk(step, where) {
  const count = page.view.skeleton.keypoints.length, person = page.view.people[page.person];
  const from = page.query && page.query.keypoint !== null ? page.query.keypoint : step > 0 ? -1 : 0;
  let next = (from + step + count) % count;
  if (!person || !person.keypoints.some(Boolean)) return;
  while (!person.keypoints[next]) next = (next + step + count) % count;
  askKeypoint(page.person, next);
  const target = where === "stage"
    ? stage.skeleton.querySelector('[data-at="' + page.person + ":" + next + '"]')
    : element.querySelector('.pk-chips [data-keypoint="' + next + '"]');
  if (target) target.focus({ preventScroll: where === "stage" });
}
