// Zoom and pan: what wheel, fingers, mouse, keys and buttons do to the viewport of a photo canvas.
//
// The wheel zooms with Ctrl (which is also how browsers report a pinch on a touchpad) or while the photo is zoomed
// already; else it scrolls the page as everywhere. Two fingers pinch. A drag moves a zoomed photo, unless it draws
// something. viewport.moved tells the page's own handlers that such a press was no click.

const ZOOM_STEP = 1.5; // of a key or a button
const HAND_STILL = 4; // screen pixels: less is a click

/** Let wheel, pinch and drag move a canvas's viewport; `mayPan(event)`: a drag that begins so does not draw. */
function zoomable(canvas, mayPan) {
  const { pose, viewport } = canvas, fingers = new Map(); // pointer -> [x, y] on the screen
  let hold = null; // where a pan or pinch is: {middle, apart}

  const handOf = () => {
    const at = Array.from(fingers.values()), middle = [0, 1].map((axis) => at.reduce((sum, one) => sum + one[axis], 0) / at.length);
    return { middle, apart: at.length > 1 ? Math.hypot(at[0][0] - at[1][0], at[0][1] - at[1][1]) : 0 };
  };
  const photoPointOf = ([clientX, clientY]) => canvas.point({ clientX, clientY });

  pose.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !viewport.zoomed) return;
    event.preventDefault();
    // Wheels tell lines, pages or pixels, and some tell hundreds at once.
    const turned = event.deltaY * [1, 16, 100][event.deltaMode];
    viewport.zoomTo(viewport.zoom * Math.exp(-0.008 * Math.max(-50, Math.min(50, turned))), canvas.point(event));
  }, { passive: false });

  // Two fingers are ours; the browser would zoom the page.
  for (const kind of ["touchstart", "touchmove"]) pose.addEventListener(kind, (event) => {
    if (event.touches.length > 1 && event.cancelable) event.preventDefault();
  }, { passive: false });

  pose.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 2) {
      viewport.moved = viewport.moving = true;
      pose.dispatchEvent(new PointerEvent("pointercancel")); // what the first finger began is not meant
      hold = handOf();
    } else if (fingers.size === 1) {
      viewport.moved = viewport.moving = false;
      hold = viewport.zoomed && mayPan(event) ? handOf() : null;
    }
  });

  pose.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const last = fingers.get(event.pointerId), now = [event.clientX, event.clientY];
    if (hold && !viewport.moved) {
      if (Math.hypot(now[0] - last[0], now[1] - last[1]) < HAND_STILL) return;
      viewport.moved = viewport.moving = true;
      pose.setPointerCapture(event.pointerId);
      canvas.frame.classList.add("pk-panning");
    }
    fingers.set(event.pointerId, now);
    if (!hold || fingers.size > 2) return;
    const next = handOf(), at = photoPointOf(hold.middle);
    if (hold.apart > 0 && next.apart > 0) viewport.zoomTo((viewport.zoom * next.apart) / hold.apart, at);
    const under = photoPointOf(next.middle);
    viewport.pan(at[0] - under[0], at[1] - under[1]);
    hold = next;
  });

  const lift = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    canvas.frame.classList.remove("pk-panning");
    // The finger that stays goes on moving the photo.
    hold = fingers.size && viewport.zoomed ? handOf() : null;
    viewport.moving = Boolean(hold);
  };
  pose.addEventListener("pointerup", lift);
  pose.addEventListener("pointercancel", lift);
  // A mouse let go of outside, which never was captured, tells nothing here.
  pose.addEventListener("pointerleave", lift);
}

/** The keys + - 0; true when the key was one of them and did something. `at`: what stays in place. */
function zoomKey(event, viewport, at) {
  if (event.key === "+" || event.key === "=") viewport.zoomTo(viewport.zoom * ZOOM_STEP, at);
  else if (event.key === "-" && viewport.zoomed) viewport.zoomTo(viewport.zoom / ZOOM_STEP, at);
  else if (event.key === "0" && viewport.zoomed) viewport.reset();
  else return false;
  event.preventDefault();
  return true;
}

/** Buttons for the same into an element; `at()`: the photo point to zoom at, or null for the middle. */
function zoomButtons(box, viewport, at) {
  const button = (name, title, path, go) => make("button", { type: "button", class: "pk-icon", "data-zoom": name, "aria-label": title, title, onclick: go }, [
    draw("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, [draw("path", { d: path })]),
  ]);
  const more = button("in", "Zoom in (+)", "M12 5v14M5 12h14", () => viewport.zoomTo(viewport.zoom * ZOOM_STEP, at()));
  const less = button("out", "Zoom out (−)", "M5 12h14", () => viewport.zoomTo(viewport.zoom / ZOOM_STEP, at()));
  const whole = button("whole", "Show the whole photo (0)", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", () => viewport.reset());
  const said = make("span", { class: "pk-unseen", role: "status" });
  Object.assign(box, { className: "pk-zoom" });
  fill(box, { role: "group", "aria-label": "Zoom" }, [more, less, whole, said]);
  const mark = () => {
    // Not disabled: a button that turns off under the finger would lose the focus.
    more.setAttribute("aria-disabled", String(viewport.zoom >= MOST_ZOOM));
    for (const one of [less, whole]) one.setAttribute("aria-disabled", String(!viewport.zoomed));
  };
  viewport.addEventListener("change", ({ detail }) => {
    mark();
    if (detail.scaled) said.textContent = viewport.zoomed ? "Zoomed to " + Math.round(100 * viewport.zoom) + " %" : "The whole photo";
  });
  mark();
}
