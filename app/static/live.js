// Live hover: the map follows the pointer without asking the server.
//
// Per layer the server sends, once, the head-averaged attention as bytes: one row of the matrix per query
// token, scaled to its own maximum, and that maximum as a float.  A row is a lookup; a column gathers one byte
// from every row.  These are previews: a click fetches the exact values.

/** Ask for the previews of one person, layer by layer, the layer on show first. */
async function fetchLive(person) {
  const view = page.view;
  page.live = { view: view.id, person, layers: [] };
  if (typeof DecompressionStream === "undefined" || !view.live) return;
  const order = view.layers.map((_, index) => index).sort((a, b) => Math.abs(a - page.layer) - Math.abs(b - page.layer));
  for (const index of order) {
    const reply = await server.live({ token: page.token, view: view.id, person, layer: view.layers[index].name });
    if (!reply || reply.error || page.view !== view || page.live.person !== person) return;
    page.live.layers[index] = {
      ...reply,
      cells: await inflate(bytesOf(reply.cells)),
      scale: floatsOf(reply.scale),
    };
    hint();
  }
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function liveReady() {
  return Boolean(byAttention() && !page.part && page.live && page.view && page.live.view === page.view.id && page.live.layers[page.layer]);
}

/** The pointer is at a photo point (null: it left). A pinned spot is never disturbed. */
function hoverAt(point) {
  const before = page.hover;
  page.hover = null;
  if (point && !page.pinned && liveReady()) {
    const layer = page.live.layers[page.layer];
    const token = cellAt(layer.query, point);
    if (token >= 0) page.hover = { point, token, person: page.live.person };
  }
  if (page.hover || before) paint();
  if (Boolean(page.hover) !== Boolean(before)) drawQuery();
}

/** Index of the cell of a grid that holds a photo point, -1 outside. */
function cellAt(grid, [x, y]) {
  const [col, row] = applyAffine(invertAffine(grid.toPhoto), x, y).map(Math.round);
  return col >= 0 && row >= 0 && col < grid.cols && row < grid.rows ? row * grid.cols + col : -1;
}

function liveGrid(index) {
  const layer = page.live.layers[index];
  return layer && previewGrid(layer, page.direction, page.hover.token, page.hover.point);
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
