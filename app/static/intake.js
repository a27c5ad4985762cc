// Ways for a photo to come in: file, drop, paste, camera, example.

const LARGEST = props.max_bytes;

function takeFile(file) {
  if (!file) return;
  if (file.size > LARGEST) return complain("This file is larger than " + Math.round(LARGEST / 1048576) + " MB; please choose a smaller photo.");
  closeCamera();
  if (element.dataset.state === "failed") return complain("The page could not be started, so your photo was not sent; load the page anew and choose it again.");
  if (element.dataset.state === "loading") return keepForStart(file);
  return takeOwn(file);
}

/** A photo chosen while the page still loads is not sent yet: boot() in page.js does so as soon as it can. */
function keepForStart(file) {
  page.early = file;
  busy("Loading the model; your photo comes next …");
}

/** The photo that was kept for the start, if there is one; resolves to the sentence it was refused with, or to "". */
async function takeEarly() {
  const file = page.early;
  page.early = null;
  return !file || await takeOwn(file) ? "" : slot("alert-text").textContent;
}

function takeOwn(file) {
  setBoxMode(false);
  // The file's own name stays with the visitor.
  return analyse({ file: new File([file], "photo", { type: file.type }) }, { note: "Uploading and analysing …" });
}

slot("file").addEventListener("change", (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  takeFile(file);
});

document.addEventListener("paste", (event) => {
  if (!element.isConnected) return;
  const file = Array.from(event.clipboardData?.files || []).find((one) => one.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    takeFile(file);
  }
});

async function pasteFromClipboard() {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((one) => one.startsWith("image/"));
      if (type) return takeFile(new File([await item.getType(type)], "photo", { type }));
    }
    complain("There is no picture in the clipboard; copy one first, then paste.");
  } catch (problem) {
    complain("The browser did not hand over the clipboard; press Ctrl + V (or ⌘ V) instead.");
  }
}

let dragDepth = 0;
function dropping(on) {
  dragDepth = Math.max(0, dragDepth + (on ? 1 : -1));
  element.classList.toggle("pk-dropping", dragDepth > 0);
}
element.addEventListener("dragenter", (event) => (event.preventDefault(), dropping(true)));
element.addEventListener("dragleave", () => dropping(false));
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  dragDepth = 0;
  element.classList.remove("pk-dropping");
  takeFile(event.dataTransfer.files[0]);
});

let camera = null;

async function openCamera() {
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (problem) {
    return complain("No camera could be opened; allow it in the browser, or upload a photo instead.");
  }
  slot("video").srcObject = camera;
  slot("camera").hidden = false;
  await slot("video").play();
  element.querySelector('[data-do="shoot"]').focus();
}

function closeCamera() {
  if (camera) camera.getTracks().forEach((track) => track.stop());
  camera = null;
  slot("camera").hidden = true;
}

function takePicture() {
  const video = slot("video");
  const still = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  still.getContext("2d").drawImage(video, 0, 0);
  closeCamera();
  still.toBlob((blob) => takeFile(new File([blob], "photo", { type: "image/jpeg" })), "image/jpeg", 0.95);
}

/** Thumbnails of the bundled photos. */
function buildExamples(examples) {
  slot("examples").replaceChildren(...examples.map((example) => make("button", {
    type: "button", class: "pk-example", "data-example": example.id, "aria-pressed": "false", title: example.caption,
    onclick: () => (setBoxMode(false), analyse({ example: example.id })),
  }, [make("img", { src: example.thumb, alt: "", width: 64, height: 64 }), make("span", { text: example.title })])));
}
