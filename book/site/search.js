// The search dialog. The index is a plain script (bookIndex), so that it works from a file too.
(function () {
  "use strict";
  const LIMIT = 12;
  let dialog, input, list, status, root, hits = [], chosen = -1;

  const engine = new MiniSearch({
    fields: ["t", "p", "x"],
    searchOptions: { boost: { t: 4, p: 1.5 }, prefix: (term) => term.length > 1, fuzzy: (term) => (term.length > 3 ? 0.25 : 0), combineWith: "AND" },
  });
  engine.addAll(window.bookIndex.map((section, id) => ({ id, ...section })));

  const element = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    node.append(...children);
    return node;
  };

  // The words found, marked.
  function marked(text, terms) {
    if (!terms.length) return [text];
    const words = [...terms].sort((a, b) => b.length - a.length).map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return text.split(new RegExp(`(${words.join("|")})`, "gi")).map((piece, i) => (i % 2 ? element("mark", {}, piece) : piece));
  }

  function excerpt(text, terms) {
    const lower = text.toLowerCase();
    const at = Math.max(0, Math.min(...terms.map((term) => lower.indexOf(term)).filter((i) => i >= 0), lower.length) % (lower.length || 1));
    const from = at > 60 ? text.indexOf(" ", at - 60) + 1 : 0;
    return (from ? "… " : "") + text.slice(from, from + 170) + (from + 170 < text.length ? " …" : "");
  }

  function choose(i) {
    chosen = i;
    [...list.children].forEach((option, k) => option.setAttribute("aria-selected", String(k === i)));
    if (i < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `hit-${i}`);
    list.children[i].scrollIntoView({ block: "nearest" });
  }

  function find() {
    const query = input.value.trim();
    const exact = (hit) => window.bookIndex[hit.id].t.toLowerCase() === query.toLowerCase();
    const found = query ? engine.search(query) : [];
    hits = [...found.filter(exact), ...found.filter((hit) => !exact(hit))].slice(0, LIMIT);
    list.replaceChildren(
      ...hits.map((hit, i) => {
        const { t, x, p, u } = window.bookIndex[hit.id];
        const option = element("li", { role: "option", id: `hit-${i}`, "aria-selected": "false", "data-address": u },
          element("span", { class: "where" }, ...marked(t, hit.terms)),
          ...(p ? [element("span", { class: "page" }, p)] : []),
          element("span", { class: "excerpt" }, ...marked(excerpt(x, hit.terms), hit.terms)));
        option.addEventListener("click", () => go(i));
        option.addEventListener("pointermove", () => chosen !== i && choose(i));
        return option;
      }),
    );
    input.setAttribute("aria-expanded", String(hits.length > 0));
    list.hidden = !hits.length;
    status.textContent = query ? (hits.length ? `${hits.length} section${hits.length > 1 ? "s" : ""}` : `Nothing found for “${query}”`) : "";
    choose(hits.length ? 0 : -1);
  }

  function go(i) {
    dialog.close();
    location.href = root + window.bookIndex[hits[i].id].u;
  }

  function build() {
    input = element("input", { type: "text", enterkeyhint: "go", role: "combobox", "aria-label": "Search the book", "aria-expanded": "false", "aria-controls": "hits",
      "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", placeholder: "Search the book" });
    list = element("ul", { id: "hits", role: "listbox", "aria-label": "Sections found" });
    status = element("p", { role: "status" });
    const close = element("button", { type: "button" }, "Close");
    dialog = element("dialog", { class: "search", "aria-label": "Search" }, element("div", { class: "field" }, input, close), status, list,
      element("p", { class: "keys" }, element("kbd", {}, "↑"), " ", element("kbd", {}, "↓"), " choose, ", element("kbd", {}, "Enter"), " opens, ", element("kbd", {}, "Esc"), " closes"));
    list.hidden = true;
    document.body.append(dialog);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    input.addEventListener("input", find);
    input.addEventListener("keydown", (event) => {
      const last = hits.length - 1;
      const to = { ArrowDown: chosen < last ? chosen + 1 : 0, ArrowUp: chosen > 0 ? chosen - 1 : last }[event.key];
      if (to !== undefined && hits.length) event.preventDefault(), choose(to);
      else if (event.key === "Enter" && chosen >= 0) event.preventDefault(), go(chosen);
    });
  }

  window.bookSearch = (place) => {
    root = place;
    if (!dialog) build();
    if (!dialog.open) dialog.showModal();
    input.select();
    input.focus();
  };
})();
