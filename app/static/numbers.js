// The numbers of the map on show, and the model card: each figure with what it says.

/** Each number with its unit and what it means. */
function drawNumbers() {
  const box = slot("numbers"), grid = currentGridExact();
  if (!grid) {
    box.replaceChildren(make("p", { class: "pk-empty", text: nobodyFound() ? "No pose, no map, no numbers." : !page.query ? "Click a spot and its numbers appear here."
      : page.job && page.job.kind === "map" ? "The numbers come with the map." : "No map, no numbers." }));
    return;
  }
  const n = grid.numbers;
  if (!n) return box.replaceChildren(make("p", { class: "pk-empty", text: "No place of this map speaks for the keypoint: nothing is positive." }));
  const several = page.view.people.length > 1;
  const mass = grid.heat || !page.view.columns ? "evidence" : "attention";
  const four = grid.heat && grid.delta !== null;
  box.replaceChildren(make("dl", { class: four && "pk-four" }, [
    number(percent(n.mass_in_box), typeset(n.where),
      n.where === "inside the photo"
        ? "Share of the " + mass + "; the rest lies on the border around the photo. Draw a box to measure one person."
        : "Share of the " + mass + " on cells inside this person’s box; "
          + (n.mass_in_both > 0 ? percent(n.mass_in_both) + " of all lies in somebody else’s box as well; " : "")
          + (several ? percent(n.mass_in_other_boxes) + " in other people’s boxes alone, " : "") + percent(n.mass_outside) + " in nobody’s."),
    number(percent(n.entropy_share), "spread", "0 % is one single cell, 100 % is all " + grid.weights.length + " cells alike. By entropy: "
      + n.entropy_nats.toFixed(2) + " nats of " + Math.log(grid.weights.length).toFixed(2) + "."),
    number(n.peak_distance_px.toFixed(0) + " px", "peak distance", "On the photo, from the marked spot to the middle of the strongest cell."),
    four && leftOver(grid),
  ]), n.even ? make("p", { class: "pk-around", "data-even": "", text: capital(n.even) + "." }) : "", ...strongestAround(n, mass));
}

/** How much of the value that a map divides up its sum misses; posekit.draw.legend says the same in the legend. */
function leftOver(grid) {
  const term = "Convergence delta: the map’s sum misses the value it divides up by " + plainNumber(grid.delta) + ". ";
  if (grid.missed === null) return number(plainNumber(grid.delta), "left over", term + "0 would be exact.");
  return number(percent(grid.missed), "of the value left over", term + (grid.missed > 0.1 ? "The map misses that much: read it with care." : "0 % would be exact."));
}

/** Around which keypoints the map is strongest, and how much of it lies elsewhere; each can be asked next. */
function strongestAround({ around, around_elsewhere: elsewhere }, mass) {
  if (!around.length) return [];
  const { keypoints } = page.view.skeleton;
  const meaning = "How much of the " + mass + " lies on cells around these keypoints of the person, where the model puts them; the rest lies on others, or on none. "
    + "A map that is the same everywhere would have " + around.map((one) => percent(one.even)).join(", ") + " there.";
  return [make("p", { class: "pk-around" }, [
    helpWords("Strongest around", meaning), " ",
    ...around.map((one) => make("span", {}, [make("button", {
      type: "button", class: "pk-link", title: "Ask about the " + one.keypoint, text: one.keypoint,
      onclick: () => askKeypoint(page.query.person, keypoints.indexOf(one.keypoint)),
    }), " " + percent(one.share)])),
    make("span", { text: "+ " + percent(elsewhere) + " elsewhere" }),
  ])];
}

function currentGridExact() {
  const hover = page.hover;
  page.hover = null;
  const grid = currentGrid();
  page.hover = hover;
  return grid;
}

function number(value, unit, meaning) {
  return make("div", { class: "pk-number" }, [
    make("dt", {}, [make("b", { text: value }), make("span", { text: unit })]),
    make("dd", { text: meaning }),
  ]);
}

/** What the model is, what it was trained on, the authors' figure and ours. */
function drawCard() {
  const { card } = page.view;
  slot("reading").textContent = typeset(page.view.reading);
  slot("model-line").replaceChildren(card.line + " ", helpMark("model", "said of this model"));
  slot("card").replaceChildren(
    make("div", {}, [make("h2", { text: card.title }), make("p", {}, withCode(card.about))]),
    make("dl", {}, card.facts.flatMap(([name, value, meaning]) => [
      make("dt", {}, [name, meaning && helpMark(meaning, name)]), make("dd", { text: value }),
    ])),
  );
  announce(card.trained, card.untrained);
}

/** Weights that have learnt nothing are announced above everything else. */
function announce(trained, words) {
  slot("untrained").hidden = trained;
  if (!trained) slot("untrained").replaceChildren(make("b", { text: "Untrained weights. " }), words);
}
