"""The objective of a refinement: misfit of the images, geometry prior and priors of the unknowns."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.chemistry import GeometryPrior
from torch_afm.prediction.refinement.images import Nuisance, SliceImages
from torch_afm.prediction.refinement.job import Unknowns
from torch_afm.prediction.refinement.levenberg import Expansion
from torch_afm.prediction.refinement.scanner import ScannedModel

#: Å: farthest that a step may move an atom, for the Jacobian holds no farther.
_MAX_MOVE = 0.3
#: Residual of a normalized slice from which on it counts linearly.
_WIDTH = 1.0


class RefinementObjective:
    r"""The negative logarithm of a posterior density,

    .. math::
        E(x) = \frac{M}{2S} \sum_s \log\left(s_0^2 + \langle \rho(r_s) \rangle\right)
            + E_\mathrm{geometry} + \tfrac12 |x|^2 , \qquad
        r_s = n(\Delta f_s(x)) - n(\Delta f^\mathrm{ref}_s) ,

    with normalized slices n (:class:`SliceImages`), :math:`\rho(r) = 2 δ^2 (\sqrt{1 + r^2/δ^2} - 1)`, δ = 1
    (Charbonnier et al., ICIP 2, 168 (1994)), averaged over the pixels of a slice, and the geometry prior. The
    logarithm is what is left of a Gaussian likelihood of unknown noise in each slice when the noise is
    maximized out: a simulation that explains the stack badly, whatever the reason, weighs less against the
    priors. M is the number of independent observations that a stack counts for.

    Args:
        unknowns: what is fitted.
        renderer: simulator.
        images: pixels, slices and blur.
        reference: normalized reference, by ``images``.
        nuisance: images of what may be missing, or ``None``.
        prior: the geometry prior, or ``None``.
        observations: M.
        floor: :math:`s_0`, the noise that no slice is believed to stay below.
    """

    def __init__(
        self,
        unknowns: Unknowns,
        renderer: ProbeParticleModel | ScannedModel,
        images: SliceImages,
        reference: Tensor,
        nuisance: Nuisance | None,
        prior: GeometryPrior | None,
        observations: float,
        floor: float,
    ) -> None:
        self.unknowns, self.renderer, self.images = unknowns, renderer, images
        self.reference, self.nuisance, self.prior = reference, nuisance, prior
        self.observations, self.floor = observations, floor

    def value(self, x: Tensor) -> float:
        """E at ``x`` ``[K]``."""
        residual = self.residual(x)
        value = float(self._image(residual)[0]) + 0.5 * float(x.square().sum())
        return value + (0.0 if self.prior is None else self._geometry(x, self.prior)[0])

    def expand(self, x: Tensor) -> Expansion:
        """E, its gradient and its Gauss-Newton curvature at ``x``; held entries have neither."""
        u = self.unknowns
        _, image, slope = self._linearized(x)
        residual = image - self.reference
        value, weight = self._image(residual)
        flat = slope.flatten(0, 1)
        weighted = (flat * weight.reshape(-1, 1)).T
        gradient = torch.zeros_like(x)
        curvature = torch.eye(len(x), dtype=x.dtype)
        gradient[u.free] = (weighted @ residual.reshape(-1)).double()
        curvature[u.free.outer(u.free)] += (weighted @ flat).double().reshape(-1)
        gradient += x
        total = float(value) + 0.5 * float(x.square().sum())
        if self.prior is not None:
            energy, pull, curved = self._geometry(x, self.prior)
            total += energy
            gradient[: u.n_pos] += pull
            curvature[: u.n_pos, : u.n_pos] += curved
        return Expansion(total, gradient * u.free, curvature)

    def quadratic(self, x: Tensor) -> QuadraticModel:
        """What E would be with other stacks than that of ``x``, near it, the geometry prior left out."""
        stack, image, slope = self._linearized(x)
        _, weight = self._image(image - self.reference)
        return QuadraticModel(self, stack, slope.flatten(0, 1), weight.reshape(-1, 1), x)

    def shorten(self, step: Tensor) -> Tensor:
        """``step``, so short that no atom moves more than 0.3 Å."""
        pos = (step * self.unknowns.scale)[: self.unknowns.n_pos].reshape(-1, 3)
        far = float(pos.norm(dim=1).max()) if len(pos) else 0.0
        return step * min(1.0, _MAX_MOVE / max(far, 1e-12))

    def residual(self, x: Tensor) -> Tensor:
        """r of the compared pixels, ``[S, P]``, what may be missing included."""
        data, tip, z_top = self.unknowns.state(x)
        top = torch.tensor([z_top], dtype=torch.float64)
        stack = self.renderer(data, tip=tip, z_top=top, pixels=self.images.pixels)[0, 0]
        return self.images.normalize(stack + self._missing(x)) - self.reference

    def _linearized(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Stack ``[Z, P]`` in Hz of the atoms, its normalized image with what may be missing ``[S, P]``, and
        the slope of that in the free unknowns ``[S, P, K]``."""
        u = self.unknowns
        data, tip, z_top = u.state(x)
        top = torch.tensor([z_top], dtype=torch.float64)
        linear = self.renderer.jacobian(data, tip, top, self.images.pixels)
        parts = [linear.pos.flatten(2), linear.charge, linear.tilt, linear.z_top.unsqueeze(2)]
        columns = torch.cat(parts, dim=2) * u.scale[: sum(u.sizes[:4])].float()
        if self.nuisance is not None:
            columns = torch.cat([columns, self.nuisance.images], dim=2)
        image, slope = self.images.linearize(linear.stack + self._missing(x), columns[..., u.free])
        return linear.stack, image, slope

    def _missing(self, x: Tensor) -> Tensor | float:
        return 0.0 if self.nuisance is None else self.nuisance.stack(self.unknowns.weights(x))

    def _image(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """The first term, and the weight of each squared residual in its quadratic model."""
        root = (1 + (residual / _WIDTH).square()).sqrt()
        mean = (2 * _WIDTH**2 * (root - 1)).mean(1) + self.floor**2
        per_slice = self.observations / len(residual)
        weight = per_slice / mean.unsqueeze(1) / residual.shape[1] / root
        return 0.5 * per_slice * mean.log().sum(), weight

    def _geometry(self, x: Tensor, prior: GeometryPrior) -> tuple[float, Tensor, Tensor]:
        """Energy of the prior, and its gradient and curvature in the entries that are coordinates."""
        u, data = self.unknowns, self.unknowns.start.data
        pos = data.pos.double() + (x * u.scale)[: u.n_pos].reshape(-1, 3)
        residuals, slope = prior.linearize(data.z, pos, data.edge_index)
        slope = slope.flatten(1) * u.scale[: u.n_pos]
        return 0.5 * float(residuals.square().sum()), slope.T @ residuals, slope.T @ slope


class QuadraticModel:
    """E of :class:`RefinementObjective` around a point, for stacks that differ from the one there.

    Args:
        objective: E, without its geometry prior.
        stack: stack at the point in Hz.
        slope: of the normalized images.
        weight: of their squared residuals.
        x: the point.

    Shapes:
        stack ``[Z, P]``, slope ``[S * P, K]``, weight ``[S * P, 1]``, x ``[K]``.
    """

    def __init__(
        self, objective: RefinementObjective, stack: Tensor, slope: Tensor, weight: Tensor, x: Tensor
    ) -> None:
        self.objective, self.stack, self.slope = objective, stack, slope
        self.missing, self.x = objective._missing(x), x[objective.unknowns.free]
        self._weighted = (slope * weight).T
        curvature = (self._weighted @ slope).double() + torch.eye(len(self.x), dtype=torch.float64)
        self._factor = torch.linalg.cholesky(curvature)

    def minimum(self, stack: Tensor) -> float:
        """The smallest E that one step of the unknowns makes of another stack ``[Z, P]``."""
        residual = self.objective.images.normalize(stack + self.missing) - self.objective.reference
        gradient = (self._weighted @ residual.reshape(-1)).double() + self.x
        step = -torch.cholesky_solve(gradient[:, None], self._factor)[:, 0]
        moved = residual + (self.slope @ step.float()).reshape(residual.shape)
        return float(self.objective._image(moved)[0]) + 0.5 * float((self.x + step).square().sum())
