// Before the first paint: the reader's own choice of theme, if there is one (else the system decides), and the fonts.
(function () {
  document.documentElement.classList.add("js");
  try {
    var theme = localStorage.getItem("book-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage is closed to this page: follow the system.
  }
  // Over HTTP the fonts that every page has are fetched at once; a file may not.
  if (location.protocol !== "file:")
    for (var name of ["regular", "semibold"]) {
      var link = document.createElement("link");
      Object.assign(link, { rel: "preload", as: "font", type: "font/woff2", crossOrigin: "anonymous" });
      link.href = document.currentScript.src.replace("theme.js", "fonts/serif-" + name + ".woff2");
      document.head.append(link);
    }
  // The text waits for its fonts, 0.4 s at most, so that no line moves when they come. The code's font is as wide as
  // what stands in for it.
  document.documentElement.classList.add("waiting");
  var show = () => document.documentElement.classList.remove("waiting");
  requestAnimationFrame(() => {
    var fonts = ["1em Book Serif", "600 1em Book Serif", "italic 1em Book Serif"];
    if (document.querySelector("math")) fonts.push("1em Book Math");
    Promise.all(fonts.map((font) => document.fonts.load(font))).then(show, show);
    setTimeout(show, 400);
  });
})();
