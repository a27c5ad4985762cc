// Inside the model: matrices between keypoints, queries or body parts, gates. Small pictures to choose from, and one large in plotly.

const matrix = { name: null, one: null, figure: null, pinned: [] };
const MATRIX_TABLE = 30; // of wider matrices the table holds each row's strongest

function drawMatrices() {
  // Kind by kind, each through the stages.
  const kinds = [...new Set(inside.found.matrices.map((one) => one.kind))];
  const matrices = kinds.flatMap((kind) => inside.found.matrices.filter((one) => one.kind === kind));
  slot("matrices").hidden = !matrices.length;
  for (const one of matrices) one.values = floatsOf(one.values);
  slot("matrix-picks").replaceChildren(...matrices.map((one) => make("button", {
    type: "button", class: "pk-matrix-pick", "data-matrix": one.name, "aria-pressed": "false", title: one.meaning, onclick: () => chooseMatrix(one.name),
  }, [matrixThumb(one), make("span", { text: one.title })])));
  // What was open stays open when the person or the photo changes.
  if (matrices.some((one) => one.name === matrix.name)) chooseMatrix(matrix.name, true);
  else closeMatrix();
}

function matrixThumb(one) {
  const rows = one.rows.length, cols = one.cols.length, top = one.kind === "gate" ? 1 : Math.max(1e-9, largest(one.values));
  const canvas = make("canvas", { width: cols, height: rows, "aria-hidden": "true" }), context = canvas.getContext("2d");
  const image = context.createImageData(cols, rows), table = page.tables[page.palette];
  one.values.forEach((value, n) => {
    const step = 3 * Math.round(Math.min(1, value / top) * 255);
    image.data.set([table[step], table[step + 1], table[step + 2], 255], 4 * n);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

function closeMatrix() {
  Object.assign(matrix, { name: null, one: null, figure: null, pinned: [] });
  slot("matrix").hidden = true;
}

/** Open a matrix large; pressed once more it closes. */
async function chooseMatrix(name, stay) {
  if (matrix.name === name && !stay) {
    closeMatrix();
    markMatrix();
    return showBoxes([]);
  }
  const one = inside.found.matrices.find((each) => each.name === name), { view } = page;
  Object.assign(matrix, { name, one, figure: null, pinned: [] });
  markMatrix();
  slot("matrix").hidden = false;
  slot("matrix-meaning").textContent = one.meaning + (one.mine === null ? "" : " This person is " + one.rows[one.mine] + ".");
  tellMatrix();
  fillMatrixTable();
  const reply = await call("inside_matrix", { token: page.token, view: view.id, person: inside.found.person, name, palette: page.palette });
  if (matrix.one !== one) return;
  if (reply.error) return reply.expired ? null : complain(reply.error);
  matrix.figure = reply.figure;
  await drawMatrixFigure();
}

async function drawMatrixFigure() {
  const { one } = matrix, place = slot("matrix-figure"), wide = place.clientWidth, row = askedRow(one);
  if (row >= 0) matrix.figure.layout.shapes = [{ type: "rect", xref: "paper", x0: 0, x1: 1, y0: row - 0.5, y1: row + 0.5, line: { color: "#4cc9bd", width: 2 } }];
  place.setAttribute("aria-label", one.title + ", " + one.rows.length + " rows and " + one.cols.length + " columns; the table below has the numbers.");
  const named = one.rows.length <= MATRIX_TABLE ? 150 + 16 * one.rows.length : 0; // each name of a row needs a line
  const node = await drawFigure(place, matrix.figure, Math.max(260, named, Math.min(640, 120 + (wide - 160) * (one.kind === "gate" ? 0.5 : 1))));
  if (!node || matrix.one !== one) return;
  node.on("plotly_hover", ({ points }) => tellMatrix(...matrixCell(points[0]), false));
  node.on("plotly_unhover", () => tellMatrix(...matrix.pinned));
  node.on("plotly_click", ({ points }) => {
    matrix.pinned = matrixCell(points[0]);
    tellMatrix(...matrix.pinned);
    askRow(matrix.pinned[0]);
  });
}

/** The row of a matrix between keypoints that is about the keypoint asked about; -1 of any other matrix. */
function askedRow(one) {
  return one.kind !== "keypoint" || !page.query || page.query.keypoint === null ? -1 : one.rows.indexOf(page.view.skeleton.keypoints[page.query.keypoint]);
}

/** Ask about the keypoint of a row; rows about anything else ask nothing. */
function askRow(row) {
  const keypoint = matrix.one.kind === "keypoint" ? page.view.skeleton.keypoints.indexOf(matrix.one.rows[row]) : -1;
  if (keypoint >= 0) askKeypoint(inside.found.person, keypoint);
}

/** Another keypoint of the same person: the same matrices, another row framed. */
function frameAsked() {
  if (!matrix.one || !matrix.figure || matrix.one.kind !== "keypoint") return;
  if (askedRow(matrix.one) < 0) matrix.figure.layout.shapes = [];
  drawMatrixFigure();
}

function matrixCell(point) {
  const [row, col] = Array.isArray(point.pointIndex) ? point.pointIndex : point.pointNumber;
  return [row, col];
}

function markMatrix() {
  all("[data-matrix]").forEach((node) => node.setAttribute("aria-pressed", String(node.dataset.matrix === matrix.name)));
}

function matrixValue(value) {
  return ["keypoint", "query", "part"].includes(matrix.one.kind) ? percent(value) : value.toFixed(2);
}

/** One cell in words, and the boxes of its queries on the photo; nothing chosen: what there is to do. */
function tellMatrix(row, col) {
  const { one } = matrix, chosen = row !== undefined;
  slot("matrix-line").textContent = !chosen ? (one.kind === "keypoint" ? "Click a cell to ask about the keypoint of its row." : one.boxes ? "Click a cell: the box of its query is drawn on the photo, the box of its key dashed." : "")
    : one.rows[row] + (col === undefined ? "" : " → " + one.cols[col] + ": " + matrixValue(one.values[row * one.cols.length + col]));
  showBoxes(!chosen || !one.boxes ? [] : [one.boxes[row], ...(col === undefined || col === row ? [] : [one.boxes[col]])]);
}

function showBoxes(boxes) {
  inside.boxes = boxes;
  drawInside();
}

/** The same numbers for the keyboard and for screen readers; a row that has a box can be pressed. */
function fillMatrixTable() {
  const { one } = matrix, table = slot("matrix-table"), cols = one.cols.length, whole = cols <= MATRIX_TABLE;
  table.replaceChildren();
  if (!slot("matrix-numbers").open) return;
  const name = (row) => (one.boxes ? make("button", { type: "button", class: "pk-link", title: "Draw its box on the photo", text: one.rows[row], onclick: () => { matrix.pinned = [row]; tellMatrix(row); } })
    : one.kind === "keypoint" && page.view.skeleton.keypoints.includes(one.rows[row]) ? make("button", { type: "button", class: "pk-link", title: "Ask about it", text: one.rows[row], onclick: () => askRow(row) }) : document.createTextNode(one.rows[row]));
  const cells = (row) => {
    const values = Array.from(one.values.subarray(row * cols, (row + 1) * cols));
    if (whole) return values.map((value) => make("td", { text: matrixValue(value) }));
    const order = values.map((_, col) => col).sort((a, b) => values[b] - values[a]).slice(0, 5);
    return [make("td", { text: order.map((col) => one.cols[col] + " " + matrixValue(values[col])).join(" · ") })];
  };
  table.append(
    make("thead", {}, [make("tr", {}, ["", ...(whole ? one.cols : ["its five strongest"])].map((text) => make("th", { scope: "col", text })))]),
    make("tbody", {}, one.rows.map((_, row) => make("tr", {}, [make("th", { scope: "row" }, [name(row)]), ...cells(row)]))),
  );
}

slot("matrix-numbers").addEventListener("toggle", () => matrix.one && fillMatrixTable());

element.addEventListener("click", (event) => {
  const button = event.target.closest('[data-do="matrix-png"], [data-do="matrix-svg"]');
  if (!button) return;
  if (!matrix.figure) return complain("The matrix is still being drawn; please wait for it.");
  downloadFigure(matrix.figure, button.dataset.do.slice(7), "posekit-" + page.view.model + "-" + matrix.name.replace(/\W+/g, "-"));
});
