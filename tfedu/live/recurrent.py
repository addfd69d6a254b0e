"""Recurrences that export at any length.

torch unrolls an `nn.GRU` or `nn.LSTM` while it exports, and so fixes the length of the example. Here each layer
is one ONNX operator from the start, with the weights in ONNX's order of gates. It runs only while exporting.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

#: Where each of ONNX's gates stands among torch's: z r h among r z n, and i o f c among i f g o.
ORDER = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}


class Recurrence(nn.Module):
    """Stands for an `nn.GRU` or `nn.LSTM` while its model is exported.

    Raises:
        ValueError: for an LSTM with projections.
    """

    def __init__(self, rnn: nn.GRU | nn.LSTM) -> None:
        super().__init__()
        if rnn.proj_size:
            raise ValueError("an LSTM with proj_size has no ONNX operator; project its output yourself.")
        self.kind = "LSTM" if isinstance(rnn, nn.LSTM) else "GRU"
        self.layers, self.hidden, self.batch_first = rnn.num_layers, rnn.hidden_size, rnn.batch_first
        self.directions = 2 if rnn.bidirectional else 1
        for layer in range(self.layers):
            both = [f"l{layer}", f"l{layer}_reverse"][: self.directions]
            gates = len(ORDER[self.kind]) * self.hidden
            W = [self._ordered(getattr(rnn, f"weight_ih_{one}")) for one in both]
            R = [self._ordered(getattr(rnn, f"weight_hh_{one}")) for one in both]
            B = [
                torch.cat([self._ordered(getattr(rnn, f"bias_{part}_{one}")) for part in ("ih", "hh")])
                if rnn.bias
                else torch.zeros(2 * gates)
                for one in both
            ]
            number = "" if self.layers == 1 else str(layer)
            for name, parts in (("W", W), ("R", R), ("B", B)):
                self.register_buffer(f"{name}{number}", torch.stack(parts))

    def _ordered(self, parameter: Tensor) -> Tensor:
        parts = parameter.detach().chunk(len(ORDER[self.kind]))
        return torch.cat([parts[i] for i in ORDER[self.kind]])

    def forward(
        self, x: Tensor, state: Tensor | tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]:
        """As of the module that this one stands for."""
        if x.dim() != 3:
            raise ValueError(
                f"a recurrence is exported for a batch, (B, T, D) or (T, B, D); got {x.dim()} axes."
            )
        x = x.transpose(0, 1) if self.batch_first else x
        T, B, _ = x.shape
        given = [] if state is None else list(state) if isinstance(state, tuple) else [state]
        finals = []
        for layer in range(self.layers):
            number = "" if self.layers == 1 else str(layer)
            W, R, bias = (self.get_buffer(f"{name}{number}") for name in ("W", "R", "B"))
            first = layer * self.directions
            before = [part[first : first + self.directions] for part in given]
            final = (self.directions, B, self.hidden)
            states = 2 if self.kind == "LSTM" else 1
            y, *after = torch.onnx.ops.symbolic_multi_out(
                self.kind,
                [x, W, R, bias, *([None, *before] if before else [])],
                {
                    "hidden_size": self.hidden,
                    "direction": "bidirectional" if self.directions == 2 else "forward",
                    **(
                        {"linear_before_reset": 1} if self.kind == "GRU" else {}
                    ),  # as torch's, not the paper's
                },
                dtypes=[x.dtype] * (1 + states),
                shapes=[(T, *final), *[final] * states],
                version=20,
            )
            finals.append(after)
            x = rearrange(y, "t d b h -> t b (d h)") if self.directions == 2 else y.squeeze(1)
        joined = [torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*finals, strict=True)]
        output = x.transpose(0, 1) if self.batch_first else x
        return output, (joined[0], joined[1]) if len(joined) == 2 else joined[0]


def with_recurrences(module: nn.Module) -> nn.Module:
    """The same module (changed in place) with a `Recurrence` for each `nn.GRU` and `nn.LSTM`."""
    if isinstance(module, nn.GRU | nn.LSTM):
        return Recurrence(module)
    for name, child in list(module.named_children()):
        setattr(module, name, with_recurrences(child))
    return module
