// Tell require.js where the vendored copies are. Loaded right after it, on pages with widgets.
(function () {
  "use strict";
  const here = document.currentScript.src.replace(/[^/]*$/, "") + "vendor/";
  window.requirejs.config({
    paths: {
      d3: here + "d3.min",
      jquery: here + "jquery.min",
      anywidget: here + "anywidget",
      "@jupyter-widgets/html-manager": here + "jw/embed-amd",
      "@jupyter-widgets/base": here + "jw/embed-amd",
      "@jupyter-widgets/controls": here + "jw/embed-amd",
    },
    shim: { d3: { exports: "d3" }, jquery: { exports: "jQuery" } },
  });
  // Scripts that serve both worlds (d3, jQuery, reveal.js) would see AMD here and register nowhere.
  delete window.define.amd;
})();
