// Inside the model: a keypoint's heatmaps side by side, where they contradict each other, and what the loss would watch.

/** A small picture of a map over the photo, with what it is and how far its colours go. */
function insideMap(title, grid, scale) {
  const width = 300 * Math.min(2, window.devicePixelRatio || 1);
  const canvas = make("canvas", { width, height: Math.round((width * grid.rows) / grid.cols), role: "img", "aria-label": title + ": " + grid.meaning + "; " + scale + "." });
  canvas.grid = grid;
  return make("figure", { title: grid.meaning }, [canvas, make("figcaption", {}, [make("b", { text: title }), make("small", { text: scale })])]);
}

/** Paint all of them with the palette and opacity on show. */
function paintInsideMaps() {
  if (!page.view || !stage.image || slot("inside").hidden) return;
  const look = currentLook(1);
  all(".pk-inside-maps canvas").forEach((canvas) => drawMapOnCrop(canvas, stagePhoto(), canvas.grid, look, page.query && page.query.point));
}

function drawHeatPair() {
  const { pair } = inside.found;
  slot("heat-pair").hidden = !pair;
  if (!pair) return void slot("heat-pair-maps").replaceChildren();
  for (const one of [pair.predicted, pair.synthesised, pair.apart]) one.weights = floatsOf(one.weights);
  const both = "colours 0 to " + plainNumber(pair.predicted.top) + " in both";
  slot("heat-pair-title").textContent = "The heatmap of the " + page.view.skeleton.keypoints[inside.found.keypoint] + " against its votes";
  slot("heat-pair-maps").replaceChildren(
    insideMap("Predicted, H", pair.predicted, "peak " + plainNumber(pair.predicted.most) + ", " + both),
    insideMap("Synthesised, S", pair.synthesised, "peak " + plainNumber(pair.synthesised.most) + ", " + both),
    insideMap("Contradiction, |H − S|", pair.apart, "colours 0 to " + plainNumber(pair.apart.most)),
  );
  slot("heat-pair-line").textContent = "S is made from the offsets’ votes, cast where H peaks, and from where limbs end. "
    + (pair.mean === null ? "No cell lies in this person’s box."
      : "At this person |H − S| is " + plainNumber(pair.mean) + " on average over the " + pair.cells + " cells of the box"
        + (pair.contradiction === null ? "; neither says that the keypoint is there."
          : "; as a share of what both say it is " + pair.contradiction.toFixed(2) + ", where 0 is the same and 2 nothing in common."));
  drawAgreement();
  paintInsideMaps();
}

/** Whether heatmap, offset and limbs agree about the keypoint, and what that is worth. */
function drawAgreement() {
  const { agreement } = inside.found;
  slot("agreement").hidden = !agreement;
  slot("agreement").replaceChildren(...(!agreement ? [] : [
    agreement.contradicted ? make("b", { class: "pk-estimate", text: "Contradicted. " }) : "", agreement.words + " ", make("small", { text: agreement.worth }),
  ]));
}

function drawWeights() {
  const weights = inside.found.weights || [];
  slot("weights").hidden = !weights.length;
  if (!weights.length) return void slot("weights-maps").replaceChildren();
  slot("weights-title").textContent = "Estimated spatial weights of the loss, stage by stage";
  slot("weights-maps").replaceChildren(...weights.map((one) => insideMap(capital(one.stage), Object.assign(one, { weights: floatsOf(one.weights) }), "estimate, colours 0 to " + plainNumber(one.most))));
  paintInsideMaps();
}

slot("palette").addEventListener("change", () => setTimeout(paintInsideMaps));
slot("opacity").addEventListener("input", () => setTimeout(paintInsideMaps));
