import pytest
import torch

from tfedu.attention import Additive, LuongGeneral, MultiHeadAttention


@pytest.mark.parametrize("masked", ["no", "padding", "random"])
def test_equals_torch(masked: str) -> None:
    torch.manual_seed(0)
    ours, theirs = (
        MultiHeadAttention(12, 3).double(),
        torch.nn.MultiheadAttention(12, 3, batch_first=True).double(),
    )
    for parameter in theirs.parameters():  # its biases start at zero, which would hide one that is not copied
        torch.nn.init.normal_(parameter, std=0.3)
    weight, bias = theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3)
    for ours_part, w, b in zip((ours.query, ours.key, ours.value), weight, bias, strict=True):
        ours_part.load_state_dict({"weight": w, "bias": b})
    ours.output.load_state_dict(theirs.out_proj.state_dict())
    x, y = torch.randn(2, 5, 12, dtype=torch.float64), torch.randn(2, 7, 12, dtype=torch.float64)
    mask = {"no": None, "padding": torch.rand(2, 1, 7) < 0.7, "random": torch.rand(2, 5, 7) < 0.7}[masked]
    if mask is not None:
        mask[..., 0] = True
    theirs_mask = None if mask is None else ~mask.expand(2, 5, 7).repeat_interleave(3, dim=0)
    expected, _ = theirs(x, y, y, attn_mask=theirs_mask)
    torch.testing.assert_close(ours(x, y, mask=mask), expected, atol=1e-10, rtol=1e-10)


def test_takes_any_mechanism() -> None:
    x = torch.randn(2, 5, 12)
    for mechanism in (Additive(4, 4, 8), LuongGeneral(4, 4)):
        assert MultiHeadAttention(12, 3, mechanism)(x).shape == x.shape


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="5 heads do not divide a width of 12"):
        MultiHeadAttention(12, 5)
