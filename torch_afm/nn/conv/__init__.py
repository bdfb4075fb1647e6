"""Message passing layers."""

from torch_afm.nn.conv.recurrent_relational_conv import RecurrentRelationalConv

__all__ = ["RecurrentRelationalConv"]
