// The pages of this one document. The address's fragment says which is shown ("#compare"), so links and the Back
// button work, and nothing is loaded anew: the visitor's photo stays where it is.

/** The name in "#compare?models=a,b", or null when the fragment names no page of ours. */
function pageNamed(fragment) {
  const name = fragment.replace(/^#/, "").split("?")[0];
  return all("section[data-page]").some((node) => node.dataset.page === name) ? name : null;
}

/** Show one page and tell the others' scripts: event "pk-page" with its name. */
function showPage(name) {
  element.dataset.shown = name;
  document.title = capital(name) + " · PoseKit";
  all("[data-page]").forEach((node) => (node.hidden = node.dataset.page !== name));
  all("[data-page-link]").forEach((node) => {
    if (node.dataset.pageLink === name) node.setAttribute("aria-current", "page");
    else node.removeAttribute("aria-current");
  });
  element.dispatchEvent(new CustomEvent("pk-page", { detail: name }));
}

function pageShown(name) {
  return element.dataset.shown === name;
}

/** Go to a page as a click on its link would, keeping the way back. */
function goTo(name) {
  if (pageNamed(location.hash) === name) showPage(name);
  else location.hash = name;
}

window.addEventListener("hashchange", () => {
  const name = pageNamed(location.hash) || (location.hash ? null : "explore");
  if (element.isConnected && name && !pageShown(name)) {
    showPage(name);
    window.scrollTo(0, 0);
  }
});
