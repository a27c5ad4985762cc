// Choosing people: boxes drawn with the mouse, a finger, or the arrow keys.

function setBoxMode(on) {
  page.boxMode = on && Boolean(page.view);
  page.draft = null;
  element.classList.toggle("pk-boxing", page.boxMode);
  const button = element.querySelector('[data-do="box"]');
  button.setAttribute("aria-pressed", String(page.boxMode));
  slot("box-label").textContent = page.boxMode ? "Done with boxes" : "Choose a person’s box";
  if (page.view) drawSkeleton();
  paint();
  hint();
}

function draftBox() {
  const [x0, y0, x1, y1] = tidy(page.draft);
  return draw("rect", { class: "pk-draft", x: x0, y: y0, width: x1 - x0, height: y1 - y0 });
}

/** Corners in order and inside the photo. */
function tidy([x0, y0, x1, y1]) {
  const { width, height } = page.view.photo;
  const inside = (value, size) => Math.min(size - 0.5, Math.max(-0.5, value));
  return [
    inside(Math.min(x0, x1), width), inside(Math.min(y0, y1), height),
    inside(Math.max(x0, x1), width), inside(Math.max(y0, y1), height),
  ];
}

stage.pose.addEventListener("pointerdown", (event) => {
  if (!page.boxMode || stage.viewport.moving) return;
  event.preventDefault();
  stage.pose.setPointerCapture(event.pointerId);
  const [x, y] = stage.point(event);
  page.draft = [x, y, x, y];
  page.dragging = true;
});

stage.pose.addEventListener("pointermove", (event) => {
  if (!page.boxMode || !page.dragging) return;
  const [x, y] = stage.point(event);
  page.draft = [page.draft[0], page.draft[1], x, y];
  drawSkeleton();
});

stage.pose.addEventListener("pointerup", () => {
  if (!page.boxMode || !page.dragging) return;
  page.dragging = false;
  takeDraft();
});

stage.pose.addEventListener("pointercancel", () => {
  if (!page.dragging) return;
  page.dragging = false;
  page.draft = null;
  drawSkeleton();
});

/** Turn the drawn rectangle into a person, unless it is only a slip of the hand. */
function takeDraft() {
  const box = page.draft && tidy(page.draft);
  page.draft = null;
  const least = 12 * stage.unit;
  if (!box || box[2] - box[0] < least || box[3] - box[1] < least) return drawSkeleton();
  changeBoxes([...page.boxes, box]);
}

/** Keys while boxes are being chosen; true when the key was ours. */
function boxKey(event) {
  const { width, height } = page.view.photo;
  if (event.key in MOVE) {
    if (!page.draft) page.draft = [width * 0.3, height * 0.15, width * 0.7, height * 0.85];
    const [dx, dy] = MOVE[event.key].map((d) => d * Math.max(width, height) * 0.02);
    const [x0, y0, x1, y1] = page.draft;
    page.draft = tidy(event.shiftKey ? [x0, y0, x1 + dx, y1 + dy] : [x0 + dx, y0 + dy, x1 + dx, y1 + dy]);
    drawSkeleton();
    return true;
  }
  if (event.key === "Enter" && page.draft) return takeDraft(), true;
  if (event.key === "Escape") return setBoxMode(false), true;
  return false;
}

/** One chip per person, with a way to take each box back. */
function drawPeople() {
  const bar = slot("people"), { view } = page;
  bar.replaceChildren();
  slot("unsure").hidden = !view || !view.unsure;
  slot("unsure").textContent = (view && view.unsure) || "";
  bar.hidden = !view || (view.whole && !view.found);
  if (bar.hidden) return;
  if (view.found) bar.append(make("span", { class: "pk-found", text: view.found }));
  if (view.whole && view.people.length < 2) return;
  view.people.forEach((person, index) => {
    const name = "Person " + (index + 1);
    bar.append(make("span", { class: view.whole ? "" : "pk-chip-pair" }, [
      make("button", {
        type: "button", class: "pk-chip", "aria-pressed": String(index === page.person), text: name,
        onclick: () => choosePerson(index),
      }),
      view.whole ? "" : make("button", {
        type: "button", class: "pk-chip pk-remove", "aria-label": "Remove the box of " + name.toLowerCase(), text: "×",
        onclick: () => changeBoxes(page.boxes.filter((_, other) => other !== index)),
      }),
    ]));
  });
  if (!view.whole) bar.append(make("button", { type: "button", class: "pk-link", text: "Use the whole photo", onclick: () => changeBoxes([]) }));
  if (view.finder) bar.append(finderChoice(view.finder));
}

/** Who found the people, and who else could: models miss different ones. */
function finderChoice(finder) {
  const options = page.models.filter((one) => one.finds && one.trained).map((one) =>
    make("option", { value: one.name, text: one.title, selected: one.name === finder }));
  const select = make("select", { title: "Somebody missing, or somebody too many? Let another model find them", onchange: () => findPeople(select.value) }, options);
  return make("span", { class: "pk-finder" }, [make("label", {}, ["Found by", select]), options.length > 1 ? "somebody missing? Try another" : ""]);
}

/** Boxes from a model that looks at whole photos: the one named, or those here one after another until one finds somebody. */
async function findPeople(by) {
  if (page.boxMode) setBoxMode(false);
  if (page.view && !(await again({ find: by || true, note: "Finding people …" }))) drawPeople();
}

function choosePerson(index) {
  page.person = index;
  const sought = page.query && page.query.keypoint !== null ? page.query.keypoint : 0, there = page.view.people[index].keypoints;
  const keypoint = there[sought] ? sought : there.findIndex(Boolean);
  if (keypoint >= 0) askKeypoint(index, keypoint);
  else drawSkeleton(), drawChips();
  drawPeople();
}
