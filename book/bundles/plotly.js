// What the book draws with Plotly: lines and points, bars, heat maps. Another kind of trace needs a line here;
// tfedu/site/plotly.py holds the same list and says so when a figure uses a kind that is not in it.
const Plotly = require("plotly.js/lib/core"); // has scatter

Plotly.register([require("plotly.js/lib/bar"), require("plotly.js/lib/heatmap")]);
module.exports = Plotly;
