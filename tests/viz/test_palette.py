"""The palette is legible, colour-blind safe, and written once."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tfedu.viz import palette

# Machado, Oliveira and Fernandes 2009, severity 1.0; they act on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour):
    channel = np.array(palette.rgb(colour)) / 255
    return np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def oklab(light):
    to_lms = [
        [0.41222147, 0.53633254, 0.05144599],
        [0.2119035, 0.68069955, 0.10739696],
        [0.08830246, 0.28171884, 0.6299787],
    ]
    to_lab = [
        [0.21045426, 0.79361779, -0.00407205],
        [1.9779985, -2.42859221, 0.45059371],
        [0.0259040, 0.78277177, -0.80867577],
    ]
    return 100 * np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(light, 0, 1))


def test_contrast_is_the_standards():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)


TEXTS = [*palette.ROLES.values(), palette.INK, palette.SOFT, *palette.SERIES]


@pytest.mark.parametrize("role", TEXTS, ids=lambda role: role.text)
def test_letters_reach_four_and_a_half_to_one(role):
    assert min(contrast(role.text, ground) for ground in palette.LIGHT_GROUNDS) >= 4.5
    assert min(contrast(role.dark, ground) for ground in palette.DARK_GROUNDS) >= (
        3 if role in palette.SERIES else 4.5
    )
    assert contrast(role.dark, palette.GROUND.dark) >= 4.5


@pytest.mark.parametrize("role", TEXTS, ids=lambda role: role.light)
def test_marks_reach_three_to_one(role):
    assert contrast(role.light, palette.GROUND.light) >= 3
    assert min(contrast(role.dark, ground) for ground in palette.DARK_GROUNDS) >= 3


@pytest.mark.parametrize("name", ["ink", "weights"])
def test_plotlys_fallback_reads_on_either_ground(name):
    colour = palette.MIDDLE[name]
    assert contrast(colour, palette.GROUND.light) >= 4
    assert contrast(colour, palette.GROUND.dark) >= 3


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(
    ("colours", "least"),
    [
        ([r.light for r in palette.ROLES.values()], 6.5),
        ([r.text for r in palette.ROLES.values()], 6.5),
        ([r.dark for r in palette.ROLES.values()], 9.5),
        ([r.light for r in palette.SERIES], 9),
        ([r.dark for r in palette.SERIES], 9),
    ],
    ids=["light", "text", "dark", "series-light", "series-dark"],
)
def test_colours_stay_apart_for_every_eye(colours, least, vision):
    # Oklab times 100: about 2 is just visible, blue against purple is the hardest pair and has a second cue.
    seen = [oklab(VISION[vision] @ linear(c)) for c in colours]
    gaps = {
        (a, b): np.linalg.norm(seen[i] - seen[j]) for (i, a), (j, b) in combinations(enumerate(colours), 2)
    }
    assert min(gaps.values()) >= least, min(gaps.items(), key=lambda item: item[1])


@pytest.mark.parametrize("dark", [False, True])
def test_ramp_starts_at_the_page_and_is_even(dark):
    shades = palette.ramp(11, dark=dark)
    assert shades[0] == (palette.GROUND.dark if dark else palette.GROUND.light)
    assert shades[-1] == (palette.WEIGHTS.dark if dark else palette.WEIGHTS.light)
    points = np.array([oklab(linear(c)) for c in shades])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    assert np.abs(along / along[-1] - np.linspace(0, 1, 11)).max() < 0.1
    lightness = np.diff(points[:, 0])
    assert (lightness > 0).all() if dark else (lightness < 0).all()


def test_every_role_has_its_own_second_cue():
    for cue in ("marker", "symbol", "dash", "hatch"):
        assert len({getattr(r, cue) for r in palette.ROLES.values()}) == len(palette.ROLES)
        assert len({getattr(r, cue) for r in palette.SERIES}) == len(palette.SERIES)


def test_series_are_not_roles_and_run_out_loudly():
    assert not {r.light for r in palette.SERIES} & {r.light for r in palette.ROLES.values()}
    with pytest.raises(ValueError, match="small multiples"):
        palette.series(5)


def test_one_light_colour_has_one_dark_partner():
    # The page swaps colours by value, so two variables that share a light colour must share the dark one.
    partner: dict[str, str] = {}
    for light, dark in palette.variables().values():
        assert partner.setdefault(light, dark) == dark


def test_committed_css_is_the_palettes():
    committed = Path(__file__).parents[2] / "book" / "site" / "palette.css"
    assert committed.read_text(encoding="utf-8") == palette.css(), (
        "run: python -m tfedu.viz.palette > book/site/palette.css"
    )


def test_css_names_both_themes_and_every_role():
    text = palette.css()
    for name in palette.ROLES:
        assert text.count(f"--tf-{name}:") == 3  # light, dark, print
        assert f"--tf-{name}-text:" in text
        assert f".tf-{name} {{" in text
