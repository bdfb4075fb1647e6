"""The result of a refinement."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.prediction.refinement.scanner import Scanner


@dataclass(frozen=True)
class RefinementResult:
    r"""A refined molecule, how it came about, and how sure it is.

    Args:
        data: the molecule: that of the fit where it was accepted, else the start. ``sigma`` are the standard
            deviations of the result.
        context: the atoms that took part but are not asked for, likewise.
        added: atoms that neither had and the images ask for, likewise; carbon stands for all but hydrogen.
        start: what went in.
        accepted: whether ``data`` is the fitted molecule.
        reason: in words, what decided that.
        loss_before: mean squared difference of the normalized slices, compared pixels only, as the last stage
            sees them, at the start.
        loss_after: the same of the fit, whether taken or not, with the images of what may be missing.
        objective: the objective of the last stage at the start and at the fit.
        trajectory: positions after every step of the fit, the start first.
        sigma: standard deviations of the positions of ``data`` in Å: of the posterior, from the curvature of
            the objective, where the fit was accepted, else those of the start.
        residual: difference of the normalized slices of ``data`` and of the reference.
        tip: the fitted tip, or the given one.
        z_top: fitted first anchor height in Å, or the given one.
        scanner: the fitted scanner, or one without fault: positions are those that it tells.
        starts: how many starts were tried.

    Shapes:
        trajectory ``[T, N, 3]``, sigma ``[N, 3]``, residual ``[Z, Y, X]``.
    """

    data: AFMData
    context: AFMData
    added: AFMData
    start: AFMData
    accepted: bool
    reason: str
    loss_before: float
    loss_after: float
    objective: tuple[float, float]
    trajectory: Tensor
    sigma: Tensor
    residual: Tensor
    tip: Tip
    z_top: float
    scanner: Scanner
    starts: int

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, without the residual; the trajectory as it is."""
        return {
            "atoms": _listed(self.data, self.sigma),
            "context": _listed(self.context, self.context.sigma),
            "added": _listed(self.added, self.added.sigma),
            "start": self.start.pos.tolist(),
            "accepted": self.accepted,
            "reason": self.reason,
            "loss_before": self.loss_before,
            "loss_after": self.loss_after,
            "objective": list(self.objective),
            "trajectory": self.trajectory.tolist(),
            "tip": asdict(self.tip),
            "z_top": self.z_top,
            "scanner": asdict(self.scanner),
            "starts": self.starts,
        }


def _listed(data: AFMData, sigma: Tensor) -> list[dict[str, Any]]:
    return [
        {"element": symbol(z), "pos": pos, "charge": charge, "sigma": width}
        for z, pos, charge, width in zip(
            data.z.tolist(), data.pos.tolist(), data.charge.tolist(), sigma.tolist(), strict=True
        )
    ]
