// Occlusion: files to take along, and the case library where the server has one.

/** The open case as a file, made by the server and handed over as bytes. */
async function downloadOcclusion(format) {
  if (!occlusion.view || !occlusion.answer) return complain("Wait until the model has answered; then there is something to download.");
  ocState(PACKING[format] || "Packing …");
  const reply = await call("occlusion_download", { ...ocRequest(), format, photo: slot("oc-with-photo").checked, title: slot("oc-case-title").value, note: slot("oc-case-note").value });
  ocState("");
  handOver(reply, reopenOcclusion);
}

const ocLibrary = { on: props.occlusion.library.on, cases: [], total: 0 };

/** The list of saved cases, or the sentence that there is no library. */
async function fetchCases(more) {
  markLibrary(props.occlusion.library.words);
  if (!ocLibrary.on || !page.token) return;
  const start = more ? ocLibrary.cases.length : 0;
  const reply = await call("occlusion_cases", { token: page.token, start });
  if (reply.error) return reply.expired ? undefined : complain(reply.error);
  ocLibrary.on = reply.on;
  ocLibrary.cases = start ? ocLibrary.cases.concat(reply.cases) : reply.cases;
  ocLibrary.total = reply.total;
  markLibrary(reply.words);
}

function markLibrary(words) {
  const { on, cases, total } = ocLibrary;
  slot("oc-library-words").textContent = words;
  element.querySelector('[data-do="oc-save"]').hidden = !on;
  slot("oc-library").hidden = !on;
  if (!on) return;
  slot("oc-library-title").textContent = total ? "Saved cases (" + total + ")" : "No case is saved yet";
  element.querySelector('[data-do="oc-more"]').hidden = cases.length >= total;
  slot("oc-saved").replaceChildren(...cases.map((one) => make("li", { "data-saved": one.id }, [
    make("button", { type: "button", class: "pk-oc-reopen", "aria-label": "Open " + one.title, onclick: () => (window.scrollTo(0, 0), openOcclusionSource({ saved: one.id }, { model: null })) }, [
      one.thumb ? make("img", { src: one.thumb, alt: "", width: 72, height: 72 }) : make("span", { class: "pk-oc-gone", text: "no picture" }),
      make("span", {}, [make("b", { text: one.title }), make("small", { text: one.model + (one.keypoint ? " · " + one.keypoint : "") + " · " + new Date(one.created).toLocaleDateString() }), one.note ? make("small", { class: "pk-oc-note", text: one.note }) : ""]),
    ]),
    make("span", { class: "pk-oc-row" }, [
      make("button", { type: "button", class: "pk-btn", text: "HTML", "aria-label": "Export " + one.title + " as HTML", onclick: () => exportCase(one) }),
      make("button", { type: "button", class: "pk-btn", text: "Delete", "aria-label": "Delete " + one.title, onclick: (event) => deleteCase(one, event.currentTarget) }),
    ]),
  ])));
}

async function saveCase() {
  if (!occlusion.view || !occlusion.answer) return complain("Wait until the model has answered; then there is something to save.");
  const reply = await call("occlusion_save", { ...ocRequest(), title: slot("oc-case-title").value, note: slot("oc-case-note").value });
  if (reply.expired) return reopenOcclusion();
  if (reply.error) return complain(reply.error);
  ocLibrary.cases = [reply.saved, ...ocLibrary.cases];
  ocLibrary.total++;
  markLibrary(slot("oc-library-words").textContent);
  ocState("Saved.");
  setTimeout(() => slot("oc-state").textContent === "Saved." && ocState(""), 3000);
}

async function exportCase(one) {
  ocState("Writing the report …");
  const reply = await call("occlusion_export", { token: page.token, saved: one.id });
  ocState("");
  if (reply.error && !reply.expired) fetchCases();
  handOver(reply, reopenOcclusion);
}

/** Asked twice: what is deleted is gone, files and all. */
async function deleteCase(one, button) {
  if (button.textContent === "Delete") {
    button.textContent = "Really delete?";
    button.addEventListener("blur", () => (button.textContent = "Delete"), { once: true });
    return;
  }
  const reply = await call("occlusion_delete", { token: page.token, saved: one.id });
  if (reply.expired) return (await renew()) && deleteCase(one, button);
  if (reply.error) complain(reply.error);
  await fetchCases();
}
