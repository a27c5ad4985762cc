// Explore's photo: skeleton, star, pointer, keyboard.

const stage = new PhotoCanvas(new Viewport(), {
  frame: slot("frame"), photo: slot("photo"), map: slot("map"), pose: slot("skeleton"), tip: slot("tip"),
});
stage.image = null; // the decoded photo

/** Fit the photo into the stage and redraw everything whose size is in screen pixels. */
function fitStage() {
  if (!page.view) return;
  const room = slot("stage").getBoundingClientRect();
  if (!room.width) return; // another page is shown; this one is fitted when it comes back
  stage.viewport.fit(page.view.photo, room);
  stage.place();
  stage.paintPhoto(stage.image);
  drawSkeleton();
  paint();
}

/** Another part of the photo: what is drawn stays, in other places. */
stage.viewport.addEventListener("change", () => {
  stage.place();
  stage.paintPhoto(stage.image);
  resizeMarks(stage.pose, stage.unit);
  stage.showTip(null);
  paintPhotoMap();
});
zoomable(stage, () => !page.boxMode);
zoomButtons(slot("zoom"), stage.viewport, zoomSpot);

/** Keys and buttons zoom at the spot asked about. */
function zoomSpot() {
  return page.query && page.query.point;
}

/** Skeletons, boxes, and a focusable button per keypoint. */
function drawSkeleton() {
  const svg = stage.pose, { view } = page;
  const focused = svg.contains(document.activeElement) ? document.activeElement.dataset.at : null;
  const asked = page.query && page.query.keypoint !== null ? page.query.keypoint : 0;
  svg.replaceChildren(...view.people.map((person, index) => drawPerson(person, view.skeleton, {
    unit: stage.unit, dot: 4.2, halo: 11, mine: index === page.person, box: !view.whole || view.finds,
    attributes: (k) => {
      const here = Boolean(page.query && page.query.person === index && page.query.keypoint === k);
      return {
        class: here ? "pk-here" : "", tabindex: index === page.person && k === asked ? 0 : -1, role: "button", "aria-pressed": String(here),
        "data-at": index + ":" + k, "data-person": index, "data-keypoint": k, "aria-label": keypointWords(view.skeleton, view.people, index, k),
      };
    },
  })));
  slot("rings").hidden = !anyDoubt(view.people);
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
  placeStar(star, asked.point, stage.unit);
  if (grid && !grid.heat && asked.token >= 0) cell.setAttribute("points", cellOutline(grid, asked.token));
}

/** The keypoint under the pointer, within a finger's width. */
function keypointNear(point) {
  return nearestKeypoint(page.view.people, point, 14 * stage.unit);
}

/** What stands beside a keypoint; null hides it. */
function showTip(near) {
  if (!near) return stage.showTip(null);
  const person = page.view.people[near.person], k = near.keypoint;
  stage.showTip(person.keypoints[k], page.view.skeleton.keypoints[k], person.scores[k], person.doubts[k]);
}

stage.pose.addEventListener("pointermove", (event) => {
  if (!page.view || page.boxMode || stage.viewport.moving) return;
  const point = stage.point(event);
  showTip(keypointNear(point));
  if (event.pointerType !== "touch") hoverAt(point);
});

stage.pose.addEventListener("pointerleave", () => {
  showTip(null);
  hoverAt(null);
});

stage.pose.addEventListener("click", (event) => {
  if (!page.view || page.boxMode || (event.detail && stage.viewport.moved)) return;
  // A key press on a focused keypoint arrives as a click without a place.
  const key = event.target.closest && event.detail === 0 && event.target.closest("[data-keypoint]");
  if (key) askKeypoint(Number(key.dataset.person), Number(key.dataset.keypoint));
  else ask({ point: stage.point(event), person: null });
});

stage.pose.addEventListener("focusin", (event) => {
  const at = event.target.closest("[data-keypoint]");
  if (!at || !at.matches(":focus-visible")) return;
  const person = Number(at.dataset.person), keypoint = Number(at.dataset.keypoint);
  stage.viewport.reveal(page.view.people[person].keypoints[keypoint]);
  showTip({ person, keypoint });
});
stage.pose.addEventListener("focusout", () => showTip(null));

const STEP = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
const MOVE = { ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowUp: [0, -1] };

stage.pose.addEventListener("keydown", (event) => {
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
    ? stage.pose.querySelector('[data-at="' + page.person + ":" + next + '"]')
    : element.querySelector('.pk-chips [data-keypoint="' + next + '"]');
  if (target) target.focus({ preventScroll: where === "stage" });
}
