"""Attention over the pixels of a feature map, steered by a query."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Conv2d, Module


class QueryAttentionGate(Module):
    r"""One attention gate of the thesis' Fig. 4.3: a global map and a query choose the pixels of a feature
    map that are worth reading.

    .. math::
        \mathbf{s} &= \mathbf{x} + \mathrm{ReLU}\left(\mathbf{W}_g \ast \mathrm{up}(\mathbf{g})\right)

        \boldsymbol{\alpha} &= \mathrm{softmax}_{yx}\left(\kappa \sum_c \mathrm{softmax}(\mathbf{q})_c
        \,(\mathbf{W}_a \ast \mathbf{s})_c\right), \qquad
        \mathbf{a} = \sum_{yx} \alpha_{yx} \mathbf{x}_{yx}

    up is bilinear with :obj:`align_corners=False`: a pixel of a pooled map is the center of the pixels that
    it was pooled from. Where :math:`\mathbf{g}` has the size of :math:`\mathbf{x}`, it is used as it is.

    Both convolutions are computed in forms that equal these equations exactly and cost much less:

    * :math:`\sum_c q_c (\mathbf{W}_a)_c \ast \mathbf{s}` is one convolution with the kernel
      :math:`\sum_c q_c (\mathbf{W}_a)_c`: the map of :obj:`attention_channels` is never made.
    * :math:`\mathbf{W}_g` mixes channels on the coarse grid, once a tap; upsampling, then shifting by the
      tap, is one matrix an axis.

    The bias of :math:`\mathbf{W}_a` shifts all pixels alike, so the softmax takes it out again. It is a
    parameter that stays zero, without a gradient.

    Args:
        channels (int): Channels of the feature map.
        global_channels (int): Channels of the global map.
        attention_channels (int): Size of the query.
        global_kernel (int, optional): Odd kernel size of :math:`\mathbf{W}_g`. (default: :obj:`3`)
        attention_kernel (int, optional): Odd kernel size of :math:`\mathbf{W}_a`. (default: :obj:`3`)
        attention_scale (float, optional): :math:`\kappa`. The mean of many randomly initialized channels
            hardly varies over the pixels, so with :math:`\kappa = 1`, the thesis' form, every gate starts
            as a plain mean over the image, and has to learn to look anywhere at all. (default: :obj:`1`)

    Shapes:
        - **input:** feature map :math:`(B, C, Y, X)`, global map :math:`(B, C_g, Y_g, X_g)`, query
          :math:`(B, A)`, further maps :math:`(P, Y, X)` that are averaged under the attention *(optional)*;
          the two maps may have a batch of one for all queries
        - **output:** :math:`(B, C)`, or :math:`(B, C + P)`
    """

    def __init__(
        self,
        channels: int,
        global_channels: int,
        attention_channels: int,
        global_kernel: int = 3,
        attention_kernel: int = 3,
        attention_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.global_channels = global_channels
        self.attention_channels = attention_channels
        self.attention_scale = attention_scale

        self.global_conv = Conv2d(global_channels, channels, global_kernel, padding=global_kernel // 2)
        self.attention_conv = Conv2d(
            channels, attention_channels, attention_kernel, padding=attention_kernel // 2
        )

        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.global_conv.reset_parameters()
        self.attention_conv.reset_parameters()
        torch.nn.init.zeros_(self.attention_conv.get_parameter("bias")).requires_grad_(False)

    def forward(self, x: Tensor, g: Tensor, query: Tensor, maps: Tensor | None = None) -> Tensor:
        s = x + self.lift(g, x.shape[-2:]).relu()
        alpha = self.attention(s, query).unsqueeze(1)
        out = torch.matmul(alpha, _pixels_first(x)).squeeze(1)
        out = out.to(alpha.dtype)
        if maps is not None:
            # Pixel coordinates would lose their last pixels to bfloat16.
            with torch.autocast(x.device.type, enabled=False):
                out = torch.cat([out, (alpha @ maps.flatten(1).T).squeeze(1)], dim=-1)
        return out

    def attention(self, s: Tensor, query: Tensor) -> Tensor:
        r"""Attention map :math:`\boldsymbol{\alpha}`, ``[B, Y * X]``, of the sum ``s`` under a query."""
        weight = self.attention_conv.weight
        kernel = self.attention_scale * query.softmax(dim=-1) @ weight.flatten(1)
        # fold spreads what a convolution gathers, so the taps are flipped.
        taps = kernel.unflatten(1, (weight.size(1), -1)).flip(-1).transpose(1, 2)
        score = F.fold(
            torch.matmul(_pixels_first(s), taps.transpose(1, 2)).transpose(1, 2),
            output_size=s.shape[-2:],
            kernel_size=self.attention_conv.kernel_size,
            padding=self.attention_conv.kernel_size[0] // 2,
        )
        return score.flatten(1).softmax(dim=-1, dtype=query.dtype)

    def lift(self, g: Tensor, size: torch.Size) -> Tensor:
        r""":math:`\mathbf{W}_g \ast \mathrm{up}(\mathbf{g})` at ``size``."""
        if g.shape[-2:] == size:
            return self.global_conv(g)
        weight, k = self.global_conv.weight, self.global_conv.kernel_size[0]
        mixed = F.conv2d(g, weight.permute(0, 2, 3, 1).reshape(-1, g.size(1), 1, 1))
        mixed = mixed.unflatten(1, (-1, k, k)).permute(0, 1, 2, 4, 3, 5).flatten(4).flatten(2, 3)
        rows, columns = (
            shifted_upsampling(n, m, k, g.device).to(g.dtype) for n, m in zip(g.shape[-2:], size, strict=True)
        )
        # Channels innermost, as the feature map has them: a sum of two layouts is slow.
        wide = (mixed @ columns.T).permute(0, 2, 3, 1)  # [B, K Yg, X, C]
        lifted = torch.matmul(rows, wide.flatten(2)).unflatten(2, wide.shape[2:])
        return (lifted + self.global_conv.get_parameter("bias")).permute(0, 3, 1, 2)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.channels}, {self.global_channels}, {self.attention_channels}, "
            f"global_kernel={self.global_conv.kernel_size[0]}, "
            f"attention_kernel={self.attention_conv.kernel_size[0]}, attention_scale={self.attention_scale})"
        )


def _pixels_first(x: Tensor) -> Tensor:
    """``[B, C, Y, X]`` as ``[B, Y * X, C]``, without a copy where the channels are innermost."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def shifted_upsampling(n: int, m: int, kernel_size: int, device: torch.device) -> Tensor:
    r"""Matrices that upsample ``n`` pixels to ``m`` bilinearly and shift the result by each tap of a kernel
    with "same" zero padding, side by side: ``[m, kernel_size * n]``, tap-major.
    """
    identity = torch.eye(n, dtype=torch.float64, device=device).unsqueeze(0)
    up = F.interpolate(identity, size=m, mode="linear", align_corners=False).squeeze(0).T
    half = kernel_size // 2
    padded = F.pad(up, (0, 0, half, half))
    return torch.cat([padded[t : t + m] for t in range(kernel_size)], dim=1)
