"""The recurrent attention model: Mnih, Heess, Graves and Kavukcuoglu 2014, "Recurrent Models of Visual Attention".

It never sees a picture whole. It sees a glimpse, sharp at its centre and coarse around it, remembers, and decides
where to look next (section 3.1 and figure 1): `GlimpseSensor`, `GlimpseNetwork`, the core, and three readouts (what
it is, where to look, how much reward to expect). `FullyConnected` is the rival of the paper's tables, which sees
every pixel at once.

Locations are (y, x) from -1 (top, left) to 1 (bottom, right), as in the paper.

Where we deviate: the location network moves the gaze *from where it is* instead of naming a place anew, so that one
movement suits the whole picture; the first glimpse is always at the centre; the model classifies after each
glimpse, not after the last alone, so that it learns to use few. The cells of the sensor average exactly the
area that they cover, at any position between the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from tfedu.attention.glimpse import Cells, Glimpse, Pixels

#: Where a gaze comes from: the location network; or chance, the same over the whole picture; or it stays.
Gaze = Literal["learned", "random", "still"]


@dataclass(frozen=True)
class RAMConfig:
    """The size and kind of a recurrent attention model.

    Attributes:
        cells: g, a glimpse has g by g cells at each scale.
        scales: how many; each has cells twice as wide as the one before, which begins with single pixels.
        glimpse: width of the glimpse network's hidden layers.
        hidden: H, width of the core's state.
        classes: what a picture may show.
        glimpses: T, how many there are, the first at the centre among them.
        std: of the chosen locations around the network's, while it learns; in half pictures.
        gaze: how the next location is chosen.
    """

    cells: int = 8
    scales: int = 4
    glimpse: int = 128
    hidden: int = 128
    classes: int = 10
    glimpses: int = 4
    std: float = 0.15
    gaze: Gaze = "learned"

    def __post_init__(self) -> None:
        if self.gaze not in ("learned", "random", "still"):
            raise ValueError(f"gaze is {self.gaze!r}; choose 'learned', 'random' or 'still'.")
        if min(self.cells, self.scales, self.glimpses) < 1 or not self.std > 0:
            raise ValueError("cells, scales and glimpses must be at least 1, and std above 0.")


class Glimpses(NamedTuple):
    """What a model did in T glimpses.

    Attributes:
        logits: scores of the classes after each glimpse.
        locations: where each glimpse was.
        means: where the network wanted to look when each was chosen; the first is the first location.
        baselines: the reward that it expected for the steps after each glimpse.
    """

    logits: Float[Tensor, "B T classes"]
    locations: Float[Tensor, "B T 2"]
    means: Float[Tensor, "B T 2"]
    baselines: Float[Tensor, "B T"]


class GlimpseSensor(nn.Module):
    """rho(x, l): the picture around a location, at several scales (figure 1A).

    Scale i is a g by g grid of cells of side 2^i pixels, all centred on the location. So the first g by g pixels
    are seen one by one, and what lies around them ever more coarsely, with few numbers in all.
    """

    def __init__(self, cells: int, scales: int) -> None:
        super().__init__()
        self.cells = cells
        self.scales = nn.ModuleList(Glimpse(side=2.0**i) for i in range(scales))

    def cells_at(self, location: Float[Tensor, "B 2"], height: int, width: int) -> list[Cells]:
        """The grid of cells at each scale, in pixels."""
        y, x = (
            (place + 1) / 2 * size
            for place, size in zip(location.split(1, dim=1), (height, width), strict=True)
        )
        steps = torch.arange(self.cells, dtype=location.dtype, device=location.device) - (self.cells - 1) / 2
        return [Cells(y + 2.0**i * steps, x + 2.0**i * steps) for i in range(len(self.scales))]

    def forward(
        self, pictures: Float[Tensor, "B h w"], location: Float[Tensor, "B 2"]
    ) -> Float[Tensor, "B n g g"]:
        """What is seen at each scale."""
        if pictures.dim() != 3 or location.shape != (len(pictures), 2):
            raise ValueError(
                f"the sensor takes pictures (B, h, w) and one location (B, 2) for each; got "
                f"{tuple(pictures.shape)} and {tuple(location.shape)}."
            )
        height, width = pictures.shape[1:]
        pixels = Pixels(height, width)
        values = rearrange(pictures, "b h w -> b (h w) 1")
        seen = [
            scale(cells, pixels, values)
            for scale, cells in zip(self.scales, self.cells_at(location, height, width), strict=True)
        ]
        return rearrange(torch.stack(seen, dim=1), "b n (g f) 1 -> b n g f", g=self.cells)


class GlimpseNetwork(nn.Module):
    """f_g: a glimpse and its location become one vector (figure 1B, section 4: "Glimpse network")."""

    def __init__(self, config: RAMConfig) -> None:
        super().__init__()
        self.what = nn.Linear(config.scales * config.cells**2, config.glimpse)
        self.where = nn.Linear(2, config.glimpse)
        self.both = nn.Linear(2 * config.glimpse, config.hidden)

    def forward(self, seen: Float[Tensor, "B n g g"], location: Float[Tensor, "B 2"]) -> Float[Tensor, "B H"]:
        """Linear(relu(what)) + Linear(relu(where)), written as one matrix over both; then relu."""
        what = self.what(rearrange(seen, "b n g f -> b (n g f)")).relu()
        return self.both(torch.cat([what, self.where(location).relu()], dim=-1)).relu()


class RAM(nn.Module):
    """The whole model (figure 1C).

    In training the next location is drawn from a Gaussian around the network's; in evaluation it is the network's
    own. No gradient passes through a location: `tfedu.train.ram` teaches it by reward.
    """

    def __init__(self, config: RAMConfig) -> None:
        super().__init__()
        self.config = config
        self.sensor = GlimpseSensor(config.cells, config.scales)
        self.glimpse = GlimpseNetwork(config)
        self.keep = nn.Linear(config.hidden, config.hidden)
        self.write = nn.Linear(config.hidden, config.hidden)
        self.action = nn.Linear(config.hidden, config.classes)
        self.location = nn.Linear(config.hidden, 2)
        self.baseline = nn.Linear(config.hidden, 1)
        self._initialise()

    @classmethod
    def from_pretrained(cls, name: str | Path) -> RAM:
        """A trained model: the name of a shipped checkpoint, or the path of a safetensors file.

        Raises:
            tfedu.weights.CheckpointError: if the file is missing, damaged, or holds another model.
        """
        from tfedu import weights

        checkpoint = weights.load(name, kind="RAM")
        model = cls(RAMConfig(**checkpoint.config))
        checkpoint.fill(model)
        return model.eval()

    def core(
        self, seen: Float[Tensor, "B n g g"], location: Float[Tensor, "B 2"], state: Float[Tensor, "B H"]
    ) -> Float[Tensor, "B H"]:
        """What a glimpse makes of the state: h_t = relu(keep(h_{t-1}) + write(g_t)) (section 4: "Core network")."""
        return (self.keep(state) + self.write(self.glimpse(seen, location))).relu()

    def look(self, state: Float[Tensor, "B H"], location: Float[Tensor, "B 2"]) -> Float[Tensor, "B 2"]:
        """Where the network wants to look after `location`; within the picture."""
        return (location + self.location(state)).clamp(-1, 1)

    def start(self, pictures: Float[Tensor, "B h w"]) -> tuple[Float[Tensor, "B 2"], Float[Tensor, "B H"]]:
        """The first location, the centre, and the empty state."""
        return pictures.new_zeros(len(pictures), 2), pictures.new_zeros(len(pictures), self.config.hidden)

    def forward(
        self,
        pictures: Float[Tensor, "B h w"],
        glimpses: int | None = None,
        locations: Float[Tensor, "B T 2"] | None = None,
    ) -> Glimpses:
        """Look, and classify after each glimpse.

        Args:
            pictures: of any height and width.
            glimpses: T, if not the configuration's.
            locations: where to look, in place of the model's own choice.

        Raises:
            ValueError: if the shapes do not fit.
        """
        T = self.config.glimpses if glimpses is None else glimpses
        if locations is not None:
            T = locations.shape[1]
            if locations.shape != (len(pictures), T, 2):
                raise ValueError(
                    f"locations are (B, T, 2), for {len(pictures)} pictures; got {tuple(locations.shape)}."
                )
        if T < 1:
            raise ValueError("there must be at least one glimpse.")
        place, state = self.start(pictures)
        mean, means, places, states = place, [], [], []
        for t in range(T):
            if t > 0:
                mean = self.look(state, place)
                place = self._choose(mean)
            if locations is not None:
                place = locations[:, t]
            state = self.core(self.sensor(pictures, place), place, state)
            means.append(mean)
            places.append(place)
            states.append(state)
        all_states = torch.stack(states, dim=1)
        return Glimpses(
            self.action(all_states),
            torch.stack(places, dim=1),
            torch.stack(means, dim=1),
            self.baseline(all_states.detach()).squeeze(-1),
        )

    def _choose(self, mean: Float[Tensor, "B 2"]) -> Float[Tensor, "B 2"]:
        if self.config.gaze == "random":
            return torch.rand_like(mean) * 2 - 1
        if self.config.gaze == "still":
            return torch.zeros_like(mean)
        if not self.training:
            return mean
        return (mean + self.config.std * torch.randn_like(mean)).detach()

    def _initialise(self) -> None:
        """Signals keep their size through the relus; the memory fades by half; the gaze begins nearly at rest."""
        for layer in (self.glimpse.what, self.glimpse.where, self.glimpse.both, self.write):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.keep.weight.copy_(0.5 * torch.eye(self.config.hidden))
            self.keep.bias.zero_()
            self.location.weight.mul_(0.1)
            self.location.bias.zero_()


@dataclass(frozen=True)
class FullyConnectedConfig:
    """The size of the rival: every pixel of a picture of `height` by `width`, two hidden layers, the classes."""

    height: int
    width: int
    hidden: int
    classes: int = 10


class FullyConnected(nn.Module):
    """Sees every pixel at once: two hidden layers of relus (tables 1 and 2 of the paper)."""

    def __init__(self, config: FullyConnectedConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.height * config.width, config.hidden, config.hidden)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.action = nn.Linear(config.hidden, config.classes)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> FullyConnected:
        """A trained one; see `RAM.from_pretrained`."""
        from tfedu import weights

        checkpoint = weights.load(name, kind="FullyConnected")
        model = cls(FullyConnectedConfig(**checkpoint.config))
        checkpoint.fill(model)
        return model.eval()

    def forward(self, pictures: Float[Tensor, "B h w"]) -> Float[Tensor, "B classes"]:
        """Scores of the classes."""
        x = rearrange(pictures, "b h w -> b (h w)")
        for layer in self.hidden:
            x = layer(x).relu()
        return self.action(x)
