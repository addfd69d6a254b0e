"""A picture as a sequence of patches (Dosovitskiy et al. 2021, section 3.1), and back."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


def patchify(pictures: Float[Tensor, "B C H W"], size: int) -> Float[Tensor, "B N P"]:
    """Cut pictures into squares of `size` pixels, in rows from the top left, each a vector of P = C size² numbers.

    The numbers of a patch stand as in a convolution's kernel (channel, row, column), so that a patch embedding is
    one matrix product.

    Raises:
        ValueError: if the patches do not tile the picture.
    """
    H, W = pictures.shape[-2:]
    if size < 1 or H % size or W % size:
        raise ValueError(
            f"patches of {size} by {size} do not tile a picture of {H} by {W}: resize or pad it, or take another size."
        )
    return rearrange(pictures, "b c (h p) (w q) -> b (h w) (c p q)", p=size, q=size)


def unpatchify(patches: Float[Tensor, "B N P"], size: int, grid: tuple[int, int]) -> Float[Tensor, "B C H W"]:
    """The pictures whose `patchify` is `patches`, on a `grid` of rows and columns.

    Raises:
        ValueError: if patches, size and grid do not fit each other.
    """
    N, P = patches.shape[-2:]
    if grid[0] * grid[1] != N or P % size**2:
        raise ValueError(
            f"{N} patches of {P} numbers are no grid of {grid[0]} by {grid[1]} with squares of {size} pixels."
        )
    return rearrange(patches, "b (h w) (c p q) -> b c (h p) (w q)", h=grid[0], p=size, q=size)


def shuffle(pictures: Float[Tensor, "B C H W"], size: int, seed: int = 0) -> Float[Tensor, "B C H W"]:
    """Each picture's patches in an order of its own: all that single patches tell is kept, all else is gone."""
    patches = patchify(pictures, size)
    dice = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(patches.shape[1], generator=dice) for _ in pictures])
    moved = patches.take_along_dim(order[..., None].to(patches.device), dim=1)
    return unpatchify(moved, size, (pictures.shape[2] // size, pictures.shape[3] // size))


def erase_each(pictures: Float[Tensor, "B C H W"], size: int) -> Float[Tensor, "B N C H W"]:
    """Each picture once for each of its patches, which has the picture's mean colour."""
    patches = patchify(pictures, size)
    N = patches.shape[1]
    plain = pictures.mean(dim=(2, 3)).repeat_interleave(size**2, dim=1)  # (B, P)
    erased = torch.where(
        torch.eye(N, dtype=torch.bool, device=pictures.device)[..., None],
        plain[:, None, None],
        patches[:, None],
    )  # (B, N, N, P)
    grid = (pictures.shape[2] // size, pictures.shape[3] // size)
    return unpatchify(erased.flatten(0, 1), size, grid).unflatten(0, (-1, N))


class PatchEmbedding(nn.Module):
    """A vector for each patch: one linear map, the same for all (equation 1), done as a convolution.

    What is left at the right and lower edge of a picture that the patches do not tile is not seen.

    Args:
        channels: C of the pictures.
        width: D of the vectors.
        size: side of a patch, in pixels.
    """

    def __init__(self, channels: int, width: int, size: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, width, kernel_size=size, stride=size)

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The vectors on their grid.

        Raises:
            ValueError: if the pictures have another number of channels, or are smaller than a patch.
        """
        channels, size = self.projection.in_channels, self.projection.kernel_size[0]
        if pictures.dim() != 4 or pictures.shape[1] != channels:
            raise ValueError(
                f"pictures are (B, {channels}, H, W), channels first; got {tuple(pictures.shape)}. One picture is "
                "picture[None]; channels last is pictures.permute(0, 3, 1, 2)."
            )
        if min(pictures.shape[2:]) < size:
            raise ValueError(
                f"a picture of {pictures.shape[2]} by {pictures.shape[3]} is smaller than a patch of {size} by "
                f"{size}: enlarge it."
            )
        return self.projection(pictures)
