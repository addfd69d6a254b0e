// Start a deck: reveal.js, the theme key, figures that were hidden drawn to size, formulas on every slide.
(function () {
  "use strict";
  const root = document.documentElement;

  function changeTheme() {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
      localStorage.setItem("mode", root.dataset.theme);
    } catch (error) {
      // a page opened from a file may have no storage
    }
  }

  document.getElementById("tf-theme").addEventListener("click", changeTheme);

  window.Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0.03,
    center: false,
    hash: true,
    slideNumber: "c/t",
    transition: "none",
    backgroundTransition: "none",
    pdfSeparateFragments: false,
    keyboard: { 84: changeTheme }, // t
    plugins: [window.RevealNotes],
  }).then(function () {
    const settle = (slide) => window.tfedu && window.tfedu.refresh(slide);
    settle(window.Reveal.getCurrentSlide());
    window.Reveal.on("slidechanged", (event) => settle(event.currentSlide));
    document.body.dataset.ready = "true";
  });
})();
