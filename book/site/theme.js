// Before the first paint: the reader's own choice of theme, if there is one. Without it the system decides.
(function () {
  document.documentElement.classList.add("js");
  try {
    var theme = localStorage.getItem("book-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage is closed to this page: follow the system.
  }
})();
