// From a small grid of attention weights to a glow on the photo: what posekit.draw.overlay draws, in the browser.
// The page and the live file share it. Nothing here knows of either.
//
// Coordinates.  Grid: (column, row), cell centres at integers.  Photo: (x, y) pixels, centres at integers.
// An affine is six numbers [a, b, c, d, e, f]: x' = a x + b y + c, y' = d x + e y + f.
// The server sends grid -> photo with every map; how they come about is posekit's business.

function applyAffine(m, x, y) {
  return [m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]];
}

function invertAffine(m) {
  const det = m[0] * m[4] - m[1] * m[3];
  const a = m[4] / det, b = -m[1] / det, d = -m[3] / det, e = m[0] / det;
  return [a, b, -(a * m[2] + b * m[5]), d, e, -(d * m[2] + e * m[5])];
}

/** The largest weight such that the cells at or above it hold `share` of the sum (ties kept). */
function levelOf(weights, share) {
  if (share >= 1) return -Infinity;
  const sorted = Float32Array.from(weights).sort();
  let total = 0;
  for (const value of sorted) total += value;
  let mass = 0;
  for (let i = sorted.length - 1; i >= 0; i--) {
    mass += sorted[i];
    if (mass >= share * total) return sorted[i];
  }
  return sorted[0];
}

function largest(weights) {
  let top = 0;
  for (const value of weights) if (value > top) top = value;
  return top;
}

/**
 * Paint weights to an offscreen canvas of cols*fine x rows*fine pixels.
 * Bilinear between cell centres, level to the outer cell edges, exactly as posekit draws it.
 * Colour says the value relative to the strongest cell; weak cells are also drawn more transparent.
 */
function paintGrid(canvas, grid, look, fine) {
  const { weights, rows, cols } = grid;
  const size = grid.signed ? weights.map(Math.abs) : weights;
  const level = levelOf(size, look.keep);
  const top = grid.top || largest(weights) || 1; // a scale from outside, or the map's own
  const share = new Float32Array(weights.length), kept = new Float32Array(weights.length);
  for (let i = 0; i < weights.length; i++) {
    share[i] = weights[i] / top;
    kept[i] = size[i] >= level ? 1 : 0;
  }
  const table = grid.signed ? look.diverging : look.table;

  const width = cols * fine, height = rows * fine;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const out = picture.data;
  const across = axis(cols, fine), down = axis(rows, fine);
  for (let y = 0, o = 0; y < height; y++) {
    const r0 = down.low[y] * cols, r1 = down.high[y] * cols, fy = down.part[y];
    for (let x = 0; x < width; x++, o += 4) {
      const c0 = across.low[x], c1 = across.high[x], fx = across.part[x];
      const value = Math.max(-1, Math.min(1, between(share, r0, r1, c0, c1, fx, fy)));
      const strength = (Math.abs(value) * 255) | 0;
      const step = grid.signed ? Math.round((value + 1) * 127.5) : strength;
      // Cells left out fade away; their neighbours keep the colour of their own value.
      const cover = look.keep >= 1 ? 1 : Math.max(0, Math.min(1, between(kept, r0, r1, c0, c1, fx, fy) * 2 - 0.5));
      out[o] = table[3 * step];
      out[o + 1] = table[3 * step + 1];
      out[o + 2] = table[3 * step + 2];
      out[o + 3] = look.alpha[strength] * cover;
    }
  }
  context.putImageData(picture, 0, 0);
}

function between(values, r0, r1, c0, c1, fx, fy) {
  const upper = values[r0 + c0] + (values[r0 + c1] - values[r0 + c0]) * fx;
  const lower = values[r1 + c0] + (values[r1 + c1] - values[r1 + c0]) * fx;
  return upper + (lower - upper) * fy;
}

const axes = new Map();

/** For every fine pixel along an axis: the two cells it lies between and how far along. */
function axis(count, fine) {
  const key = count + "x" + fine;
  if (!axes.has(key)) {
    const size = count * fine;
    const low = new Uint16Array(size), high = new Uint16Array(size), part = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const at = Math.min(count - 1, Math.max(0, (i + 0.5) / fine - 0.5));
      low[i] = Math.floor(at);
      high[i] = Math.min(count - 1, low[i] + 1);
      part[i] = at - low[i];
    }
    axes.set(key, { low, high, part });
  }
  return axes.get(key);
}

/**
 * How maps are painted: the colour table (256 x 3 bytes) and the opacity of each of its steps; `keep`, the share of a
 * map's mass that is shown, strongest cells first; `diverging`, the table of signed maps, -1 to 1.
 */
function lookOf(table, opacity, keep, diverging) {
  const alpha = new Uint8ClampedArray(256);
  for (let i = 0; i < 256; i++) {
    // posekit.draw's ramp: a smooth rise to full opacity at 0.3 of the strongest cell.
    const t = Math.min(1, i / 255 / 0.3);
    alpha[i] = 255 * opacity * t * t * (3 - 2 * t);
  }
  return { table, alpha, opacity, keep, diverging };
}

/** How fine to paint a grid: smooth to the eye, cheap for the processor. */
function fineness(grid, pixels) {
  return Math.max(2, Math.min(16, Math.ceil(pixels / grid.cols / 2)));
}

const DIM = 0.4;

/** The photo steps back under a map: half its colour and as much of its light as posekit.draw takes. */
function dimming(opacity) {
  return "saturate(" + (1 - 0.5 * opacity) + ") brightness(" + (1 - DIM * opacity) + ")";
}

const scratch = document.createElement("canvas");

/** The part of a photo that is all of it: a rectangle between outer edges, in photo pixels. */
function wholePhoto({ width, height }) {
  return { x: -0.5, y: -0.5, width, height };
}

/** Let a canvas's context count in photo pixels, where the canvas shows this part of the photo. */
function inPhotoPixels(context, part) {
  const across = context.canvas.width / part.width, down = context.canvas.height / part.height;
  context.setTransform(across, 0, 0, down, -part.x * across, -part.y * down);
}

/** The map over the part {x, y, width, height} of the photo that a canvas shows. */
function drawMapOnPhoto(canvas, grid, look, part) {
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!grid) return;
  const span = (Math.hypot(grid.toPhoto[0], grid.toPhoto[3]) * grid.cols * canvas.width) / part.width;
  const fine = fineness(grid, grid.hasty ? span / 2 : span); // several moving maps share one frame
  paintGrid(scratch, grid, look, fine);
  const m = grid.toPhoto;
  const [ox, oy] = applyAffine(m, -0.5, -0.5); // fine pixel f = (g + 0.5) * fine
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  inPhotoPixels(context, part);
  context.transform(m[0] / fine, m[3] / fine, m[1] / fine, m[4] / fine, ox, oy);
  context.drawImage(scratch, 0, 0);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/**
 * The map over the crop the model saw, filling a small canvas; `at` marks the query cell.
 * `photo`: {image, width}, a picture of the whole photo and how many pixels the photo itself is wide.
 */
function drawMapOnCrop(canvas, photo, grid, look, at) {
  const context = canvas.getContext("2d"), m = invertAffine(grid.toPhoto);
  drawCrop(canvas, photo, grid, dimming(look.opacity));
  paintGrid(scratch, grid, look, fineness(grid, canvas.width));
  context.drawImage(scratch, 0, 0, canvas.width, canvas.height);
  if (!at) return;
  const [gx, gy] = applyAffine(m, at[0], at[1]);
  const x = ((gx + 0.5) * canvas.width) / grid.cols, y = ((gy + 0.5) * canvas.height) / grid.rows, r = Math.max(3, canvas.width / 40);
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
  context.lineWidth = r * 0.9;
  context.strokeStyle = "rgba(0, 0, 0, 0.75)";
  context.stroke();
  context.lineWidth = r * 0.45;
  context.strokeStyle = "#fff";
  context.stroke();
}

/** The part of the photo that a grid covers, through a CSS filter, filling a small canvas. */
function drawCrop(canvas, photo, grid, filter) {
  const context = canvas.getContext("2d"), m = invertAffine(grid.toPhoto);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#0b0d12";
  context.fillRect(0, 0, canvas.width, canvas.height);
  // grid -> canvas is (g + 0.5) * canvas pixels a cell, and photo pixel edges lie half a pixel before the centres.
  const across = canvas.width / grid.cols, down = canvas.height / grid.rows, s = photo.width / photo.image.width;
  const [ox, oy] = applyAffine(m, -0.5, -0.5);
  context.setTransform(m[0] * across * s, m[3] * down * s, m[1] * across * s, m[4] * down * s, (ox + 0.5) * across, (oy + 0.5) * down);
  context.imageSmoothingQuality = "high";
  context.filter = filter;
  context.drawImage(photo.image, 0, 0);
  context.filter = "none";
  context.setTransform(1, 0, 0, 1, 0, 0);
}
