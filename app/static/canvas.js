// The photo canvas: a photo with what lies over it (masks, map, poses, a tip), on Explore, Compare and Occlusion alike.
//
// Viewport   which part of the photo is on show, and how large. Arithmetic alone: it touches no element, so canvases can
//            share one and always show the same part. Event "change" after each zoom and pan.
// PhotoCanvas  one frame on the page: lays its layers out, turns pointer events into photo points, paints.
// zoom.js moves a viewport by wheel, fingers, keys and buttons; pose.js draws people and marks.
//
// Coordinates.  Photo: (x, y) pixels, centres at integers; the whole photo reaches from -0.5 to width - 0.5.  A viewport
// is a rectangle {x, y, width, height} between outer edges, in these pixels.  Screen: CSS pixels.

const MOST_ZOOM = 8;

class Viewport extends EventTarget {
  constructor() {
    super();
    this.zoom = 1;                              // 1: the whole photo, as large as fits its room
    this.photo = this.room = null;              // {width, height}, photo and screen pixels
    Object.assign(this, { x: -0.5, y: -0.5, width: 1, height: 1 });
    this.shown = { width: 1, height: 1 };       // of the frame, screen pixels
    this.moved = false;                         // whether the last press became a pan or a pinch and was no click
    this.moving = false;                        // whether it is one now
  }

  /** Photo pixels per screen pixel. */
  get unit() {
    return this.width / this.shown.width;
  }

  get zoomed() {
    return this.zoom > 1;
  }

  /** Another photo or room; what is in the middle stays there. */
  fit(photo, room) {
    const middle = this.photo ? this.middle : [0, 0];
    Object.assign(this, { photo: { width: photo.width, height: photo.height }, room: { width: room.width, height: room.height } });
    this.lay((axis, _, length) => middle[axis] - length / 2);
  }

  /** The photo point in the middle of what is on show. */
  get middle() {
    return [this.x + this.width / 2, this.y + this.height / 2];
  }

  /** Zoom so far, with this photo point in the middle as far as the photo's borders allow. */
  show(zoom, [x, y]) {
    this.zoomTo(zoom);
    const [mx, my] = this.middle;
    this.pan(x - mx, y - my);
  }

  /** The whole photo again. */
  reset() {
    this.zoomTo(1);
  }

  /** Zoom so far (1 to MOST_ZOOM) that the photo point `at`, the middle if none is given, stays where it is on the screen. */
  zoomTo(zoom, at) {
    if (!this.photo) return void (this.zoom = 1);
    const before = this.zoom, point = at || this.middle, place = this.placeOf(point);
    const wanted = Math.min(MOST_ZOOM, Math.max(1, zoom));
    this.zoom = wanted < 1.02 ? 1 : wanted; // so close to the whole photo is the whole photo
    if (this.zoom === before) return;
    this.lay((axis, side, length) => point[axis] - (place[axis] - this.margin(side)) * (length / this.shown[side]));
    this.changed(true);
  }

  /** Move the part on show by photo pixels; it stays inside the photo. */
  pan(dx, dy) {
    const { x, y } = this;
    this.lay((axis) => (axis ? y + dy : x + dx));
    if (this.x !== x || this.y !== y) this.changed(false);
  }

  /** Bring a photo point that is out of sight into the middle. */
  reveal([x, y]) {
    const out = x < this.x || y < this.y || x > this.x + this.width || y > this.y + this.height;
    if (this.photo && out) this.show(this.zoom, [x, y]);
  }

  /** Where a photo point lies in the room, in screen pixels. */
  placeOf([x, y]) {
    return [this.margin("width") + ((x - this.x) / this.width) * this.shown.width, this.margin("height") + ((y - this.y) / this.height) * this.shown.height];
  }

  /** What is left of the room on one side of the frame, which stands in its middle. */
  margin(side) {
    return (this.room[side] - this.shown[side]) / 2;
  }

  /** Size of frame and part; `start(axis, side, length)` says where along an axis the part should begin. */
  lay(start) {
    const { photo, room } = this, scale = this.zoom * Math.min(room.width / photo.width, room.height / photo.height);
    ["width", "height"].forEach((side, axis) => {
      const all = photo[side] * scale, fits = all <= room[side] + 0.01;
      this.shown[side] = Math.max(1, fits ? Math.round(all) : Math.floor(room[side]));
      this[side] = fits ? photo[side] : this.shown[side] / scale;
    });
    ["width", "height"].forEach((side, axis) => {
      const last = photo[side] - 0.5 - this[side];
      this[axis ? "y" : "x"] = Math.max(-0.5, Math.min(last, start(axis, side, this[side])));
    });
  }

  changed(scaled) {
    this.dispatchEvent(new CustomEvent("change", { detail: { scaled } }));
  }
}

/** Size a canvas, which clears it; one that has that size already is left as it is. */
function sizeCanvas(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

class PhotoCanvas {
  /** `nodes`: the frame element and in it the canvases photo, map and (where there are any) masks, the SVG pose, the tip. */
  constructor(viewport, nodes) {
    Object.assign(this, { viewport, masks: null }, nodes);
  }

  get unit() {
    return this.viewport.unit;
  }

  /** Give frame, canvases and SVG the size and the part of the photo that the viewport says. */
  place() {
    const { shown, x, y, width, height, zoomed } = this.viewport, dense = Math.min(2, window.devicePixelRatio || 1);
    this.frame.style.width = shown.width + "px";
    this.frame.style.height = shown.height + "px";
    this.frame.classList.toggle("pk-zoomed", zoomed);
    for (const fine of [this.photo, this.masks]) if (fine) sizeCanvas(fine, Math.round(shown.width * dense), Math.round(shown.height * dense));
    sizeCanvas(this.map, shown.width, shown.height);
    this.pose.setAttribute("viewBox", [x, y, width, height].join(" "));
  }

  /** Where on the photo a pointer event is. */
  point(event) {
    const box = this.frame.getBoundingClientRect(), { x, y, width, height } = this.viewport;
    return [x + ((event.clientX - box.left) / box.width) * width, y + ((event.clientY - box.top) / box.height) * height];
  }

  /** Paint the photo; `front(context)`, in photo pixels, paints what lies in front of it. */
  paintPhoto(image, front) {
    const context = this.photo.getContext("2d"), { width, height } = this.viewport.photo;
    inPhotoPixels(context, this.viewport);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, -0.5, -0.5, width, height);
    if (front) front(context);
  }

  /** Paint a map over the photo, which steps back under it; null: no map. `bright`: the photo does not step back. */
  paintMap(grid, look, bright) {
    drawMapOnPhoto(this.map, grid, look, this.viewport);
    this.photo.style.filter = grid && !bright ? dimming(look.opacity) : "none";
  }

  /** A name and a confidence beside a keypoint, and whether it is doubtful; null, or a point that is not on show, hides them. */
  showTip(at, name, score, doubt) {
    const { tip, viewport } = this, { x, y, width, height, shown } = viewport;
    tip.hidden = !at || at[0] < x || at[1] < y || at[0] > x + width || at[1] > y + height;
    if (tip.hidden) return;
    tip.replaceChildren(make("b", { text: name }), make("span", { text: score.toFixed(2), title: "confidence" }), doubt ? make("em", { text: "doubtful" }) : "");
    const left = (at[0] - x) / this.unit + 14, top = (at[1] - y) / this.unit - 34;
    tip.style.left = Math.max(4, Math.min(shown.width - tip.offsetWidth - 4, left)) + "px";
    tip.style.top = Math.max(4, top) + "px";
  }
}
