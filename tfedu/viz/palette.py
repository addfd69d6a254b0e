"""One palette for matplotlib, Plotly, CSS and the labs.

Queries, keys, values and weights keep one colour each through the whole book. Colour is never the only cue:
each role also has a marker, a dash and a hatch. The role and series colours start from Okabe and Ito's set
("Color universal design", 2008); the purple of the weights and all dark variants were chosen so that every
pair stays apart under protanopia, deuteranopia and tritanopia. `tests/viz/test_palette.py` computes the
contrasts and the distances, so a change that breaks either fails there.

Figures are drawn in the light colours. On the page each light colour becomes a CSS variable (`variables()`),
so the same drawing follows the reader's theme.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """A colour with its dark-theme partner, its text-safe partner and the cues that replace colour.

    `light` and `dark` paint marks (contrast of at least 3:1 on their ground); `text` is for letters on the
    light ground (at least 4.5:1). In the dark theme one colour serves marks and letters.
    """

    light: str
    dark: str
    text: str
    marker: str = "o"  # matplotlib's name
    symbol: str = "circle"  # Plotly's name
    dash: str = "solid"
    hatch: str = ""


QUERY = Role("#0072B2", "#7CC0E8", "#0072B2", marker="o", symbol="circle", dash="solid", hatch="")
KEY = Role("#D55E00", "#F98F2E", "#B34F00", marker="s", symbol="square", dash="dash", hatch="///")
VALUE = Role("#009E73", "#4DF0B4", "#00624A", marker="D", symbol="diamond", dash="dot", hatch="...")
WEIGHTS = Role("#6A3D9A", "#B56CFF", "#6A3D9A", marker="_", symbol="line-ew", dash="dashdot", hatch="xx")
ROLES: dict[str, Role] = {"query": QUERY, "key": KEY, "value": VALUE, "weights": WEIGHTS}

INK = Role("#1F2933", "#E6EAEE", "#1F2933")  # text
SOFT = Role("#5B6770", "#A9B3BD", "#5B6770")  # axis labels, notes
LINE = Role(
    "#C4CBD2", "#4A535C", "#C4CBD2"
)  # rules and spines: decoration, never the only carrier of meaning
PANEL = Role("#EEF1F4", "#2A2F36", "#EEF1F4")  # faint fills behind things
GROUND = Role("#FFFFFF", "#121212", "#FFFFFF")  # the page
NEUTRALS: dict[str, Role] = {"ink": INK, "soft": SOFT, "line": LINE, "panel": PANEL, "ground": GROUND}

# For comparing models. Apart from the roles' colours: a line in a plot is never taken for "the query".
SERIES: tuple[Role, ...] = (
    Role("#2F3A44", "#DDE2E7", "#2F3A44", marker="o", symbol="circle", dash="solid", hatch=""),
    Role("#A87400", "#F5AC2E", "#865C00", marker="^", symbol="triangle-up", dash="dash", hatch="///"),
    Role("#A8327C", "#E63F83", "#A8327C", marker="s", symbol="square", dash="dot", hatch="..."),
    Role("#8A9197", "#A3B1BF", "#646C73", marker="X", symbol="x", dash="dashdot", hatch="xx"),
    Role("#2388C6", "#2F8FD3", "#0E6EA6", marker="D", symbol="diamond", dash="longdash", hatch="\\\\\\"),
)

# Plotly knows no CSS variables. Outside the book its figures fall back on inks that read on either ground; in
# the book `css()` turns each of them into the theme's own colour.
MIDDLE: dict[str, str] = {"ink": "#6B7885", "weights": "#8C58CE", "line": "#9AA4AE"}

DARK_GROUNDS = ("#121212", "#1E1E1E", "#222832")  # the theme's page, its raised surfaces, its side bars
LIGHT_GROUNDS = ("#FFFFFF", "#F6F7F8")


def series(index: int) -> Role:
    """Give the colour and cues of the model number `index` in a comparison.

    Raises:
        ValueError: there are only five; more lines than that want small multiples, not more colours.
    """
    if not 0 <= index < len(SERIES):
        raise ValueError(
            f"only {len(SERIES)} series tell apart; draw small multiples instead of series {index}"
        )
    return SERIES[index]


def rgb(colour: str) -> tuple[int, int, int]:
    """Turn `#RRGGBB` into three whole numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mix(colour: str, ground: str, alpha: float) -> str:
    """Paint `colour` over `ground` with opacity `alpha` (0 to 1), as a browser does, and give `#RRGGBB`."""
    return "#" + "".join(
        f"{round(alpha * over + (1 - alpha) * under):02X}"
        for over, under in zip(rgb(colour), rgb(ground), strict=True)
    )


def ramp(steps: int = 256, *, dark: bool = False) -> list[str]:
    """Give the weights' ramp: the page's ground for 0, the weights' purple for 1, as `#RRGGBB`.

    It is the purple at an opacity equal to the weight. That is even to the eye within a tenth of its range
    (tested in Oklab), and the dark theme needs no second ramp: no weight is always the colour of the page.
    """
    ground, purple = (GROUND.dark, WEIGHTS.dark) if dark else (GROUND.light, WEIGHTS.light)
    return [mix(purple, ground, step / (steps - 1)) for step in range(steps)]


def variables() -> dict[str, tuple[str, str]]:
    """Give each CSS variable with its light and its dark value."""
    out: dict[str, tuple[str, str]] = {}
    for name, role in (ROLES | NEUTRALS).items():
        out[f"--tf-{name}"] = (role.light, role.dark)
        if role.text != role.light:
            out[f"--tf-{name}-text"] = (role.text, role.dark)
    for number, role in enumerate(SERIES):
        out[f"--tf-series-{number}"] = (role.light, role.dark)
        if role.text != role.light:
            out[f"--tf-series-{number}-text"] = (role.text, role.dark)
    return out


def _declarations(dark: bool) -> str:
    lines = [f"  {name}: {pair[dark]};" for name, pair in variables().items()]
    # Where the mark colour already reads as text, the -text name exists all the same: CSS need not know.
    for name in ROLES:
        if f"--tf-{name}-text" not in variables():
            lines.append(f"  --tf-{name}-text: var(--tf-{name});")
    return "\n".join(lines)


def _plotly_rules() -> str:
    """Recolour what Plotly drew: it writes colours into style attributes, which CSS can match."""
    targets = {colour: f"--tf-{name}" for name, colour in MIDDLE.items()}
    targets |= {light: name for name, (light, _) in variables().items()}
    rules = []
    for colour, name in targets.items():
        red, green, blue = rgb(colour)
        written = f"rgb({red}, {green}, {blue})"
        for kind in ("fill", "stroke"):
            rules.append(
                f'.js-plotly-plot [style*="{kind}: {written}"] {{ {kind}: var({name}) !important; }}'
            )
    return "\n".join(rules)


def css() -> str:
    """Write the palette as CSS: variables for both themes, the roles' classes, and Plotly's colours.

    The book's `book/site/palette.css` is this text; a test holds the two equal. Regenerate it with
    `python -m tfedu.viz.palette`.
    """
    roles = "\n".join(f".tf-{name} {{ color: var(--tf-{name}-text); }}" for name in ROLES)
    return (
        "/* Made by `python -m tfedu.viz.palette > book/site/palette.css`: change it there. */\n"
        f":root {{\n{_declarations(False)}\n}}\n"
        f'html[data-theme="dark"] {{\n{_declarations(True)}\n}}\n'
        "@media print {\n"
        f'  html[data-theme="dark"] {{\n{_declarations(False)}\n  }}\n'
        "}\n"
        f"{roles}\n"
        "/* Plotly draws for either ground; here it takes the theme's own colours. */\n"
        f"{_plotly_rules()}\n"
    )


def scoped(light: str, dark: str) -> str:
    """The variables alone, for a guest on a page that is not ours.

    Args:
        light: the CSS selector of what shall have them.
        dark: the same where that page is dark.
    """
    return f"{light} {{\n{_declarations(False)}\n}}\n{dark} {{\n{_declarations(True)}\n}}\n"


if __name__ == "__main__":
    print(css(), end="")
