// Occlusion: what mouse, finger and keys do on the two photos.

const OC_PAUSE = 140; // ms of holding still, in a drag, until the model looks

/** A rectangle [x, y, width, height] of whole pixels between two points, inside the photo. */
function ocPiece([x0, y0], [x1, y1]) {
  const { width, height } = occlusion.view.photo, inside = (value, size) => Math.round(Math.min(size - 1, Math.max(0, value)));
  const left = inside(Math.min(x0, x1), width), top = inside(Math.min(y0, y1), height);
  return [left, top, inside(Math.max(x0, x1), width) - left + 1, inside(Math.max(y0, y1), height) - top + 1];
}

/** Whether a drag that begins here draws, or moves what is in front. */
function ocDraws(event) {
  return occlusion.tool === "brush" || occlusion.tool === "patch" || Boolean(event.target.closest(".pk-oc-thing"));
}

for (const side of ocSides) {
  const svg = side.pose;
  zoomable(side.canvas, (event) => !ocDraws(event));

  svg.addEventListener("pointerdown", (event) => {
    if (!occlusion.view || event.button || ocViewport.moving) return;
    const start = side.canvas.point(event), thing = event.target.closest(".pk-oc-thing"), { tool } = occlusion;
    const drawing = tool === "brush" || tool === "patch" ? tool : null;
    if (!drawing && !thing) return void (occlusion.drag = { side, start, x: event.clientX, y: event.clientY, moved: false });
    event.preventDefault(); // no text is selected, and the page does not scroll
    svg.setPointerCapture(event.pointerId);
    occlusion.drag = {
      side, start, x: event.clientX, y: event.clientY, moved: false, drawing,
      thing: drawing ? null : occlusion.occluder, size: Boolean(event.target.closest('[data-grip="size"]')),
    };
    if (thing && !drawing) thing.focus({ preventScroll: true });
    if (drawing === "brush") occlusion.draft = { kind: "stroke", points: [start], width: ocBrush(), colour: ocFill(), flat: false };
  });

  svg.addEventListener("pointermove", (event) => {
    const { drag } = occlusion;
    if (!occlusion.view) return;
    const at = side.canvas.point(event);
    if (!drag || drag.side !== side) return ocTip(side, at);
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > HAND_STILL) drag.moved = true;
    if (drag.drawing === "brush") paintStroke(at);
    else if (drag.drawing === "patch") drawPiece(ocPiece(drag.start, at));
    else if (drag.thing && drag.moved) {
      const by = [at[0] - drag.start[0], at[1] - drag.start[1]];
      putThing(drag.size ? sizedThing(drag.thing, ...by) : movedThing(drag.thing, ...by), OC_PAUSE);
    }
  });

  svg.addEventListener("pointerup", (event) => {
    const { drag } = occlusion;
    occlusion.drag = null;
    if (!drag || drag.side !== side) return;
    const at = side.canvas.point(event);
    if (drag.drawing === "brush") return putThing(occlusion.draft);
    if (drag.drawing === "patch") {
      drawPiece(null);
      const piece = ocPiece(drag.start, at);
      if (Math.min(piece[2], piece[3]) < 4) return complain("Drag over a larger piece of the photo.");
      setTool(null);
      return putPatch(piece);
    }
    if (drag.thing && drag.moved) return askOcclusionSoon(0);
    if (!drag.moved && !ocViewport.moved) askOcPoint(side.name, at);
  });

  svg.addEventListener("pointercancel", () => {
    occlusion.drag = occlusion.draft = null;
    drawPiece(null);
    drawPhotos("after");
    drawOccluders();
  });
  svg.addEventListener("pointerleave", () => {
    if (occlusion.drag && !occlusion.drag.drawing && !occlusion.drag.thing) occlusion.drag = null; // let go of elsewhere
    ocTip(side, null);
  });

  svg.addEventListener("keydown", (event) => {
    if (!occlusion.view) return;
    if (event.target.closest(".pk-oc-thing")) return thingKey(event);
    const at = event.target.closest("[data-at]");
    if (!at) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      askOcKeypoint(Number(at.dataset.person), Number(at.dataset.keypoint));
    } else if (event.key in STEP) {
      event.preventDefault();
      walkOc(Number(at.dataset.person), Number(at.dataset.keypoint), STEP[event.key]);
    }
  });
}

/** The next keypoint of a person that was found, and the focus with it. */
function walkOc(person, keypoint, step) {
  const there = occlusion.view.people[person].keypoints;
  let next = keypoint;
  do next = (next + step + there.length) % there.length; while (!there[next]);
  askOcKeypoint(person, next);
  drawPoses("before");
  ocSides[0].pose.querySelector('[data-at="' + person + ":" + next + '"]')?.focus({ preventScroll: true });
}

/** Arrow keys move the occluder, with Shift they size it; Delete takes it away. */
function thingKey(event) {
  const { occluder, view } = occlusion;
  if (!occluder) return;
  if (event.key === "Delete" || event.key === "Backspace") {
    event.preventDefault();
    removeThing();
    return element.querySelector('[data-tool="rectangle"]').focus({ preventScroll: true });
  }
  if (!(event.key in MOVE)) return;
  event.preventDefault();
  const step = event.altKey ? 1 : Math.max(2, Math.round(Math.max(view.photo.width, view.photo.height) * 0.015));
  const [dx, dy] = MOVE[event.key].map((way) => way * step), next = event.shiftKey ? sizedThing(occluder, dx, dy) : movedThing(occluder, dx, dy);
  if (next) putThing(next, OC_PAUSE);
}

/** A stroke grows under the brush: a point every quarter of its width, and not more than the server takes. */
function paintStroke(at) {
  const { draft } = occlusion, last = draft.points[draft.points.length - 1];
  if (Math.hypot(at[0] - last[0], at[1] - last[1]) < Math.max(2, draft.width / 4) || draft.points.length >= 400) return;
  draft.points.push(at.map((value) => Math.round(value * 10) / 10));
  drawPhotos("after");
  drawOccluders();
}

/** The piece of the photo under the hand, while it is chosen. */
function drawPiece(piece) {
  for (const { pose } of ocSides) {
    pose.querySelector(".pk-draft")?.remove();
    if (piece) pose.append(draw("rect", { class: "pk-draft", x: piece[0] - 0.5, y: piece[1] - 0.5, width: piece[2], height: piece[3] }));
  }
}

/** Name and confidence of the keypoint under the pointer. */
function ocTip(side, point) {
  const people = ocPeople(side.name), near = point && !ocViewport.moving && nearestKeypoint(people, point, 12 * ocViewport.unit);
  if (!near) return side.canvas.showTip(null);
  const person = people[near.person], k = near.keypoint;
  side.canvas.showTip(person.keypoints[k], occlusion.view.skeleton.keypoints[k], person.scores[k], person.doubts[k]);
}
