"""What every backbone gives: levels at four strides, and the one map that the heads read."""

from __future__ import annotations

from torch import Tensor, nn


class Backbone(nn.Module):
    """Normalised image [B,3,H,W] -> F_shared [B,channels,H/4,W/4].

    channels: of F_shared. widths: channels of the levels at stride 4, 8, 16 and 32.
    """

    channels: int
    widths: tuple[int, ...]

    def levels(self, image: Tensor) -> list[Tensor]:
        """Level i of the image: [B,widths[i],H/2^(2+i),W/2^(2+i)]."""
        raise NotImplementedError

    def share(self, levels: list[Tensor]) -> Tensor:
        """F_shared of what `levels` gave."""
        raise NotImplementedError

    def forward(self, image: Tensor) -> Tensor:
        return self.share(self.levels(image))
