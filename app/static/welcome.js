// The hint of a first visit: it goes with the first click or its own button, and does not come back. All that is
// remembered is that it was there.

const MET = "posekit-met";

function alreadyMet() {
  try { return localStorage.getItem(MET) !== null; } catch (problem) { return false; /* private window */ }
}

function endWelcome() {
  if (slot("welcome").hidden) return;
  slot("welcome").hidden = true;
  try { localStorage.setItem(MET, "1"); } catch (problem) { /* private window: it comes again */ }
}

slot("welcome-text").replaceChildren(
  make("b", { text: "New here? " }),
  TOUCH ? "Tap the photo: the glow shows what the model looks at for that spot." : "Move over the photo: the glow shows what the model looks at for that spot. Click to keep it.",
);
slot("welcome").hidden = alreadyMet();
// Any deed of the visitor's ends it, wherever it happens.
element.addEventListener("click", endWelcome);
element.addEventListener("change", endWelcome);
element.addEventListener("drop", endWelcome);
document.addEventListener("keydown", (event) => {
  if (element.isConnected && !["Tab", "Shift", "Control", "Alt", "Meta"].includes(event.key)) endWelcome();
});
