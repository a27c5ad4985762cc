// A "?" beside a number: what it says, for the mouse, the keyboard and the finger. And copying, with a word that it is done.

const HELP = {
  confidence: "Confidence: the height of the keypoint’s peak in the model’s heatmap, or the model’s own score. Training aims at a peak of 1, and a peak may be a little higher; 0 is nothing found. It is not a probability, so not the chance of being right.",
  peak: "Peak: the share of the attention in the map’s strongest cell. A high peak is a narrow look, a low one a look around. Each map is coloured up to its own peak.",
  heads: "A layer looks with several heads at once, each in a way of its own. “Mean” is their average, which is what the numbers below are about unless you choose a head.",
  scale: "What the colours stand for: from nothing to the strongest cell of the map on show. One cell is one token of the model’s grid.",
  interval: "How far chance in the choice of photographs reaches: they were drawn anew from those measured, with replacement, 2,000 times, and 95 % of those figures lie between these two. Few photographs make it wide. It says nothing of photographs of another kind.",
  model: "Which set of keypoints the model predicts; how many numbers it has learnt (parameters, M is a million); and where these come from.",
  opacity: "How far the map covers the photo. It changes the picture, not the map.",
  keep: "Keeps the smallest set of cells that together hold this share of the attention, so that layers and models compare.",
};

/** A "?" that explains: `words` is a key of HELP, or the sentence itself. */
function helpMark(words, about) {
  return make("button", { type: "button", class: "pk-q", "data-help": words, "aria-label": "What is " + about + "?", text: "?" });
}

/** Words under a number that explain it when they are pressed, focused or pointed at. */
function helpWords(words, meaning) {
  return make("button", { type: "button", class: "pk-explained", "data-help": meaning, text: words });
}

const pop = { box: make("div", { class: "pk-pop", id: "pk-pop", role: "tooltip", hidden: true }), of: null, held: false };
element.append(pop.box);

function openHelp(button, held) {
  if (pop.of && pop.of !== button) closeHelp();
  pop.of = button;
  pop.held = held || pop.held;
  pop.box.textContent = HELP[button.dataset.help] || button.dataset.help;
  pop.box.hidden = false;
  button.setAttribute("aria-describedby", "pk-pop");
  const at = button.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = pop.box;
  const left = Math.max(8, Math.min(window.innerWidth - width - 8, at.left + at.width / 2 - width / 2));
  const above = at.bottom + height + 12 > window.innerHeight && at.top > height + 12;
  pop.box.style.left = left + "px";
  pop.box.style.top = (above ? at.top - height - 6 : at.bottom + 6) + "px";
}

function closeHelp() {
  if (!pop.of) return;
  pop.of.removeAttribute("aria-describedby");
  pop.of = null;
  pop.held = false;
  pop.box.hidden = true;
}

const helped = (event) => event.target.closest && event.target.closest("[data-help]");

element.addEventListener("click", (event) => {
  const button = helped(event);
  if (!button) return closeHelp();
  event.preventDefault(); // a mark inside a label must not press its control
  if (pop.of === button && pop.held) closeHelp();
  else openHelp(button, true);
});
element.addEventListener("pointerover", (event) => {
  const button = helped(event);
  if (button && event.pointerType === "mouse") openHelp(button);
});
element.addEventListener("pointerout", (event) => {
  if (helped(event) && event.pointerType === "mouse" && !pop.held) closeHelp();
});
element.addEventListener("focusin", (event) => {
  const button = helped(event);
  if (button && button.matches(":focus-visible")) openHelp(button);
});
element.addEventListener("focusout", (event) => {
  if (helped(event)) closeHelp();
});
window.addEventListener("scroll", closeHelp, { passive: true });
// Before the page's own Escape, which lets go of the pinned spot.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !pop.of) return;
  event.stopPropagation();
  closeHelp();
}, true);

/** Copy text; `button` says so for two seconds, then `words` again. Resolves to whether it was done. */
async function copyText(text, button, words) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (problem) {
    return false;
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = words), 2000);
  return true;
}
