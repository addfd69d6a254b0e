"""Every figure is drawn from what it is given, says what is wrong with bad input, and follows the theme."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu import viz
from tfedu.viz import palette
from tfedu.viz.curves import _apart
from tfedu.viz.maps import matrix
from tfedu.viz.steps import _THICK, _ribbons

SOURCE = ["er", "ruft", "sie", "an", "."]
TARGET = ["he", "calls", "her", "."]
LINKS = {(0, 0), (1, 1), (3, 1), (2, 2), (4, 3)}
WEIGHTS = np.full((4, 5), 0.05) + np.eye(4, 5) * 0.75


def a_map(heads=1, name="decoder.attention", queries=TARGET, keys=SOURCE):
    weights = torch.softmax(torch.randn(1, heads, len(queries), len(keys)), -1)
    return SimpleNamespace(weights=weights, query_tokens=queries, key_tokens=keys, name=name)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_import_is_light():
    heavy = "{'matplotlib', 'plotly', 'bertviz', 'IPython', 'torch'} & set(sys.modules)"
    code = f"import sys, tfedu.viz; sys.exit(str({heavy}) if {heavy} else 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- maps -------------------------------------------------------------------------------------------


def test_a_map_brings_its_words_and_heads_are_averaged():
    one = a_map(heads=3)
    values, queries, keys = matrix(one)
    assert (queries, keys) == (TARGET, SOURCE)
    assert np.allclose(values, one.weights[0].mean(0).numpy())
    assert np.allclose(matrix(one, head=2)[0], one.weights[0, 2].numpy())


def test_gradients_and_half_precision_are_no_obstacle():
    weights = torch.softmax(torch.randn(4, 5, requires_grad=True), -1).bfloat16()
    assert matrix(weights)[0].shape == (4, 5)


@pytest.mark.parametrize("draw", [viz.heatmap, viz.plotly_heatmap, viz.plotly_steps])
def test_words_that_do_not_fit_are_counted(draw):
    with pytest.raises(ValueError, match=r"4 rows \(queries\) but 3 words"):
        draw(WEIGHTS, TARGET[:3], SOURCE)
    with pytest.raises(ValueError, match=r"5 columns \(keys\) but 6 words"):
        draw(WEIGHTS, TARGET, [*SOURCE, "x"])
    with pytest.raises(ValueError, match="shape"):
        draw(np.zeros(3))


# --- heat maps --------------------------------------------------------------------------------------


def test_heatmap_paints_each_weight_in_its_cell():
    ax = viz.heatmap(WEIGHTS, TARGET, SOURCE).axes[0]
    cells = {(round(p.get_y()), round(p.get_x())): p.get_alpha() for p in ax.patches}
    assert cells == {(t, s): pytest.approx(WEIGHTS[t, s]) for t in range(4) for s in range(5)}
    assert [label.get_text() for label in ax.get_xticklabels()] == SOURCE
    assert [label.get_text() for label in ax.get_yticklabels()] == TARGET
    assert ax.get_ylim() == (4, 0)  # the first query is on top


def test_gold_links_are_source_then_target():
    ax = viz.heatmap(WEIGHTS, TARGET, SOURCE, gold=LINKS).axes[0]
    outlines = {(int(p.get_x()), int(p.get_y())) for p in ax.patches if not p.get_fill()}
    assert outlines == LINKS
    shapes = viz.plotly_heatmap(WEIGHTS, TARGET, SOURCE, gold=LINKS).layout.shapes
    assert {(round(s.x0 + 0.45), round(s.y0 + 0.45)) for s in shapes} == LINKS


@pytest.mark.parametrize("draw", [viz.heatmap, viz.plotly_heatmap])
def test_gold_outside_the_map_is_refused(draw):
    with pytest.raises(ValueError, match="source 4, target 4"):
        draw(WEIGHTS, TARGET, SOURCE, gold={(4, 4)})


def test_heatmap_draws_where_it_is_told():
    fig, (left, _) = plt.subplots(1, 2)
    assert viz.heatmap(WEIGHTS, TARGET, SOURCE, title="Here", ax=left) is fig
    assert left.get_title(loc="left") == "Here"


def test_plotly_cells_name_their_words():
    fig = viz.plotly_heatmap(WEIGHTS, TARGET, SOURCE)
    assert fig.data[0].text[1][1] == "“calls” ← “ruft” 0.80"
    assert fig.layout.width is None  # the column decides


# --- step by step -----------------------------------------------------------------------------------


@given(st.lists(st.floats(0.04, 1), min_size=1, max_size=12), st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_ribbons_fill_the_word_they_make(raw, target):
    row = np.array(raw) / sum(raw)
    xs, ys = _ribbons(row, target)
    arriving = sorted(y for x, y in zip(xs, ys, strict=True) if x == 1)
    pairs = np.array(arriving).reshape(-1, 2)
    drawn = row[row >= 0.03]
    assert pairs.shape[0] == len(drawn)
    assert (pairs[:, 1] - pairs[:, 0]).sum() == pytest.approx(_THICK * drawn.sum(), abs=0.02)
    assert arriving[0] >= target - _THICK / 2 - 1e-3
    assert arriving[-1] <= target + _THICK / 2 + 1e-3


def test_steps_write_one_word_a_frame():
    fig = viz.plotly_steps(WEIGHTS, TARGET, SOURCE, start=1)
    assert [frame.name for frame in fig.frames] == ["0", "1", "2", "3"]
    for t, frame in enumerate(fig.frames):
        assert [trace.opacity for trace in frame.data[:4]] == [0.13] * t + [0.95] + [0.0] * (3 - t)
        assert frame.data[5].text[-1] == f"<b>{TARGET[t]}</b>"
        assert len(frame.data[5].text) == t + 1
    assert "<b>.80</b>" in fig.frames[1].data[4].text[1]
    assert [step.label for step in fig.layout.sliders[0].steps] == [f"“{word}”" for word in TARGET]
    assert fig.layout.sliders[0].active == 1
    assert [trace.opacity for trace in fig.data[:4]] == [0.13, 0.95, 0.0, 0.0]


def test_steps_refuse_nothing_and_a_word_that_is_not():
    with pytest.raises(ValueError, match="nothing to draw"):
        viz.plotly_steps(np.zeros((0, 5)))
    with pytest.raises(ValueError, match="numbered 0 to 3"):
        viz.plotly_steps(WEIGHTS, start=4)


def test_words_are_shown_as_written_not_as_markup():
    fig = viz.plotly_steps(WEIGHTS, ["<b>", "calls", "her", "."], ["er", "a<b", "&", "an", "."])
    texts = [text for trace in fig.frames[0].data[4:] for text in trace.text]
    assert any("&lt;b&gt;" in text for text in texts)
    assert any("a&lt;b" in text for text in texts)
    assert any("&amp;" in text for text in texts)


# --- curves and bars --------------------------------------------------------------------------------


def test_curve_is_the_mean_and_every_seed_is_there():
    runs = np.array([[90.0, 80.0, 40.0], [94.0, 70.0, 50.0]])
    ax = viz.length_curves([5, 15, 30], {"additive": runs, "none": [20, 10, 5]}, trained=(4, 25)).axes[0]
    drawn = [tuple(line.get_ydata()) for line in ax.lines]
    assert {tuple(runs.mean(0)), *map(tuple, runs), (20, 10, 5)} == set(drawn)
    assert {"additive", "none"} <= {text.get_text() for text in ax.texts}


def test_places_that_double_stand_evenly_on_a_logarithmic_axis():
    fig = viz.length_curves([250, 1000, 4000], {"one": [0.1, 0.5, 0.9]}, log_lengths=True)
    assert fig.axes[0].get_xscale() == "log"
    assert [label.get_text() for label in fig.axes[0].get_xticklabels()] == ["250", "1,000", "4,000"]


def test_plotly_curve_is_the_mean_inside_its_band():
    runs = np.array([[90.0, 80.0], [94.0, 70.0]])
    fig = viz.plotly_length_curves([5, 15], {"additive": runs})
    assert list(fig.data[0].y) == [94, 80, 70, 90]
    assert list(fig.data[1].y) == [92, 75]


def test_bars_are_means_with_their_seeds():
    runs = np.array([[10.0, 20.0], [14.0, 30.0]])
    ax = viz.bars(["plain", "reversed"], {"LSTM": runs}).axes[0]
    assert [patch.get_width() for patch in ax.patches] == [12, 25]
    assert sorted(float(x) for line in ax.lines for x in line.get_xdata()) == [10, 14, 20, 30]


@pytest.mark.parametrize("draw", [viz.length_curves, viz.plotly_length_curves, viz.bars])
def test_a_curve_of_the_wrong_length_is_named(draw):
    with pytest.raises(ValueError, match="'additive' has shape"):
        draw([1, 2, 3], {"additive": [1, 2]})
    with pytest.raises(ValueError, match="small multiples"):
        draw([1], {str(i): [1] for i in range(6)})


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_labels_keep_their_distance_and_order(places):
    out = _apart(places, 6, 0, 100)
    ranked = [out[i] for i in np.argsort(places)]
    assert all(b - a >= 6 - 1e-9 for a, b in pairwise(ranked))
    assert max(out) <= 100 + 1e-9


# --- diagrams ---------------------------------------------------------------------------------------


def test_diagrams_say_their_words_and_weights():
    texts = {text.get_text() for text in viz.attention_diagram().axes[0].texts}
    assert {"er", "ruft", "sie", "an", ".52", ".37", "q", "c"} <= texts
    texts = {text.get_text() for text in viz.bottleneck_diagram().axes[0].texts}
    assert {"er", "calls", "one vector"} <= texts
    with pytest.raises(ValueError, match="sum to one"):
        viz.attention_diagram(weights=(0.5, 0.5, 0.5, 0.5, 0.5))


# --- show -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alt", ["", "   ", None])
def test_a_figure_without_alt_text_is_refused(alt):
    with pytest.raises(ValueError, match="alt text"):
        viz.show(viz.heatmap(WEIGHTS), alt)


def test_only_figures_are_shown():
    with pytest.raises(TypeError, match="not int"):
        viz.show(3, "three")


FIGURES = {
    "heatmap": lambda: viz.heatmap(WEIGHTS, TARGET, SOURCE, gold=LINKS, title="A <finding> & more"),
    "curves": lambda: viz.length_curves([5, 15], {"a": [[1, 2], [2, 3]], "b": [3, 4]}, trained=(4, 10)),
    "bars": lambda: viz.bars(["x", "y"], {"a": [[1, 2], [2, 3]], "b": [3, 4]}, title="T"),
    "bottleneck": viz.bottleneck_diagram,
    "attention": viz.attention_diagram,
}


@pytest.mark.parametrize("name", FIGURES)
def test_svg_is_whole_named_and_themed(name, caplog, recwarn):
    page = viz.svg(FIGURES[name](), 'what "it" shows <here>')
    tree = ElementTree.fromstring(page)
    picture = tree.find("{http://www.w3.org/2000/svg}svg")
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == 'what "it" shows <here>'
    known = {light.lower() for light, _ in palette.variables().values()}
    naked = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", page))
    assert not naked & known, "a palette colour that does not follow the theme"
    assert "var(--tf-" in page
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) == set(ids)
    assert not caplog.records, "matplotlib complained, which a strict book build takes as an error"
    assert not recwarn.list


def test_two_figures_share_no_names_and_one_figure_is_reproducible():
    first, again = (viz.svg(FIGURES["heatmap"](), "a") for _ in range(2))
    other = viz.svg(FIGURES["curves"](), "a")
    assert first == again
    assert not set(re.findall(r'id="([^"]+)"', first)) & set(re.findall(r'id="([^"]+)"', other))


def test_show_displays_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr(sys.modules["tfedu.viz.show"], "_in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    viz.show(FIGURES["heatmap"](), "the map")
    assert shown[0]["text/html"].startswith("<figure")
    assert shown[0]["text/plain"] == "Figure: the map"
    assert not plt.get_fignums()


def test_plotly_carries_its_description():
    fig = viz.plotly_heatmap(WEIGHTS)
    fig.update_layout(meta={"kept": 1})
    viz.show(fig, "the  map\n to touch")
    assert json.loads(fig.to_json())["layout"]["meta"] == {"kept": 1, "alt": "the map to touch"}


def test_use_sets_both_libraries():
    import plotly.io as pio

    before, renderer = pio.templates.default, pio.renderers.default
    try:
        with mpl.rc_context():
            viz.use()
            assert mpl.rcParams["svg.fonttype"] == "path"
            assert mpl.rcParams["axes.titlelocation"] == "left"
        assert pio.templates.default == "tfedu"
        assert pio.renderers.default == "plotly_mimetype"
    finally:
        pio.templates.default, pio.renderers.default = before, renderer


# --- BertViz ----------------------------------------------------------------------------------------


def test_head_view_has_its_words_names_and_frame():
    page = viz.head_view(a_map(), "lines from words written to words read").data
    assert 'aria-label="lines from words written to words read"' in page
    assert re.findall(r"<select(?![^>]*aria-label)", page) == []
    parameters = json.loads(re.search(r"const params = (\{.*\});", page)[1])
    drawn = parameters["attention"][0]
    assert drawn["left_text"] == TARGET
    assert drawn["right_text"] == SOURCE
    assert np.shape(drawn["attn"]) == (1, 1, 4, 5)
    assert "schemeCategory10" not in page


def test_views_sort_maps_into_encoder_decoder_and_cross():
    maps = {
        "e": a_map(2, "encoder.0", SOURCE, SOURCE),
        "d": a_map(2, "decoder.0", TARGET, TARGET),
        "c": a_map(2, "decoder.0.cross", TARGET, SOURCE),
    }
    page = viz.model_view(maps).data
    parameters = json.loads(re.search(r"const params = (\{.*\});", page)[1])
    assert {d["name"]: np.shape(d["attn"]) for d in parameters["attention"]} == {
        "Encoder": (1, 2, 5, 5),
        "Decoder": (1, 2, 4, 4),
        "Cross": (1, 2, 4, 5),
    }


def test_self_attention_alone_needs_no_drawer():
    page = viz.head_view(a_map(2, "encoder.0", SOURCE, SOURCE)).data
    assert 'id="filter"' not in page


def test_bertviz_refuses_maps_that_do_not_go_together():
    with pytest.raises(ValueError, match="no map"):
        viz.head_view([])
    one = a_map()
    one.query_tokens = TARGET[:2]
    with pytest.raises(ValueError, match="cut the padding"):
        viz.head_view(one)
    with pytest.raises(ValueError, match="draw it alone"):
        viz.head_view([a_map(1), a_map(2)])
    with pytest.raises(ValueError, match="equal depth"):
        viz.head_view([a_map(), a_map(), a_map(1, "encoder", SOURCE, SOURCE)])


def test_the_site_can_find_bertvizs_addresses():
    # The book's build swaps these for local copies by pattern: exactly three, as BertViz writes them.
    page = viz.head_view(a_map()).data
    assert len(re.findall(r"https://cdnjs\.cloudflare\.com/ajax/libs/(?:require\.js|d3|jquery)/", page)) == 3
    assert page.count('<script src="https://cdnjs') == 1


def test_a_word_cannot_end_the_script():
    page = viz.head_view(a_map(queries=["</script>", *TARGET[1:]])).data
    assert page.count("</script>") == 2  # require.js's and our own


def test_growth_fits_the_exponent_and_leaves_zeros_out() -> None:
    sizes = [16, 32, 64, 128]
    assert viz.slope(sizes, [3 * n**1.5 for n in sizes]) == pytest.approx(1.5)
    assert viz.slope([1, 2, 4, 8], [7, 9, 16, 64], last=3) == pytest.approx(
        np.polyfit(np.log([2, 4, 8]), np.log([9, 16, 64]), 1)[0]
    )
    figure = viz.growth(sizes, {"a": [[1, 2, 4, 8], [1, 2, 5, 8]], "gone": [1, 1, 0, 0]}, slopes=None)
    ends = [line.get_xdata()[-1] for line in figure.axes[0].lines if line.get_marker() not in ("None", None)]
    assert ends == [128, 32]
    plt.close(figure)


def test_similarity_is_as_dark_as_it_is_alike() -> None:
    figure = viz.similarity({"one": np.array([[1.0, -1.0], [0.5, 1.0]])}, title="Alike")
    (picture,) = figure.axes[0].images
    assert picture.get_array()[..., 3].tolist() == [[1.0, 0.0], [0.5, 1.0]]
    plt.close(figure)


def test_the_way_from_the_first_word_is_drawn_for_each_layer() -> None:
    figure = viz.layers_diagram()
    strong = [line for line in figure.axes[0].lines if line.get_linewidth() > 2.3]
    assert (
        len(strong) == 1 + 3 + 1
    )  # into the recurrence (whose steps are arrows), through three layers, one look
    plt.close(figure)
