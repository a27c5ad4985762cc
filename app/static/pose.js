// People and marks on a photo canvas, as SVG in photo pixels. Sizes are given in screen pixels times the canvas's unit,
// so that they stay as large on the screen when the photo is zoomed: resizeMarks does it, without drawing anew.

const SIDE_CLASS = { left: "pk-left", right: "pk-right", middle: "pk-middle" };

function sideOfLimb(sides, a, b) {
  if (sides[a] === sides[b]) return sides[a];
  return sides[a] === "middle" ? sides[b] : sides[b] === "middle" ? sides[a] : "middle";
}

/**
 * One person: limbs, and a dot for each keypoint that was found, a ring where it is doubtful. `dot` and `halo` are radii in screen pixels (no halo: 0);
 * `mine` marks whoever is asked about; `box` draws the person's box, too; `attributes(k)` are those of a keypoint's
 * group besides its class, where `class` adds to it.
 */
function drawPerson(person, skeleton, { unit, dot = 4, halo = 0, mine, box, attributes }) {
  const { limbs, sides } = skeleton, { keypoints, scores } = person, weak = (score) => (score < page.absent ? " pk-weak pk-absent" : score < page.weak ? " pk-weak" : "");
  const group = draw("g", { class: "pk-person" + (mine ? " pk-mine" : "") });
  if (box) {
    const [x0, y0, x1, y1] = person.edges;
    group.append(draw("rect", { class: "pk-box", x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 3 * unit, "data-rx": 3 }));
  }
  const lines = draw("g", { class: "pk-limbs" });
  for (const pass of ["pk-casing", "pk-line"]) for (const [a, b] of limbs) {
    const p = keypoints[a], q = keypoints[b];
    if (!p || !q) continue; // models of whole photos leave out what they did not find
    lines.append(draw("line", {
      class: pass + " " + SIDE_CLASS[sideOfLimb(sides, a, b)] + weak(Math.min(scores[a], scores[b])), x1: p[0], y1: p[1], x2: q[0], y2: q[1],
    }));
  }
  group.append(lines);
  keypoints.forEach((point, k) => {
    if (!point) return;
    const { class: more, ...rest } = attributes ? attributes(k) : {};
    group.append(draw("g", { class: "pk-point " + SIDE_CLASS[sides[k]] + weak(scores[k]) + (more ? " " + more : ""), ...rest }, [
      halo && disc("pk-halo", point, halo, unit), disc("pk-dot", point, person.doubts[k] ? 1.2 * dot : dot, unit), person.doubts[k] && disc("pk-hole", point, 0.7 * dot, unit),
    ]));
  });
  return group;
}

/** Whether somebody has a keypoint that is drawn as a ring. */
function anyDoubt(people) {
  return people.some(({ doubts }) => doubts.some(Boolean));
}

/** A circle of so many screen pixels. */
function disc(name, [cx, cy], radius, unit) {
  return draw("circle", { class: name, cx, cy, r: radius * unit, "data-r": radius });
}

/** What a keypoint that is a button is called. */
function keypointWords({ keypoints }, people, person, k) {
  return keypoints[k] + ", confidence " + people[person].scores[k].toFixed(2) + (people[person].doubts[k] ? ", doubtful" : "") + (people.length > 1 ? ", person " + (person + 1) : "");
}

/** Put a star (an SVG path) at a spot asked about. */
function placeStar(path, [x, y], unit) {
  path.dataset.star = x + "," + y;
  path.setAttribute("d", "M" + Array.from({ length: 10 }, (_, i) => {
    const r = (i % 2 ? 4.2 : 9.5) * unit, angle = (i * Math.PI) / 5 - Math.PI / 2;
    return (x + r * Math.cos(angle)).toFixed(2) + " " + (y + r * Math.sin(angle)).toFixed(2);
  }).join("L") + "Z");
  return path;
}

/** The same sizes on the screen at another unit. Nothing is made anew: a finger may be on it. */
function resizeMarks(pose, unit) {
  for (const node of pose.querySelectorAll("[data-r]")) node.setAttribute("r", node.dataset.r * unit);
  for (const node of pose.querySelectorAll("[data-rx]")) node.setAttribute("rx", node.dataset.rx * unit);
  for (const node of pose.querySelectorAll("[data-star]")) placeStar(node, node.dataset.star.split(",").map(Number), unit);
}

/** The outline of one cell of a grid, as the points of a polygon. */
function cellOutline(grid, token) {
  const col = token % grid.cols, row = Math.floor(token / grid.cols);
  return [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]].map(([x, y]) => applyAffine(grid.toPhoto, col + x, row + y).join(",")).join(" ");
}

/** The keypoint nearest to a photo point and less than `reach` photo pixels away: {person, keypoint}, or null. */
function nearestKeypoint(people, point, reach) {
  let best = null, nearest = reach;
  people.forEach((person, index) => person.keypoints.forEach((at, keypoint) => {
    const away = at ? Math.hypot(at[0] - point[0], at[1] - point[1]) : Infinity;
    if (away < nearest) [nearest, best] = [away, { person: index, keypoint }];
  }));
  return best;
}
