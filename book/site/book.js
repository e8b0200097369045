// What the pages do beyond being read: theme, copying code, the contents that follow, search on demand.
(function () {
  "use strict";
  const root = document.documentElement;
  const $$ = (selector) => [...document.querySelectorAll(selector)];
  const load = (name) =>
    new Promise((done, failed) => {
      const script = document.createElement("script");
      script.async = false; // one after the other
      script.src = document.body.dataset.root + "assets/" + name;
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    });
  // What a hash names; a hash that is no address of this book (#%) names nothing.
  function place(hash) {
    try {
      return document.getElementById(decodeURIComponent(hash.slice(1).split("?")[0]));
    } catch (error) {
      return null;
    }
  }

  // ---- Theme ----
  const system = matchMedia("(prefers-color-scheme: dark)");
  const themeButton = document.getElementById("theme-button");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  function nameTheme() {
    themeButton.querySelector(".name").textContent = isDark() ? "Light theme" : "Dark theme";
  }
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    root.dataset.theme = theme;
    try {
      // Back at what the system says: follow it again.
      if ((theme === "dark") === system.matches) {
        localStorage.removeItem("book-theme");
        delete root.dataset.theme;
      } else localStorage.setItem("book-theme", theme);
    } catch (error) {
      // No storage: the choice holds for this page.
    }
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();

  // ---- Boxes that scroll: in the tab order while there is something to scroll, faded where it goes on ----
  const boxes = $$("[tabindex='0'][role='group']");
  const goesOn = (box) => box.scrollLeft + box.clientWidth < box.scrollWidth - 1;
  function reachable() {
    const seen = boxes.filter((box) => box.clientWidth).map((box) => [box, box.scrollWidth > box.clientWidth + 1, goesOn(box)]);
    for (const [box, scrolls, on] of seen) {
      if (scrolls) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
      box.classList.toggle("wide", on);
    }
  }
  addEventListener("scroll", ({ target }) => boxes.includes(target) && target.classList.toggle("wide", goesOn(target)), true);
  addEventListener("toggle", reachable, true);

  addEventListener("load", () => new ResizeObserver(reachable).observe(document.body));

  // ---- Explorers stand further down: their script comes when a reader comes near ----
  const explorers = $$("gd-explorer");
  const near = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    near.disconnect();
    if (!customElements.get("gd-explorer")) load("gd-explorer.js");
  }, { rootMargin: "150% 0px" });
  for (const explorer of explorers) near.observe(explorer);

  // ---- Copy ----
  for (const code of $$("pre.code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    const box = document.createElement("div");
    box.className = "code-box";
    code.replaceWith(box);
    box.append(code, button);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch (error) {
        const range = document.createRange(); // no clipboard from a file: select, and let the browser copy
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1600);
    });
  }

  // ---- Run: Python in the page, whose script is fetched when it is first asked for ----
  if (document.body.dataset.python) {
    const live = () => import("./live/live.js");
    const served = location.protocol !== "file:";
    if (!served) document.querySelector(".page-tools").append("To run cells: make serve");
    for (const cell of served ? $$(".cell") : []) {
      const tools = document.createElement("p");
      tools.className = "run";
      for (const name of ["Run", "Edit"]) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = name;
        button.onclick = () => live().then((python) => python.press(cell, name));
        tools.append(button);
      }
      if (!cell.matches(".live")) {
        const away = (document.querySelector(".page-tools a[href*=colab]") ?? document.querySelector(".page-tools a")).cloneNode(true);
        away.append(": this cell needs PyTorch");
        tools.replaceChildren(away);
      }
      cell.querySelector(".code-box").after(tools);
    }
    try {
      if (localStorage.getItem("python:" + location.pathname)) live();
    } catch (error) {
      // No storage: nothing was kept.
    }
  }

  // ---- The contents follow the reader ----
  const links = $$("nav.contents a[href^='#']");
  const places = links.map((link) => place(link.hash));
  function follow() {
    let current = -1;
    places.forEach((place, i) => place && place.getBoundingClientRect().top < innerHeight * 0.3 && (current = i));
    if (scrollY > 0 && innerHeight + scrollY >= root.scrollHeight - 2) current = links.length - 1;
    links.forEach((link, i) => (i === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
  }
  let waiting = false;
  if (links.length) {
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => ((waiting = false), follow()));
    }, { passive: true });
    requestAnimationFrame(follow);
  }

  // ---- A link into something folded opens it ----
  function unfold() {
    for (let fold = place(location.hash)?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  }
  addEventListener("hashchange", unfold);
  unfold();
  let closed = [];
  addEventListener("beforeprint", () => $$("details:not([open])").forEach((fold) => ((fold.open = true), closed.push(fold))));
  addEventListener("afterprint", () => closed.splice(0).forEach((fold) => (fold.open = false)));

  // ---- Search: its code and its index are fetched when they are first asked for ----
  const searchButton = document.getElementById("search-button");
  searchButton.hidden = false;
  let loading;
  function search() {
    loading ??= Promise.all(["minisearch.min.js", "search-index.js", "search.js"].map(load));
    loading.then(() => window.bookSearch(document.body.dataset.root), () => (loading = undefined));
  }
  searchButton.addEventListener("click", search);
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]") || event.target.shadowRoot;
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) event.preventDefault(), search();
    else if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) event.preventDefault(), search();
    else if (event.key === "Escape" && location.hash === "#menu") location.hash = "#content";
  });
})();
