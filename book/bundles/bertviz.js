// BertViz asks a page for require.js, jQuery and all of d3. It uses little of each, and this is that little.
import min from "d3-array/src/min.js";
import { hsl } from "d3-color";
import scaleOrdinal from "d3-scale/src/ordinal.js";
import schemeCategory10 from "d3-scale-chromatic/src/categorical/category10.js";
import { select, selectAll } from "d3-selection";
import jquery from "cash-dom";

// Of jQuery's short names for events, BertViz uses this one.
jquery.fn.change = function (act) {
  return act ? this.on("change", act) : this.trigger("change");
};

if (!window.requirejs) {
  const modules = { jquery, d3: { version: "5.16.0", min, hsl, scaleOrdinal, schemeCategory10, select, selectAll } };
  const load = (names, use) => use(...names.map((name) => modules[name]));
  load.config = () => {};
  window.requirejs = window.require = load;
}
