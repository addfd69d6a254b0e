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

  // A lab is as tall as what is typed in it. It takes the room that its slide has, above the deck's footer; a very
  // long one scrolls.
  const FOOTER = 40, LEAST = 0.4, MOST = 1.25;
  function fit(lab) {
    const slide = lab.closest(".tf-slide");
    const [outer, inner] = [slide.getBoundingClientRect(), lab.getBoundingClientRect()];
    if (!inner.height) return; // not on screen
    const scale = outer.height / slide.offsetHeight;
    const zoom = Number(lab.style.zoom) || 1;
    const room = slide.clientHeight - FOOTER - (inner.top - outer.top) / scale - slide.scrollTop;
    const wanted = Math.min(MOST, Math.max(LEAST, (room * scale * zoom) / inner.height));
    if (Math.abs(wanted - zoom) > 0.01) lab.style.zoom = wanted.toFixed(2);
  }
  const sizes = new ResizeObserver((seen) => seen.forEach((one) => fit(one.target)));
  document.querySelectorAll("tf-lab").forEach((lab) => sizes.observe(lab));

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
