// Small helpers to find and build elements.  Text always goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

const TOUCH = window.matchMedia("(hover: none)").matches;

/** The element marked data-slot="name" in the page's own markup. */
function slot(name) {
  return element.querySelector('[data-slot="' + name + '"]');
}

/** All elements that match a selector inside the page. */
function all(selector) {
  return Array.from(element.querySelectorAll(selector));
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children || []) if (child) node.append(child);
  return node;
}

/** An HTML element: make("button", {class: "pk-btn", text: "Go", onclick: f}, [child]). */
function make(tag, attributes, children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function draw(tag, attributes, children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

const NOTHING = 1e-6; // of a whole: sums of 32-bit numbers are no more exact

/** 0.0312 -> "3.1 %"; small shares keep two digits that mean something. "0 %" is none and "100 %" all of it, as in posekit/percents.py. */
function percent(share) {
  const value = share * 100;
  if (Math.abs(share) < NOTHING) return "0 %";
  if (value > 0 && value < 0.01) return "< 0.01 %";
  if (value >= 99.5 && 1 - share > NOTHING) return Math.min(value, 99.9).toFixed(1) + " %";
  return (value >= 9.95 ? value.toFixed(0) : value >= 0.995 ? value.toFixed(1) : value.toPrecision(2)) + " %";
}

/** 0.02134 -> "0.0213", 2.1e-7 -> "2.1e−7": three digits that mean something. */
function plainNumber(value) {
  const size = Math.abs(value);
  const text = value === 0 ? "0" : size >= 0.001 && size < 1000 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
  return text.replace(/-/g, "−");
}

/** The core's words as the page sets them: "person's" -> "person’s". */
function typeset(words) {
  return words.replace(/'/g, "’");
}

/** Text with `commands` in it, as nodes: what stands between the marks is set as code. */
function withCode(text) {
  return text.split("`").map((part, n) => (n % 2 ? make("code", { text: part }) : document.createTextNode(part)));
}

/** What is asked about, as a title: "Left wrist"; a spot without a name, "point (213, 127)", is "This spot (213, 127)". */
function askedTitle(label) {
  return capital(label.replace(/^point \(/, "this spot ("));
}

/** "left wrist" -> "Left wrist". */
function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
