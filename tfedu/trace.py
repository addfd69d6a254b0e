"""See, or change, what attention does while a model runs.

    with trace(model) as maps:
        model(x)
    maps["decoder.attention"].weights            # (B, H, T, S)

    with trace(model, edit={"decoder.attention": pin(query=2, key=5)}):
        model(x)                                 # runs on with the changed map

While the trace is open each `Mechanism` of the model computes its explicit weights, and its output from just
those weights; so what is seen is what was used. When it closes, the modules are as they were before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from itertools import accumulate
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from tfedu.attention.mechanism import Mechanism

#: A change of a map: gets the weights (B, H, T, S) of this call and the number of its first row (above 0 in a
#: decoder that works row by row), and returns weights of the same shape.
Edit = Callable[[Tensor, int], Tensor]
#: Which query of a map over a picture: its number, its (row, column) on the grid, several, or (None) all.
Query = int | tuple[int, int] | slice | Sequence[int] | None


@dataclass(frozen=True)
class AttentionMap:
    """What one mechanism attended to in one run.

    Attributes:
        weights: rows are queries, columns keys; as the model used them, gradients included.
        name: where in the model.
        query_tokens, key_tokens: labels of rows and columns, for figures.
    """

    weights: Float[Tensor, "B H T S"]
    name: str
    query_tokens: Sequence[str] | None = None
    key_tokens: Sequence[str] | None = None

    def tokens(self, queries: Sequence[str], keys: Sequence[str]) -> AttentionMap:
        """The same map with labels, cut to them, so that padding falls away.

        Raises:
            ValueError: if there are more labels than rows or columns.
        """
        T, S = self.weights.shape[-2:]
        if len(queries) > T or len(keys) > S:
            raise ValueError(
                f"{self.name} is a map of {T} queries by {S} keys; got {len(queries)} and {len(keys)} labels."
            )
        cut = self.weights[..., : len(queries), : len(keys)]
        return dataclass_replace(self, weights=cut, query_tokens=list(queries), key_tokens=list(keys))

    def matrix(self, batch: int = 0, head: int | None = None) -> Float[Tensor, "T S"]:
        """One sentence's map, of one head or averaged over heads; detached, on the CPU, in float32."""
        one = self.weights[batch].detach().float().cpu()
        return one.mean(dim=0) if head is None else one[head]

    def heatmap(
        self,
        batch: int = 0,
        head: int | None = None,
        title: str | None = None,
        gold: Iterable[tuple[int, int]] | None = None,
    ) -> Any:
        """A matplotlib figure of `matrix`; `gold` outlines known links, (column, row) each."""
        from tfedu.viz import heatmap

        return heatmap(self, item=batch, head=head, title=self.name if title is None else title, gold=gold)

    def plotly(
        self,
        batch: int = 0,
        head: int | None = None,
        title: str | None = None,
        gold: Iterable[tuple[int, int]] | None = None,
    ) -> Any:
        """The same in Plotly, with the numbers under the pointer."""
        from tfedu.viz import plotly_heatmap

        return plotly_heatmap(
            self, item=batch, head=head, title=self.name if title is None else title, gold=gold
        )

    def on_image(
        self,
        picture: Any,
        query: Query = None,
        *,
        grid: tuple[int, int] | None = None,
        batch: int = 0,
        head: int | None = None,
        title: str | None = None,
    ) -> Any:
        """A matplotlib figure of a query's weights over the picture whose parts are the keys.

        Args:
            picture: (h, w) or (h, w, 3), from 0 to 1.
            query: its number, its (row, column) on the grid, a slice or several numbers (their mean), or all.
            grid: rows and columns of the keys; the pixels, or a square, unless given.
            batch, head: which; without a head, the mean of all.
            title: the finding; the map's name unless given.
        """
        from tfedu.viz import on_image

        title = self.name if title is None else title
        return on_image(self, picture, query=query, grid=grid, item=batch, head=head, title=title)

    def on_grid(self, grid: tuple[int, int]) -> Float[Tensor, "B H h w h w"]:
        """The weights between the cells of a grid: ``[b, h, 2, 3, 0, 1]`` is what cell (2, 3) gives to cell (0, 1).

        Tokens before the grid, such as a class token, are left out, and what is left of each row is brought to a sum
        of one. A row that gave the grid nothing stays zero.

        Args:
            grid: rows and columns.

        Raises:
            ValueError: if queries and keys are not the same tokens, or fewer than the grid has cells.
        """
        T, S = self.weights.shape[-2:]
        rows, columns = grid
        before = S - rows * columns
        if T != S or before < 0:
            raise ValueError(
                f"{self.name} is a map of {T} queries by {S} keys; a grid of {rows} by {columns} wants the same "
                f"{rows * columns} cells as queries and as keys, and maybe tokens before them."
            )
        cells = self.weights[..., before:, before:]
        total = cells.sum(dim=-1, keepdim=True)
        cells = torch.where(total > 0, cells / total.clamp_min(torch.finfo(cells.dtype).tiny), 0)
        return rearrange(cells, "b h (r c) (i j) -> b h r c i j", r=rows, i=rows)

    def distances(self, grid: tuple[int, int], cell: float = 1.0) -> Float[Tensor, "B H"]:
        """How far each head looks: the mean distance from a cell to the cells that it attends to, by their weights.

        Dosovitskiy et al. (2021), figure 7. A head that looks only at its own cell has distance 0; one that looks
        everywhere alike has that of `uniform_distance`. Rows that give the grid nothing do not count; where a head
        has no other rows, its distance is NaN.

        Args:
            grid: rows and columns; see `on_grid`.
            cell: the side of a cell, in whatever the distance is wanted in; a patch's pixels, say.
        """
        weights = rearrange(self.on_grid(grid), "b h r c i j -> b h (r c) (i j)")
        apart = cell_distances(grid).to(weights)
        used = weights.sum(dim=-1) > 0
        return cell * (weights * apart).sum(dim=(-2, -1)) / used.sum(dim=-1)

    def bertviz(self, batch: int = 0, view: str = "head") -> Any:
        """BertViz's head view or model view of this map; see also `Maps.bertviz`."""
        from tfedu.viz import head_view, model_view

        views = {"head": head_view, "model": model_view}
        if view not in views:
            raise ValueError(f"BertViz has a 'head' and a 'model' view; got {view!r}.")
        return views[view](dataclass_replace(self, weights=self.weights[batch : batch + 1]))


class Maps(Mapping[str, AttentionMap]):
    """The maps of one run, by the name of the module that made them, in the order of their first use."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Tensor]] = {}

    def __getitem__(self, name: str) -> AttentionMap:
        if name not in self._rows:
            raise KeyError(f"no map is named {name!r}; caught: {', '.join(self._rows) or 'none'}.")
        calls = self._rows[name]
        if len(calls) == 1:
            return AttentionMap(calls[0], name)
        ends = accumulate(rows.shape[2] for rows in calls)
        if all(rows.shape[3] == end for rows, end in zip(calls, ends, strict=True)):
            # A decoder's keys grow by the words that it writes; it gives no weight to those yet to come.
            widest = calls[-1].shape[3]
            calls = [F.pad(rows, (0, widest - rows.shape[3])) for rows in calls]
        if any(
            (*rows.shape[:2], rows.shape[3]) != (*calls[0].shape[:2], calls[0].shape[3]) for rows in calls
        ):
            raise ValueError(
                f"{name} ran on inputs of different shapes, {[tuple(rows.shape) for rows in calls[:3]]} ..., "
                "which do not stack into one map. Open one trace for each run."
            )
        return AttentionMap(torch.cat(calls, dim=2), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def layer(self, which: int | str) -> AttentionMap:
        """A map by its name, or by its place in the order of first use, from 0."""
        if isinstance(which, str):
            return self[which]
        names = list(self._rows)
        if not -len(names) <= which < len(names):
            raise IndexError(f"layer {which} is not one of the {len(names)} maps: {', '.join(names)}.")
        return self[names[which]]

    def heatmap(self, layer: int | str = 0, batch: int = 0, head: int | None = None) -> Any:
        """A matplotlib figure of one map."""
        return self.layer(layer).heatmap(batch, head)

    def on_image(
        self,
        picture: Any,
        query: Query = None,
        *,
        layer: int | str | None = 0,
        grid: tuple[int, int] | None = None,
        batch: int = 0,
        head: int | None = None,
        title: str | None = None,
    ) -> Any:
        """A matplotlib figure of one map over a picture; of all, rolled out (see `rollout`), if `layer` is None.

        The other arguments are those of `AttentionMap.on_image`.
        """
        one = AttentionMap(self.rollout()[:, None], "rollout") if layer is None else self.layer(layer)
        return one.on_image(picture, query, grid=grid, batch=batch, head=head, title=title)

    def bertviz(self, view: Literal["head", "model"] = "head") -> Any:
        """BertViz's head view or model view of all maps, as layers; their axes are numbered."""
        from tfedu.viz import head_view, model_view

        def numbered(one: AttentionMap) -> AttentionMap:
            T, S = one.weights.shape[-2:]
            return one.tokens([str(t) for t in range(T)], [str(j) for j in range(S)])

        return {"head": head_view, "model": model_view}[view]([numbered(one) for one in self.values()])

    def rollout(self) -> Float[Tensor, "B N N"]:
        """How much of each input position reaches each output position, if heads are averaged, each layer adds
        its input back with weight one half, and everything between is ignored (Abnar and Zuidema 2020, eq. 1).

        Raises:
            ValueError: if the maps are not self-attention of one length.
        """
        flow: Tensor | None = None
        for one in self.values():
            T, S = one.weights.shape[-2:]
            if T != S or (flow is not None and flow.shape[-1] != S):
                raise ValueError(f"rollout multiplies square maps of one size; {one.name} is {T} by {S}.")
            step = 0.5 * one.weights.mean(dim=1) + 0.5 * torch.eye(S).to(one.weights)
            flow = step if flow is None else step @ flow
        if flow is None:
            raise ValueError("there are no maps to roll out.")
        return flow

    def _add(self, name: str, weights: Tensor) -> None:
        self._rows.setdefault(name, []).append(weights)

    def _done(self, name: str) -> int:
        return sum(rows.shape[2] for rows in self._rows.get(name, []))


def cell_distances(grid: tuple[int, int]) -> Float[Tensor, "N N"]:
    """The distance between the middles of each two cells of a grid (rows, columns), counted row by row, in cells."""
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in grid)
    middles = torch.cartesian_prod(rows, columns)
    return torch.cdist(middles, middles, compute_mode="donot_use_mm_for_euclid_dist")


def uniform_distance(grid: tuple[int, int], cell: float = 1.0) -> float:
    """The mean distance of a head that looks everywhere alike; see `AttentionMap.distances`."""
    return cell * cell_distances(grid).mean().item()


@contextmanager
def trace(model: nn.Module, edit: Mapping[str, Edit] | None = None) -> Iterator[Maps]:
    """Catch the attention maps of every `Mechanism` in `model`, and change those that `edit` names.

    A decoder that calls its mechanism once per word gets its rows stacked into one map, also where its keys are
    the words so far: what a row could not see yet is zero. Calling `model(...)`
    again inside one trace starts the maps anew: they are those of the last run. The names are those of
    ``model.named_modules()``, without a final ``.mechanism`` (the one inside a `MultiHeadAttention`).

    Args:
        model: any module with mechanisms in it. A `torch.compile`d model is traced before it is compiled.
        edit: for some names, a function of (weights, first row); see `ablate`, `cut`, `replace`, `pin`.

    Raises:
        ValueError: if `model` has no mechanism.
        KeyError: if `edit` names none of them.
        RuntimeError: when it closes, if nothing ran inside.
    """
    mechanisms = _mechanisms(model)
    edits = dict(edit or {})
    if not mechanisms:
        raise ValueError(f"{type(model).__name__} holds no Mechanism, so there is nothing to trace.")
    if unknown := edits.keys() - mechanisms.keys():
        raise KeyError(f"nothing to edit at {', '.join(unknown)}; mechanisms: {', '.join(mechanisms)}.")

    maps = Maps()
    before = {name: vars(module).get("forward") for name, module in mechanisms.items()}
    anew = model.register_forward_pre_hook(lambda module, inputs: maps._rows.clear())
    try:
        for name, module in mechanisms.items():
            # An attribute of the instance hides the class's method: the fast way is off while this stands.
            module.forward = _explicit(module, name, maps, edits.get(name))  # type: ignore[method-assign]
        yield maps
    finally:
        anew.remove()
        for name, module in mechanisms.items():
            forward = before[name]
            if forward is None:
                vars(module).pop("forward", None)
            else:
                module.forward = forward  # type: ignore[method-assign]
    if not maps:
        raise RuntimeError(
            f"the trace caught nothing: none of {', '.join(mechanisms)} ran. Call the model inside the with "
            "block; a model compiled with torch.compile must be traced uncompiled."
        )


class Traced(nn.Module):
    """A model whose outputs are its own output and then its maps, in the order of `names`, for export.

    Args:
        model: as for `trace`.
        names: which maps; all of them, in the order of the modules, unless given.
    """

    def __init__(self, model: nn.Module, names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.model = model
        self.names = list(names) if names is not None else list(_mechanisms(model))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The model's output (flattened if it is a tuple), then each map (B, H, T, S)."""
        with trace(self.model) as maps:
            output = self.model(*inputs)
        outputs = output if isinstance(output, tuple) else (output,)
        return (*outputs, *(maps[name].weights for name in self.names))


def ablate(head: int) -> Edit:
    """Silence one head: its weights become zero, so it gathers nothing."""

    def edit(weights: Tensor, first_row: int) -> Tensor:
        _check_head(head, weights)
        keep = torch.ones(weights.shape[1], dtype=weights.dtype, device=weights.device)
        keep[head] = 0
        return weights * rearrange(keep, "h -> h 1 1")

    return edit


def replace(by: Tensor) -> Edit:
    """Put another map in place of the model's: `by` is (T, S), (H, T, S) or (B, H, T, S)."""

    def edit(weights: Tensor, first_row: int) -> Tensor:
        T, S = weights.shape[2:]
        rows = by[..., first_row : first_row + T, :].to(weights)
        if first_row + T == S < by.shape[-2]:  # the keys are the words so far, and more rows are to come
            rows = rows[..., :S]
        try:
            return rows.expand_as(weights)
        except RuntimeError as error:
            raise ValueError(
                f"a map of shape {tuple(by.shape)} cannot replace rows {first_row} to "
                f"{first_row + weights.shape[2] - 1} of a map with (B, H, T, S) = {tuple(weights.shape)}."
            ) from error

    return edit


def pin(query: int, key: int, weight: float = 1.0, head: int | None = None) -> Edit:
    """Hold one weight at a value in [0, 1]; the rest of its row keeps its proportions and the row's sum of 1."""
    if not 0 <= weight <= 1:
        raise ValueError(f"a weight lies between 0 and 1; got {weight}.")

    def edit(weights: Tensor, first_row: int) -> Tensor:
        T, S = weights.shape[2:]
        if head is not None:
            _check_head(head, weights)
        if not first_row <= query < first_row + T:
            return weights
        if not 0 <= key < S:
            raise IndexError(f"key {key} is not one of the {S} keys of row {query}.")
        heads = slice(None) if head is None else slice(head, head + 1)
        changed = weights.clone()
        row = changed[:, heads, query - first_row].clone()
        row[..., key] = 0
        row = row * (1 - weight) / row.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(row.dtype).tiny)
        row[..., key] = weight
        changed[:, heads, query - first_row] = row
        return changed

    return edit


def cut(edges: int | Tensor, head: int | None = None, *, renormalise: bool = False) -> Edit:
    """Cut edges of a map: their weights become zero.

    What is left of a row keeps its weights, unless it is to be renormalised. So nothing goes through the cut edges,
    and no more than before through the others; a row renormalised to 1 would make much of what was next to nothing.

    Args:
        edges: how many places before the query the key stands (1: each token's edge to the one before it), or a
            boolean map, True = cut, of shape (T, S), (H, T, S) or (B, H, T, S).
        head: cut them in this head only.
        renormalise: bring each row that has any weight left back to the sum it had.

    Raises:
        TypeError: if a map of edges is not boolean.
    """
    if isinstance(edges, Tensor) and edges.dtype != torch.bool:
        raise TypeError(f"edges to cut are boolean, True = cut; got {edges.dtype}. Try edges.bool().")

    def edit(weights: Tensor, first_row: int) -> Tensor:
        T, S = weights.shape[2:]
        if isinstance(edges, Tensor):
            gone = edges[..., first_row : first_row + T, :S].to(weights.device)
            try:
                gone = gone.expand_as(weights)
            except RuntimeError as error:
                raise ValueError(
                    f"edges of shape {tuple(edges.shape)} do not fit rows {first_row} to {first_row + T - 1} of a "
                    f"map with (B, H, T, S) = {tuple(weights.shape)}; (B, T, S) is edges[:, None]."
                ) from error
        else:
            row = torch.arange(first_row, first_row + T, device=weights.device)
            key = torch.arange(S, device=weights.device)
            gone = (row[:, None] - key == edges).expand_as(weights)
        if head is not None:
            _check_head(head, weights)
            one = torch.arange(weights.shape[1], device=weights.device) == head
            gone = gone & rearrange(one, "h -> h 1 1")
        left = weights.masked_fill(gone, 0.0)
        if renormalise:
            before, now = weights.sum(dim=-1, keepdim=True), left.sum(dim=-1, keepdim=True)
            left = left * before / now.clamp_min(torch.finfo(left.dtype).tiny)
        return left

    return edit


def _check_head(head: int, weights: Tensor) -> None:
    if not 0 <= head < weights.shape[1]:
        raise IndexError(f"head {head} is not one of the {weights.shape[1]} heads, counted from 0.")


def _mechanisms(model: nn.Module) -> dict[str, Mechanism]:
    """The mechanisms of a model, each under the name that a trace gives it."""
    return {
        name.removesuffix("mechanism").removesuffix(".") or "attention": module
        for name, module in model.named_modules()
        if isinstance(module, Mechanism)
    }


def _explicit(module: Mechanism, name: str, maps: Maps, edit: Edit | None) -> Callable[..., Tensor]:
    """A forward that makes the weights, keeps them, and makes the output from those same weights."""

    def forward(q: Tensor, k: Any, v: Tensor, mask: Tensor | None = None) -> Tensor:
        weights = module.weights(q, k, mask)
        lead = weights.shape[:-2]
        if len(lead) > 2:
            raise ValueError(
                f"{name} made a map with axes {tuple(weights.shape)}; a trace knows (B, H, T, S)."
            )
        # (T, S) is one sentence and one head, (B, T, S) one head.
        full = weights.reshape(*((1, 1), (*lead, 1), lead)[len(lead)], *weights.shape[-2:])
        if edit is not None:
            edited = edit(full, maps._done(name))
            if edited.shape != full.shape:
                raise ValueError(
                    f"the edit at {name} made a map of shape {tuple(edited.shape)} from {tuple(full.shape)}."
                )
            full = edited
        maps._add(name, full)
        return full.reshape(weights.shape) @ v  # from the kept map itself, so that gradients reach it

    return forward
