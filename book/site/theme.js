// Before the first paint: the reader's own choice of theme, if there is one. Without it the system decides.
(function () {
  document.documentElement.classList.add("js");
  try {
    var theme = localStorage.getItem("book-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage is closed to this page: follow the system.
  }
  // Over HTTP the text's fonts are fetched at once, so that no line moves when they come; a file may not.
  if (location.protocol === "file:") return;
  for (var name of ["regular", "semibold"]) {
    var link = document.createElement("link");
    Object.assign(link, { rel: "preload", as: "font", type: "font/woff2", crossOrigin: "anonymous" });
    link.href = document.currentScript.src.replace("theme.js", "fonts/serif-" + name + ".woff2");
    document.head.append(link);
  }
})();
