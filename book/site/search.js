// The search dialog. The index is a plain script (bookIndex), so that it works from a file too.
(function () {
  "use strict";
  const LIMIT = 12, index = window.bookIndex;
  let root;

  const engine = new MiniSearch({
    fields: ["t", "p", "x"],
    searchOptions: { boost: { t: 4, p: 1.5 }, prefix: (term) => term.length > 1, fuzzy: (term) => (term.length > 3 ? 0.25 : 0), combineWith: "AND" },
  });
  engine.addAll(index.map((section, id) => ({ id, ...section })));

  const dialog = document.createElement("dialog");
  dialog.className = "search";
  dialog.ariaLabel = "Search";
  dialog.innerHTML = `<div class="field"><input type="text" aria-label="Search the book" placeholder="Search the book" enterkeyhint="go" autocomplete="off" spellcheck="false"><button type="button">Close</button></div>
<p role="status"></p><ul aria-label="Sections found" hidden></ul>
<p class="keys"><kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Enter</kbd> opens, <kbd>Esc</kbd> closes</p>`;
  const [input, close, status, list] = ["input", "button", "p", "ul"].map((name) => dialog.querySelector(name));

  function element(tag, className, ...children) {
    const node = Object.assign(document.createElement(tag), { className });
    node.append(...children);
    return node;
  }

  // The words found, marked.
  function marked(text, terms) {
    if (!terms.length) return [text];
    const words = [...terms].sort((a, b) => b.length - a.length).map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return text.split(new RegExp(`(${words.join("|")})`, "gi")).map((piece, i) => (i % 2 ? element("mark", "", piece) : piece));
  }

  function excerpt(text, terms) {
    const lower = text.toLowerCase();
    const at = Math.max(0, Math.min(...terms.map((term) => lower.indexOf(term)).filter((i) => i >= 0), lower.length) % (lower.length || 1));
    const from = at > 60 ? text.indexOf(" ", at - 60) + 1 : 0;
    return (from ? "… " : "") + text.slice(from, from + 170) + (from + 170 < text.length ? " …" : "");
  }

  function shown({ id, terms }) {
    const { t, x, p, u } = index[id];
    const link = element("a", "", element("span", "where", ...marked(t, terms)));
    if (p) link.append(element("span", "page", p));
    link.append(element("span", "excerpt", ...marked(excerpt(x, terms), terms)));
    link.href = root + u;
    return element("li", "", link);
  }

  input.addEventListener("input", () => {
    const query = input.value.trim();
    const exact = (hit) => index[hit.id].t.toLowerCase() === query.toLowerCase();
    const hits = (query ? engine.search(query) : []).sort((a, b) => exact(b) - exact(a)).slice(0, LIMIT);
    list.replaceChildren(...hits.map(shown));
    list.hidden = !hits.length;
    status.textContent = query ? (hits.length ? `${hits.length} section${hits.length > 1 ? "s" : ""}` : `Nothing found for “${query}”`) : "";
  });
  dialog.addEventListener("click", ({ target }) => (target === dialog || target === close || target.closest("a")) && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const stops = [input, ...list.querySelectorAll("a")], by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) event.preventDefault(), stops.at((stops.indexOf(document.activeElement) + by) % stops.length).focus();
    else if (event.key === "Enter" && event.target === input) stops[1]?.click();
    else if (event.key.length === 1 && event.target.matches("a")) input.focus(); // what is typed goes on
  });
  document.body.append(dialog);

  window.bookSearch = (place) => {
    root = place;
    if (!dialog.open) dialog.showModal();
    input.select();
    input.focus();
  };
})();
