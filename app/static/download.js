// What can be taken home: the picture, the report, the figures and the raw maps of what is on show.

const PACKING = {
  png: "Drawing the picture …", svg: "Drawing the picture …", html: "Writing the report …",
  json: "Packing the numbers …", npz: "Packing the maps …",
};

/** Nothing to take along: the buttons are off, and say why. */
function markDownloads() {
  const words = nobodyFound() ? page.view.title + " found nobody, so there is nothing to take along" : "";
  for (const kind of ["link", "html", "live-report", "png", "svg", "json", "npz"]) {
    const node = element.querySelector('.pk-get [data-do="' + kind + '"]');
    node.dataset.title = node.dataset.title || node.title;
    node.disabled = Boolean(words);
    node.title = words || node.dataset.title;
  }
}

/** A file made by the server and handed over as bytes. */
async function download(format) {
  if (!page.query) return complain("Click a spot on the photo first; then there is something to download.");
  if (!currentGridExact()) return complain("There is no map to download yet; wait for it, or compute it.");
  busy(PACKING[format]);
  const reply = await call("download", {
    ...mapQuestion(), format, photo: slot("with-photo").checked,
    palette: page.palette, opacity: page.opacity, dim: DIM * page.opacity, keep: page.keep,
  });
  busy("");
  await handOver(reply);
}

/** The photo with everybody's maps, for whoever has no PoseKit. */
async function downloadLive() {
  if (!page.view) return complain("There is no photo yet; wait for it, or upload one.");
  busy("Writing the live report …");
  const reply = await call("live_report", {
    token: page.token, view: page.view.id, person: page.person, photo: slot("with-photo").checked, palette: page.palette, opacity: page.opacity,
  });
  busy("");
  await handOver(reply);
}

/** A file that the server made, or why there is none; `again` is what to do when the photo is gone from the server. */
async function handOver(reply, again) {
  if (reply.expired && again) return again();
  if (reply.expired && await analyseAgainSilently()) return complain("The photo was sent again; please press download once more.");
  if (reply.error) return complain(reply.error);
  const url = URL.createObjectURL(new Blob([bytesOf(reply.bytes)], { type: reply.type }));
  make("a", { href: url, download: reply.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 30000);
}
