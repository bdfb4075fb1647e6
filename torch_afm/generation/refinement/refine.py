"""Positions of atoms by gradient through the simulator."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.data.checks import check_island
from torch_afm.generation.chemistry import GeometryPrior
from torch_afm.generation.refinement.completion import further_atoms
from torch_afm.generation.refinement.images import SliceImages, nuisance_images
from torch_afm.generation.refinement.job import RefinementJob, State, Unknowns, fitted_tip
from torch_afm.generation.refinement.levenberg import minimize
from torch_afm.generation.refinement.objective import RefinementObjective
from torch_afm.generation.refinement.result import RefinementResult
from torch_afm.generation.refinement.settings import RefinementSettings
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError

#: Å: deviation of what the curvature cannot tell, atoms that hide; with it errors of validation molecules are
#: as large as their deviations, root mean square over all coordinates.
_UNSEEN = 0.03
#: Mean share of an atom at each site below the graph, and the gain in the objective below which a stage ends.
_HIDDEN_MEAN, _TOLERANCE = 0.15, 0.02
#: Spread of further starts, in standard deviations of the prior.
_SPREAD = 0.7
#: A nudge in Å, and how much of the contrast of a slice a pixel may change by it where the probe is stable.
_NUDGE, _JUMP = 1e-3, 0.05


class _Fit(NamedTuple):
    x: Tensor
    objective: RefinementObjective
    values: tuple[float, float]
    trajectory: list[Tensor]


def refine(
    data: AFMData,
    stack: Tensor,
    renderer: ProbeParticleModel,
    z_top: float,
    tip: Tip | None = None,
    context: AFMData | None = None,
    prior: GeometryPrior | None = None,
    settings: RefinementSettings | None = None,
    starts: int = 1,
    seed: int = 0,
    top: float | None = None,
) -> RefinementResult:
    r"""Move the atoms of a molecule until its simulated stack agrees with the reference.

    The objective is that of :class:`RefinementObjective`: normalized slices, so that scans in arbitrary units
    and with drifting offsets work; the standard deviations of the start (``data.sigma``, as the network
    predicts them) as prior of the positions; priors of charges, tilt and height of the tip; and a geometry
    prior. It is minimized by Levenberg's and Marquardt's method with the analytic Jacobian of the simulator
    (:meth:`torch_afm.ppm.ProbeParticleModel.jacobian`), stage after stage: far slices before near ones,
    blurred before sharp.

    What the graph lacks must not move what it has (Hapala et al., PRB 90, 085421 (2014), model the image of
    all atoms; a molecule without those below the surface cut cannot explain its stack). So atoms of
    ``context`` are moved like the others; atoms that nobody predicted, and other elements than predicted,
    enter to first order, as weights of their images with priors of their own (:func:`nuisance_images`); and
    those at open bonds that explain the stack far better than that are added, round after round
    (:func:`further_atoms`).

    Args:
        data: molecule to refine, with ``z`` and ``pos`` [Å], and ``charge`` [e] and ``sigma`` [Å], where
            known; bonds that the prior holds are ``edge_index``, by default :func:`covalent_bonds`.
        stack: reference, in Hz or any unit that is linear in it.
        renderer: simulator with the scan of the reference.
        z_top: first anchor height of the reference in Å, in the frame of ``data``; a guess where it is
            fitted.
        tip: the tip, or a guess of it; default the renderer's.
        context: further atoms that the image shows, in the form of ``data``.
        prior: geometry prior; none by default.
        settings: what is fitted and how.
        starts: starts tried where the probe is bistable somewhere, the given one and draws around it.
        seed: of these draws.
        top: height in Å that the highest atom of the result is to have. The image tells how far the tip is
            from the atoms and not how high both are: where the height of the tip is fitted, they drift
            together, and this brings them back. By default they stay where they are.

    Shapes:
        stack ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a stack of another shape than the renderer's scan or that is not finite or without
            contrast, and for a molecule without atoms, with NaN or of wrong shapes, periodic or with a
            potential on a grid.
    """
    settings = settings or RefinementSettings()
    if starts < 1:
        raise InputError(f"starts: expected 1 or more, got {starts}")
    for name, graph in (("data", data), ("context", context)):
        if graph is not None:
            check_island(name, graph)
    given = job = RefinementJob.from_inputs(data, context, stack, renderer, z_top, tip, settings)
    unknowns = job.unknowns(settings)
    origin = torch.zeros(len(unknowns.scale), dtype=torch.float64)
    best, tried = _fit(job, unknowns, origin, renderer, prior, settings), 1
    before = float(best.objective.residual(origin).square().mean())
    for _ in range(settings.completions):
        further = further_atoms(best.objective, best.x)
        if not len(further.z):
            break
        job = job.extended(further, settings)
        unknowns = job.unknowns(settings)
        origin = torch.zeros(len(unknowns.scale), dtype=torch.float64)
        best = _fit(job, unknowns, origin, renderer, prior, settings)
    if starts > 1 and _bistable(renderer, unknowns.state(best.x), best.objective.images.pixels):
        generator, tried = torch.Generator().manual_seed(seed), starts
        for _ in range(1, starts):
            draw = origin.clone()
            draw[: unknowns.n_pos] = _SPREAD * torch.randn(unknowns.n_pos, generator=generator)
            other = _fit(job, unknowns, draw * unknowns.free, renderer, prior, settings)
            best = min(best, other, key=lambda f: f.values[1])
    after = float(best.objective.residual(best.x).square().mean())
    gain = 1 - after / before if before > 0 else 0.0
    moved = best.x[: 3 * job.n][unknowns.free[: 3 * job.n]]
    shift = float(moved.square().mean().sqrt()) if len(moved) else 0.0
    fine = gain >= settings.min_gain and shift <= settings.max_shift
    accepted = fine and best.values[1] < best.values[0]
    state, sigma = given.given, given.sigma
    if accepted:
        state = unknowns.state(best.x)
        highest = int(state.data.pos[: job.n, 2].argmax())
        unseen = _UNSEEN if job.has_nuisance else 0.0
        sigma = _spread(best, unknowns, None if top is None else highest).square().add(unseen**2).sqrt()
        sigma = sigma.masked_fill(job.sigma == 0, 0.0)  # held
        if top is not None:
            state = _lifted(state, top - float(state.data.pos[highest, 2]))
            best.trajectory.append(state.data.pos[: job.n])
    n_given = len(given.sigma)
    added = AFMData(z=state.data.z[n_given:])
    reason = (
        f"the mean squared difference of the images fell by {100 * gain:.0f} %, where "
        f"{100 * settings.min_gain:.0f} % are asked, and the atoms moved by {shift:.2f} standard "
        f"deviations, where {settings.max_shift:g} are allowed"
    )
    return RefinementResult(
        data=_moved(data, state, sigma, slice(0, job.n)),
        context=_moved(AFMData.empty() if context is None else context, state, sigma, slice(job.n, n_given)),
        added=_moved(added, state, sigma, slice(n_given, None)),
        start=data,
        accepted=accepted,
        reason=reason,
        loss_before=before,
        loss_after=after,
        objective=best.values,
        trajectory=torch.stack(best.trajectory),
        sigma=sigma[: job.n],
        residual=_residual(renderer, state, job.reference),
        tip=fitted_tip(state.tip),
        z_top=state.z_top,
        starts=tried,
    )


def _fit(
    job: RefinementJob,
    unknowns: Unknowns,
    x: Tensor,
    renderer: ProbeParticleModel,
    prior: GeometryPrior | None,
    settings: RefinementSettings,
) -> _Fit:
    """All stages from ``x`` on."""
    trajectory = [unknowns.state(x).data.pos[: job.n]]

    def visit(point: Tensor, _: float) -> None:
        trajectory.append(unknowns.state(point).data.pos[: job.n])

    box = job.box()
    for stage in settings.stages:
        images = SliceImages(renderer.scan, settings.stride, box, stage.slices, stage.blur)
        nuisance = None
        if job.has_nuisance:
            hidden = _HIDDEN_MEAN, max(settings.hidden_sigma, 1e-6)
            here = unknowns.state(x)
            nuisance = nuisance_images(renderer, here, images.pixels, job.sites, hidden, job.elements)
        reference = images.normalize(images.pick(job.reference))
        objective = RefinementObjective(
            unknowns, renderer, images, reference, nuisance, prior, settings.looks, settings.floor
        )
        x = minimize(objective, x, stage.iterations, _TOLERANCE, visit)
    values = objective.value(torch.zeros_like(x)), objective.value(x)
    return _Fit(x, objective, values, trajectory)


def _spread(fit: _Fit, unknowns: Unknowns, top: int | None) -> Tensor:
    """Standard deviations of the positions, ``[N, 3]`` Å: of a Gaussian with the curvature of the objective,
    all other unknowns left free; with heights as differences to that of the atom ``top``, if there is one."""
    free = unknowns.free
    curvature = fit.objective.expand(fit.x).curvature[free][:, free]
    covariance = torch.zeros(len(free), len(free), dtype=torch.float64)
    covariance[free.outer(free)] = torch.linalg.inv(curvature).reshape(-1)
    n = unknowns.n_pos
    covariance = covariance[:n, :n] * unknowns.scale[:n].outer(unknowns.scale[:n])
    if top is not None:
        change = torch.eye(n, dtype=torch.float64)
        change[2::3, 3 * top + 2] -= 1
        covariance = change @ covariance @ change.T
    return covariance.diagonal().clamp(min=0).sqrt().reshape(-1, 3).float()


def _lifted(state: State, by: float) -> State:
    """Atoms and tip ``by`` Å higher."""
    data = copy.copy(state.data)
    data.pos = data.pos + data.pos.new_tensor([0.0, 0.0, by])
    return state._replace(data=data, z_top=state.z_top + by)


def _moved(data: AFMData, state: State, sigma: Tensor, part: slice) -> AFMData:
    """``data`` with the positions and charges of part of the atoms of ``state``."""
    moved = copy.copy(data)
    moved.pos, moved.charge, moved.sigma = state.data.pos[part], state.data.charge[part], sigma[part]
    moved.edge_index = covalent_bonds(moved.z, moved.pos)
    return moved


@torch.no_grad()
def _residual(renderer: ProbeParticleModel, state: State, reference: Tensor) -> Tensor:
    whole = SliceImages(renderer.scan)
    simulated = renderer(state.data, tip=state.tip, z_top=state.z_top)[0, 0]
    parts = [whole.normalize(stack.flatten(1)) for stack in (simulated, reference)]
    return (parts[0] - parts[1]).reshape(renderer.scan.shape)


def _bistable(renderer: ProbeParticleModel, state: State, pixels: Tensor) -> bool:
    """Whether a nudge of the tip makes any pixel jump."""
    images = [
        renderer(state.data, tip=state.tip, z_top=state.z_top + dz, pixels=pixels)[0, 0]
        for dz in (0.0, _NUDGE)
    ]
    change = (images[1] - images[0]).abs().amax(dim=1)
    return bool((change > _JUMP * images[0].std(dim=1)).any())
