// A layer's whole attention in 8 bits, as posekit.explain.live makes it: one row of the matrix per query token, scaled to
// its own maximum, and that maximum as a float. A map is a lookup; a column gathers one byte from every row.
// The page and the live file share it. Nothing here knows of either.

/** Base64 -> Uint8Array. */
function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Base64 of little-endian float32 -> Float32Array. */
function floatsOf(base64) {
  return new Float32Array(bytesOf(base64).buffer);
}

/** A preview as it was sent -> with its numbers unpacked. */
async function unpacked(sent) {
  return { ...sent, cells: await inflate(bytesOf(sent.cells)), scale: floatsOf(sent.scale) };
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Index of the cell of a grid that holds a photo point, -1 outside. */
function cellAt(grid, [x, y]) {
  const [col, row] = applyAffine(invertAffine(grid.toPhoto), x, y).map(Math.round);
  return col >= 0 && row >= 0 && col < grid.cols && row < grid.rows ? row * grid.cols + col : -1;
}

/** The map that a preview holds for a query token (row) or for the key cell at a point (column). */
function previewGrid({ query, key, cells, scale }, direction, token, point) {
  const keys = key.rows * key.cols;
  let weights, grid;
  if (direction === "row") {
    grid = key;
    weights = new Float32Array(keys);
    const start = token * keys, unit = scale[token] / 255;
    for (let i = 0; i < keys; i++) weights[i] = cells[start + i] * unit;
  } else {
    grid = query;
    weights = new Float32Array(scale.length);
    const at = cellAt(key, point);
    if (at < 0) return null;
    for (let i = 0; i < weights.length; i++) weights[i] = (cells[i * keys + at] * scale[i]) / 255;
  }
  return { weights, rows: grid.rows, cols: grid.cols, toPhoto: grid.toPhoto, head: null, live: true };
}
