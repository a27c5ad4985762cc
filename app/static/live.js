// Live hover: the map follows the pointer without asking the server.
//
// Per layer the server sends, once, the head-averaged attention as bytes (previews.js). A click fetches the exact values.

/** Ask for the previews of one person, layer by layer, the layer on show first. */
async function fetchLive(person) {
  const view = page.view;
  page.live = { view: view.id, person, layers: [] };
  if (typeof DecompressionStream === "undefined" || !view.live) return;
  const order = view.layers.map((_, index) => index).sort((a, b) => Math.abs(a - page.layer) - Math.abs(b - page.layer));
  for (const index of order) {
    const reply = await server.live({ token: page.token, view: view.id, person, layer: view.layers[index].name });
    if (!reply || reply.error || page.view !== view || page.live.person !== person) return;
    page.live.layers[index] = await unpacked(reply);
    hint();
  }
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

function liveGrid(index) {
  const layer = page.live.layers[index];
  return layer && previewGrid(layer, page.direction, page.hover.token, page.hover.point);
}
