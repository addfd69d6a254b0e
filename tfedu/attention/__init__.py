"""Attention mechanisms. All obey one law: ``forward(q, k, v) == weights(q, k) @ v``."""

from tfedu.attention.additive import Additive
from tfedu.attention.causal import Causal
from tfedu.attention.dot_product import DotProduct
from tfedu.attention.glimpse import Cells, Glimpse, Pixels
from tfedu.attention.luong import LuongConcat, LuongDot, LuongGeneral
from tfedu.attention.mechanism import (
    KeysValues,
    Mechanism,
    MultiHeadAttention,
    Prepared,
    Scored,
    check_mask,
    masked_softmax,
)
from tfedu.attention.relative_bias import RelativeBias
from tfedu.attention.rotary import Rotary, rotate
from tfedu.attention.window import OnGrid, Windowed

__all__ = [
    "Additive",
    "Causal",
    "Cells",
    "DotProduct",
    "Glimpse",
    "KeysValues",
    "LuongConcat",
    "LuongDot",
    "LuongGeneral",
    "Mechanism",
    "MultiHeadAttention",
    "OnGrid",
    "Pixels",
    "Prepared",
    "RelativeBias",
    "Rotary",
    "Scored",
    "Windowed",
    "check_mask",
    "masked_softmax",
    "rotate",
]
