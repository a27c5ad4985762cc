// Models: a card a model of the zoo. The server says everything that stands on it; nothing here knows a model by name.

const zoo = { asked: false };

/** Fetch the cards when the page is first shown; what failed is asked for again the next time. */
async function openModels() {
  if (zoo.asked) return;
  zoo.asked = true;
  slot("models-state").hidden = false;
  slot("models-state").textContent = "Reading the model cards …";
  const reply = await call("models", {});
  zoo.asked = !reply.error;
  slot("models-state").hidden = !reply.error;
  if (reply.error) return void (slot("models-state").textContent = reply.error);
  slot("systems").replaceChildren(...reply.systems.map((group) => systemSection(group, reply.meanings)));
}

/** One system: its name, how it differs from the others, its papers, its models. */
function systemSection({ system, words, papers, models }, meanings) {
  return make("section", { class: "pk-system", "aria-label": system }, [
    make("h2", { text: system }),
    words && make("p", { class: "pk-differs", text: typeset(words) }),
    ...papers.map((paper) => make("p", { class: "pk-paper" }, [
      paper.title + " · " + paper.venue + " " + paper.year + " · ",
      make("a", { href: paper.url, target: "_blank", rel: "noopener noreferrer", text: paper.label }),
    ])),
    make("div", { class: "pk-zoo" }, models.map((model) => modelCard(model, meanings))),
  ]);
}

function modelCard(model, meanings) {
  const { kind, words, command } = model.state;
  return make("article", { class: "pk-card pk-zoo-card", "data-model": model.name }, [
    make("div", {}, [
      make("h3", { text: model.title }),
      make("p", { class: "pk-state", "data-kind": kind }, [make("span", { text: words })]),
      command && commandLine(command),
    ]),
    make("div", { class: "pk-versus" }, [
      figureSide(capital(typeset(model.figures_from)), model.paper_figures, typeset(model.no_figures), meanings),
      figureSide("Measured by us", model.our_figures, "Not measured for these weights.", meanings),
    ]),
    make("dl", { class: "pk-zoo-facts" }, model.facts.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })])),
    make("div", { class: "pk-zoo-open" }, model.opens ? openLinks(model.name)
      : [make("p", { text: model.closed })]),
  ]);
}

/** The figures of one side: the first large, all others folded away. */
function figureSide(title, sets, none, meanings) {
  if (!sets.length) return make("div", {}, [make("h4", { text: title }), make("p", { text: none })]);
  const [{ data, whom, figures: [[name, value, interval], ...rest] }, ...others] = sets;
  const lines = [...(rest.length ? [{ data, figures: rest, whom: "" }] : []), ...others];
  return make("div", {}, [
    make("h4", { text: title }),
    make("div", { class: "pk-best" }, [make("b", { text: value }), make("span", { text: name }), meanings[name] && helpMark(meanings[name], name)]),
    interval && make("p", { class: "pk-interval" }, ["95 % interval " + interval, helpMark("interval", "this interval")]),
    make("p", { text: data + (whom ? ": " + whom : "") }),
    lines.length && make("details", { class: "pk-more" }, [
      make("summary", { text: "All figures" }),
      make("dl", {}, lines.flatMap((set) => [
        make("dt", { text: set.data + (set.whom ? ": " + set.whom : "") }),
        ...set.figures.map(([figure, number, ends]) => make("dd", {}, [figure + " " + number + (ends ? " (" + ends + ")" : ""), meanings[figure] && helpMark(meanings[figure], figure)])),
      ])),
    ]),
  ]);
}

/** A command for the terminal, with a button that copies it. */
function commandLine(command) {
  const button = make("button", { type: "button", class: "pk-link", text: "Copy", "aria-label": "Copy the command" });
  button.addEventListener("click", () => copyText(command, button, "Copy"));
  return make("div", { class: "pk-command" }, [make("code", { text: command }), button]);
}

/** Links, so that they can be opened beside or sent: each is a question without a photo. */
function openLinks(name) {
  const other = page.models.find((one) => one.name !== name);
  const models = [...(other ? [other.name] : []), name].map(encodeURIComponent).join(",");
  return [
    make("a", { class: "pk-btn", href: "#explore?model=" + encodeURIComponent(name), text: "Open in Explore" }),
    make("a", { class: "pk-btn", href: "#compare?models=" + models, text: "Open in Compare" }),
  ];
}

element.addEventListener("pk-page", (event) => {
  if (event.detail === "models") openModels();
});
element.addEventListener("pk-shown", () => {
  if (pageShown("models")) openModels();
});
