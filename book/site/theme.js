// Before the first paint: the reader's own choice of theme, if there is one (else the system decides), and the fonts.
(function () {
  document.documentElement.classList.add("js");
  try {
    var theme = localStorage.getItem("book-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage is closed to this page: follow the system.
  }
  // The fonts are fetched at once, and the text waits for them, 0.4 s at most, so that no line moves when they come.
  // (The code's font is as wide as what stands in for it.  Opacity is not inherited: to show the text costs one paint.)
  document.documentElement.classList.add("waiting");
  var fonts = document.currentScript.dataset.root + "assets/fonts/";
  function font(file, family, look) {
    var face = new FontFace(family, "url(" + fonts + file + ".woff2)", Object.assign({ display: "swap" }, look));
    document.fonts.add(face);
    return face.load();
  }
  var show = () => document.documentElement.classList.remove("waiting");
  Promise.all([
    font("serif-regular", "Book Serif"),
    font("serif-semibold", "Book Serif", { weight: "600 700" }),
    font("serif-italic", "Book Serif", { style: "italic" }),
    font("math", "Book Math"),
  ]).then(show, show);
  requestAnimationFrame(() => setTimeout(show, 400));
})();
