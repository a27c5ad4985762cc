// The one place for what the page knows.  Nothing of it is stored; a reload starts afresh.

const page = {
  token: null,        // proves to the server who we are; lives only here
  view: null,         // the analysed photo: size, people, skeleton, layers, model card
  source: null,       // {file} or {example}: lets us send the photo again if the server let go of it
  early: null,        // a file chosen before the page was there to take it
  person: 0,
  query: null,        // {point, token, person, keypoint, label} of the last exact answer
  answer: null,       // exact maps of every layer and head for that query
  pinned: false,      // a clicked spot stays; the opening view does not
  hover: null,        // {point, token, person} while a live preview is shown
  live: null,
  layer: null, head: null, direction: "row",
  lastLayer: null,    // of the model on show
  method: "attention", part: null,
  found: null,        // what the chosen method gave, when it is not attention: one map, or {layers}
  told: "",           // why there is no such map
  job: null,          // what the server computes for us: {kind, done, total, ...}
  computing: 0,       // newest computation; replies to older ones are dropped
  trusts: new Map(),  // faithfulness by map, as far as it was measured
  worths: new Map(),  // what each head is worth, by view and person, as far as it was measured
  opacity: 0.85, keep: 1, palette: null,
  examples: [], models: [],
  tables: {},         // colour map name -> 256 x 3 bytes
  boxes: [],          // edges [x0, y0, x1, y1] in photo pixels; empty: the whole photo
  boxMode: false, draft: null, dragging: false,
  weak: 0.2,          // keypoints below this confidence are drawn faint,
  absent: 0.1,        // below this one only when they are asked about or pointed at: most are not in the photo
  jobs: 0,            // newest analysis or question; older replies are dropped
  asks: 0,
};
