// Figures drawn by plotly. Its script is megabytes, so it comes from this server when the first figure is opened.

let plotlyComing = null;

/** plotly itself; rejects when the server does not answer, and may be asked again then. */
function bringPlotly() {
  if (!plotlyComing) plotlyComing = new Promise((come, fail) => {
    const script = make("script", { src: new URL(props.plotly, document.baseURI).href });
    script.onload = () => come(window.Plotly);
    script.onerror = () => {
      plotlyComing = null;
      script.remove();
      fail(new Error(LOST));
    };
    document.head.append(script);
  });
  return plotlyComing;
}

/** The page's own colours and letters over a figure's; `narrow`: on a phone. */
function figureInPageColours(layout, narrow) {
  const look = getComputedStyle(element), of = (name) => look.getPropertyValue(name).trim();
  const axis = (one) => one && { ...one, gridcolor: of("--pk-line"), zerolinecolor: of("--pk-line"), linecolor: of("--pk-line") };
  const { xaxis, yaxis, yaxis2, ...rest } = layout;
  return {
    ...rest, xaxis: axis(xaxis), yaxis: axis(yaxis), ...(yaxis2 ? { yaxis2: axis(yaxis2) } : {}),
    title: undefined, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: look.fontFamily, size: narrow ? 10 : 12, color: of("--pk-ink") },
  };
}

const ON_DARK = { "#0b6e69": "#4cc9bd", "#0072b2": "#56b4e9", "#d55e00": "#f0883e" };

/** A trace whose inks can be seen on the page's paper. */
function figureTrace(trace, narrow) {
  const ink = (one) => one && { ...one, color: (document.body.classList.contains("dark") && ON_DARK[one.color]) || one.color };
  return { ...trace, ...(trace.type === "heatmap" ? { showscale: !narrow } : { line: ink(trace.line), marker: ink(trace.marker) }) };
}

/**
 * Draw a figure of the server's; it follows the width of its place. Returns the drawn node, or null when something newer
 * was drawn there meanwhile or plotly could not be had, which is then said.
 */
async function drawFigure(node, figure, height) {
  const mine = (node.pkFigure = {});
  let plotly;
  try {
    plotly = await bringPlotly();
  } catch (problem) {
    if (node.pkFigure === mine) complain(problem.message);
    return null;
  }
  if (node.pkFigure !== mine) return null;
  node.removeAllListeners?.();
  const narrow = node.clientWidth < 480; // names and cells need the room that a scale would take
  const data = figure.data.map((trace) => figureTrace(trace, narrow));
  await plotly.react(node, data, { ...figureInPageColours(figure.layout, narrow), height, autosize: true }, { displaylogo: false, displayModeBar: false, responsive: true });
  return node.pkFigure === mine ? node : null;
}

/** A figure as a file, on white paper whatever the page looks like. */
async function downloadFigure(figure, format, name) {
  try {
    const plotly = await bringPlotly(), layout = { ...figure.layout, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" };
    await plotly.downloadImage({ data: figure.data, layout }, { format, filename: name, width: 900, height: 780, scale: format === "png" ? 2 : 1 });
  } catch (problem) {
    complain(problem.message || LOST);
  }
}
