// What each head is worth to the keypoint asked about: by how much its heatmap falls when the head may look nowhere.
// Measured when somebody asks, one pass a head, once for all keypoints of a person.

function worthKey() {
  return page.view.id + ":" + page.query.person;
}

async function weighHeads() {
  const key = worthKey();
  const reply = await follow("heads", "heads_worth");
  if (!reply) return;
  if (reply.expired && await analyseAgainSilently()) return complain("The photo was sent again; please measure the heads once more.");
  if (reply.error) complain(reply.error);
  else page.worths.set(key, reply.answer);
  refreshAnswer();
}

/** The figure under each head of the layer on show, and the line that says what it is, or the button that asks for it. */
function drawHeadWorth() {
  const box = slot("heads-worth"), job = page.job && page.job.kind === "heads" ? page.job : null;
  const asked = page.query && page.query.keypoint !== null && page.view.layers.length ? page.query : null;
  const thumbs = [...slot("heads").querySelectorAll("canvas")];
  box.hidden = !asked || !byAttention() || slot("heads").hidden || !thumbs.length;
  const worth = asked && page.worths.get(worthKey()), shape = asked && page.view.layers[page.layer];
  const falls = worth && !box.hidden && worth.layers[shape.name];
  thumbs.forEach((canvas) => {
    const head = Number(canvas.dataset.head), fall = falls && !Number.isNaN(head) ? falls[head][asked.keypoint] : null;
    const words = canvas.nextElementSibling;
    words.querySelector("small")?.remove();
    if (fall === null) return;
    words.append(make("small", {
      class: fall >= 0.005 ? "pk-for" : fall <= -0.005 ? "pk-against" : "", text: signedNumber(-fall),
      title: "Without head " + (head + 1) + " the heatmap at the " + asked.label + " " + (fall < 0 ? "rises" : "falls") + " by " + Math.abs(fall).toFixed(2),
    }));
  });
  if (box.hidden) return;
  if (job) box.replaceChildren(
    progressBar(job, "Progress of the test of each head"),
    make("div", { class: "pk-work-line" }, [
      make("span", { text: jobWords(job) }),
      make("button", { type: "button", class: "pk-link", "data-do": "cancel", text: "Cancel" }),
    ]),
  );
  else if (falls) box.replaceChildren(make("p", { role: "status" }, [
    "Under each head: what happens to the " + asked.label + "’s heatmap without it. ", helpMark(WORTH_MEANS, "the worth of a head"),
  ]));
  else if (worth) box.replaceChildren();
  else box.replaceChildren(make("button", {
    type: "button", class: "pk-link", "data-do": "heads-worth", text: "What is each head worth?",
    title: "Silences one head after another, and says how far the keypoint falls without it.",
  }));
}

/** 0.05 as +0.05, and never −0.00. */
function signedNumber(value) {
  const text = Math.abs(value).toFixed(2);
  return (text === "0.00" ? "" : value > 0 ? "+" : "−") + text;
}

const WORTH_MEANS = "The head may look nowhere, for any token; everything else stays as it is. A large fall means that the keypoint needs the head;"
  + " a rise, that it does better without. A head that can be spared need not be idle: another one may do the same.";
