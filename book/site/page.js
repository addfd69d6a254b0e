// The page's own script: Plotly figures, the landing page's sentence, small mends of the theme. No library.

(function () {
  "use strict";
  const here = document.currentScript.src.replace(/[^/]*$/, "");
  const root = document.documentElement;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  // --- Plotly: loaded once, when the first figure is near -----------------------------------------------------

  let plotly = null;

  function loadPlotly() {
    plotly =
      plotly ||
      new Promise(function (resolve, reject) {
        const script = document.createElement("script");
        script.src = here + "vendor/plotly.min.js";
        script.onload = () => resolve(window.Plotly);
        script.onerror = () => reject(new Error("plotly.min.js did not load"));
        document.head.append(script);
      });
    return plotly;
  }

  // The figure's layout for this column. palette.css recolours the book's own colours in either theme; a
  // figure made without the book's template gets the page's inks here.
  function themed(original) {
    const layout = structuredClone(original || {});
    const style = getComputedStyle(root);
    const ink = style.getPropertyValue("--tf-ink").trim();
    const line = style.getPropertyValue("--tf-line").trim();
    delete layout.width; // the column decides
    layout.autosize = true;
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    const template = (layout.template = layout.template || {});
    const base = (template.layout = template.layout || {});
    const chosen = (layout.font && layout.font.color) || (base.font && base.font.color);
    if (!chosen || chosen === "#2a3f5f") {
      layout.font = Object.assign({ family: '"Source Sans 3 Variable", sans-serif', size: 14 }, layout.font, { color: ink });
      for (const axis of ["xaxis", "yaxis"]) {
        base[axis] = Object.assign({}, base[axis], { gridcolor: line, zerolinecolor: line, linecolor: line });
      }
      for (const box of [...(layout.sliders || []), ...(layout.updatemenus || [])]) {
        Object.assign(box, { bordercolor: line, bgcolor: style.getPropertyValue("--tf-panel").trim() });
      }
    }
    return layout;
  }

  function draw(box) {
    const figure = box.figure;
    const config = Object.assign({ responsive: true, displaylogo: false, displayModeBar: false }, figure.config);
    return window.Plotly.react(box.plot, structuredClone(figure.data || []), themed(figure.layout), config);
  }

  async function drawFirst(box) {
    await loadPlotly();
    if (box.figure) return;
    box.figure = JSON.parse(box.querySelector("script").textContent);
    box.plot = document.createElement("div");
    box.append(box.plot);
    await draw(box);
    if (box.figure.frames) await window.Plotly.addFrames(box.plot, structuredClone(box.figure.frames));
    box.dataset.drawn = "true";
  }

  // A figure is drawn when the reader is within two screens of it, and all of them for paper.
  function startPlotly() {
    const boxes = [...document.querySelectorAll(".tf-plotly")];
    if (!boxes.length) return;
    const near = new IntersectionObserver(
      function (seen) {
        for (const { target } of seen.filter((one) => one.isIntersecting)) {
          near.unobserve(target);
          drawFirst(target);
        }
      },
      { rootMargin: "200% 0%" },
    );
    for (const box of boxes) near.observe(box);
    if (/print-pdf/.test(location.search)) boxes.forEach(drawFirst);
    window.addEventListener("beforeprint", () => boxes.forEach(drawFirst));
    onTheme(() => boxes.filter((box) => box.dataset.drawn).forEach(draw));
  }

  function onTheme(act) {
    new MutationObserver(act).observe(root, { attributes: true, attributeFilter: ["data-theme", "data-mode"] });
  }

  // Slides call this when a figure that was hidden comes into sight.
  function refresh(within) {
    if (!window.Plotly) return;
    for (const box of within.querySelectorAll('.tf-plotly[data-drawn="true"]')) window.Plotly.Plots.resize(box.plot);
  }

  // --- the sentence on the landing page ----------------------------------------------------------------

  function startHero(figure) {
    const lines = [...figure.querySelectorAll("path")];
    const source = [...figure.querySelectorAll("text[data-s]")];
    const target = [...figure.querySelectorAll("text[data-t]")];
    const button = figure.querySelector(".tf-hero-play");
    const count = figure.querySelectorAll(".tf-hero-wide text[data-t]").length; // each word is drawn twice
    let step = -1;
    let timer = null;

    // Show the lines of one target word, and the words written so far (all of them while a hand points).
    function show(t, upTo) {
      const strength = {};
      for (const line of lines) {
        const on = Number(line.dataset.t) === t;
        line.classList.toggle("on", on);
        line.classList.toggle("off", t !== null && !on);
        if (on) strength[line.dataset.s] = Number(line.dataset.w);
      }
      for (const word of source) word.style.setProperty("--w", t === null ? 0 : strength[word.dataset.s] || 0);
      for (const word of target) {
        word.classList.toggle("on", Number(word.dataset.t) === t);
        word.classList.toggle("unwritten", Number(word.dataset.t) > upTo);
      }
    }

    function tick() {
      step = (step + 1) % (count + 2); // two beats of the whole sentence at the end
      if (step < count) show(step, step);
      else show(null, count);
    }

    function play(on) {
      clearInterval(timer);
      timer = on ? setInterval(tick, 1200) : null;
      button.textContent = on ? "Pause" : "Play";
      figure.classList.toggle("playing", on);
      if (on) tick();
      else show(null, count);
    }

    button.hidden = false;
    button.addEventListener("click", () => play(timer === null));
    for (const word of target) {
      word.addEventListener("pointerenter", () => {
        if (timer !== null) play(false);
        show(Number(word.dataset.t), count);
      });
      word.addEventListener("pointerleave", () => show(null, count));
    }
    play(!calm.matches);
  }

  // --- mends of the theme ------------------------------------------------------------------------------

  function mend() {
    // A control's name must hold the words seen on it; the theme's and BertViz's do not always.
    for (const button of document.querySelectorAll("button[aria-label]")) {
      const seen = button.innerText.trim().replace(/\s+/g, " ");
      const name = button.dataset.name || (button.dataset.name = button.getAttribute("aria-label"));
      if (seen) button.setAttribute("aria-label", seen.includes(name) ? seen : name + ": " + seen);
    }
    for (const button of document.querySelectorAll(".theme-switch-button")) {
      for (const icon of button.querySelectorAll("svg, i")) {
        icon.setAttribute("aria-hidden", "true");
        icon.removeAttribute("title");
        for (const title of icon.querySelectorAll("title")) title.remove();
      }
      button.setAttribute("aria-label", "Color mode: " + (root.dataset.mode || "auto"));
    }
    for (const select of document.querySelectorAll("[id^=bertviz] select:not([aria-label])")) {
      select.setAttribute("aria-label", select.id || "choice");
    }
    for (const handle of document.querySelectorAll("[role=slider]:not([aria-label])")) {
      const label = (handle.closest(".widget-inline-hbox, .widget-inline-vbox") || handle).querySelector(".widget-label");
      handle.setAttribute("aria-label", (label && label.textContent.trim()) || "slider");
    }
    // What is wider than the column scrolls by itself, so the keyboard must reach it.
    for (const box of document.querySelectorAll("div.highlight pre, .tf-scroll, .katex-display, .pst-scrollable-table-container")) {
      if (box.scrollWidth > box.clientWidth + 1 && !box.hasAttribute("tabindex")) box.tabIndex = 0;
    }
  }

  // Nothing waits for this script: it runs when the page is parsed.
  function start() {
    document.querySelectorAll(".tf-hero").forEach(startHero);
    mend();
    onTheme(mend);
    window.addEventListener("load", mend); // the theme's icons have been swapped by then
    // Widgets are drawn later, by their own manager.
    if (document.querySelector('script[type*="widget-view"]')) {
      new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
    }
    startPlotly();
  }

  window.tfedu = { refresh: refresh };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
