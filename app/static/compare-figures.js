// Compare: the table, one column a model, one row a figure, each with what it means.

const some = (show) => (value) => (value === null || value === undefined ? "–" : show(value));

const FIGURES = [
  ["layer", "Layer shown", (f) => f.layer || (f.entropy_nats === null ? "no map" : "one map for the whole model"), "Which layer the panel’s map is of."],
  ["confidence", "Confidence", (f) => some((v) => v.toFixed(2))(f.confidence), "The height of the keypoint’s peak, as the model scores itself; not a probability."],
  ["distance_px", "Keypoint off the first", (f) => some((v) => v.toFixed(0) + " px" + (f.distance_torso === null ? "" : ", " + f.distance_torso.toFixed(2) + " torso lengths"))(f.distance_px), "On the photo, from this model’s keypoint to the first model’s. A torso length is left shoulder to right hip of the first."],
  ["on_person", (f, mass) => mass + " " + typeset(f.where), (f) => some(percent)(f.on_person), "Share of the map on cells whose middle lies there."],
  ["on_others", "in others’ boxes alone", (f) => some(percent)(f.on_others), "Share in other people’s boxes and outside this one’s."],
  ["entropy_nats", "Spread", (f) => some((v) => percent(f.entropy_share) + ", " + v.toFixed(2) + " nats")(f.entropy_nats), "By entropy: 0 % is one single cell, 100 % is all cells alike."],
  ["peak_distance_px", "Peak distance", (f) => some((v) => v.toFixed(0) + " px")(f.peak_distance_px), "On the photo, from the spot asked about to the middle of the strongest cell."],
  ["overlap", "Map like the first", (f) => some(percent)(f.overlap), "Share of the map that lies where the first model’s does."],
  ["deletion", "Deletion, lower is better", (f) => some((v) => v.toFixed(2))(f.deletion), "What is left of the keypoint as the cells this map calls important are removed: area under the curve, 1 is as much as with the whole photo (an untrained model may show more)."],
  ["insertion", "Insertion, higher is better", (f) => some((v) => v.toFixed(2))(f.insertion), "How fast the keypoint comes back as those cells are shown first."],
  ["predict_ms", "Time for the pose", (f) => f.predict_ms.toFixed(0) + " ms", "Wall-clock time on this server, when this photo was analysed."],
  ["explain_ms", "Time for the map", (f) => (f.explain_ms < 10 ? f.explain_ms.toFixed(1) : f.explain_ms.toFixed(0)) + " ms", "Wall-clock time on this server for this question."],
  ["parameters", "Parameters", (f) => (f.parameters / 1e6).toFixed(1) + " M", "Numbers in the network."],
];

// Measured against the first panel that has such a figure, and what that one is called where a panel before it has none.
const TO_FIRST = { distance_px: "the first that has it", overlap: "the first with a map" };
const SLOW = new Set(["deletion", "insertion"]);

function drawFigures() {
  const table = slot("figures"), panels = readyPanels().filter((panel) => panel.answer);
  const focused = table.contains(document.activeElement);
  const figures = panels.map((panel) => panel.answer.figures);
  const head = make("tr", { role: "row" }, [make("td", { role: "cell" }), ...figures.map((f) => make("th", { scope: "col", role: "columnheader" }, [make("span", { text: f.title })]))]);
  const rows = FIGURES.filter(([key]) => key !== "on_others" || page.view.people.length > 1).map(([key, name, show, meaning]) => make("tr", { "data-figure": key, role: "row" }, [
    make("th", { scope: "row", role: "rowheader" }, [make("b", { text: typeof name === "function" ? name(figures.find((f) => f.on_person !== null) || figures[0], massOf(panels)) : name }), make("small", { text: meaning })]),
    ...(SLOW.has(key) && !(compare.trust && compare.trust.done) ? trustCells(key, panels.length)
      : figures.map((f, index) => figureCell(reference(key, figures, panels, index), show(f)))),
  ]));
  table.style.setProperty("--pk-models", Math.max(1, figures.length));
  table.replaceChildren(make("caption", { class: "pk-unseen", text: "The models in numbers, one column a model" }), make("thead", {}, [head]), make("tbody", {}, rows));
  if (focused) table.querySelector("button")?.focus({ preventScroll: true });
}

/** What the panels' maps hold: attention, evidence where none of them is attention, and where both are there just a map. */
function massOf(panels) {
  const attention = panels.map((panel) => METHODS.get(compare.method).layers && Boolean(panel.view.columns));
  return attention.every(Boolean) ? "Attention" : attention.some(Boolean) ? "Map" : "Evidence";
}

/** What a cell says instead of a figure that holds a panel against itself; "" for every other. */
function reference(key, figures, panels, index) {
  if (!(key in TO_FIRST)) return "";
  const first = figures.findIndex((f) => f[key] !== null && f[key] !== undefined);
  if (index === first) return index ? TO_FIRST[key] : "the first";
  // One model puts the keypoint in one place, whatever layer a panel of it shows.
  return index && key === "distance_px" && panels[index].model === panels[0].model ? "the same model" : "";
}

function figureCell(words, figure) {
  return make("td", words ? { role: "cell", class: "pk-first", text: words } : { role: "cell", text: figure });
}

/** In place of the faithfulness figures: the button that asks for them, or how far that is. */
function trustCells(key, columns) {
  if (key !== "deletion") return [make("td", { role: "cell", colspan: columns, text: "" })];
  const { trust } = compare;
  if (!trust) return [make("td", { role: "cell", colspan: columns }, [make("button", {
    type: "button", class: "pk-btn", text: "Measure how faithful the maps are", "data-do": "compare-trust", title: "Runs every network 18 times more",
  })])];
  return [make("td", { role: "cell", colspan: columns }, [make("span", { class: "pk-progress" }, [
    make("progress", { max: 1, value: trust.share, "aria-label": "Measuring faithfulness" }), make("output", { text: percent(trust.share) }),
    make("button", { type: "button", class: "pk-btn", text: "Stop", "data-do": "compare-trust-stop" }),
  ])])];
}

/** Deletion and insertion of every panel's map, for the question that is on show. */
async function measureTrust() {
  const panels = readyPanels(), { sent, query } = compare;
  if (!sent || compare.trust) return;
  const mine = (compare.trust = { share: 0, done: false });
  drawFigures();
  const reply = await compareWork({ ...sent, faithfulness: true }, () => compare.trust === mine, ({ share }) => {
    const bar = slot("figures").querySelector("progress");
    mine.share = share || 0;
    if (bar) bar.value = mine.share, bar.nextElementSibling.textContent = percent(mine.share);
  });
  if (compare.trust !== mine) return; // another question meanwhile
  compare.trust = null;
  if (reply.expired) return sendAgain();
  if (reply.error) {
    if (!reply.stopped) complain(reply.error);
    return drawFigures();
  }
  if (compare.query === query) takeAnswer(reply.answer, panels, sent, false);
}

async function stopTrust() {
  compare.trust = null;
  drawFigures();
  await stopWork();
}
