"""Positions of atoms by gradient through the simulator."""

from __future__ import annotations

import copy
import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.data.checks import check_island
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.chemistry import GeometryPrior
from torch_afm.prediction.refinement.completion import further_atoms
from torch_afm.prediction.refinement.groups import cut_group, split_groups
from torch_afm.prediction.refinement.images import SliceImages, nuisance_images
from torch_afm.prediction.refinement.instrument import Instrument, fit_instrument
from torch_afm.prediction.refinement.job import RefinementJob, State, Unknowns, fitted_tip
from torch_afm.prediction.refinement.levenberg import minimize
from torch_afm.prediction.refinement.objective import RefinementObjective
from torch_afm.prediction.refinement.result import RefinementResult
from torch_afm.prediction.refinement.scanner import ScannedModel, Scanner
from torch_afm.prediction.refinement.settings import RefinementSettings
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
    scanner: Scanner | None = None,
) -> RefinementResult:
    r"""Move the atoms of a molecule, or of all molecules of a scan, until their simulated stack agrees with
    the reference.

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

    Of a scan the scanner and the springs and depth of the probe are fitted first, where the settings say so,
    with the largest group of atoms (:class:`InstrumentObjective`): its result is that of all. An atom changes
    the image in a few Å around it, so more than 60 atoms are refined group by group (:func:`split_groups`),
    each with the tip held and the atoms within 8 Å of it where they are by then; each group is accepted or
    not by itself.

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
            together, and this brings them back. By default they stay where they are. Of a real scan the
            highest atom may be a wrong one: where the instrument is fitted, and of groups, the median atom
            comes back to where it was.
        scanner: the scanner, a guess where it is fitted; default one without fault.

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
    job = RefinementJob.from_inputs(data, context, stack, renderer, z_top, tip, settings)
    scanner = scanner or Scanner()
    groups = split_groups(data.pos.detach())
    if settings.fits_instrument:
        scanner, fitted, height = _instrument(
            job, data, context, groups[0], renderer, prior, settings, scanner
        )
        job = dataclasses.replace(job, given=State(job.given.data, fitted, height))
    model = ScannedModel(renderer, scanner)
    if len(groups) == 1:
        return _refine_group(job, data, context, model, prior, settings, starts, seed, top)
    return _refine_groups(job, data, context, groups, model, prior, settings, top)


def _instrument(
    job: RefinementJob,
    data: AFMData,
    context: AFMData | None,
    group: Tensor,
    renderer: ProbeParticleModel,
    prior: GeometryPrior | None,
    settings: RefinementSettings,
    scanner: Scanner,
) -> Instrument:
    """The instrument by the atoms of a group where they are, and again by where they are with that."""
    found = fit_instrument(job, group, renderer, settings, scanner)
    part, around = cut_group(
        data, AFMData.empty() if context is None else context, group, torch.empty(0).long(), settings
    )
    start = RefinementJob.from_inputs(
        part, around, job.reference[None, None], renderer, found.z_top, None, settings
    )
    start = dataclasses.replace(start, given=State(start.given.data, found.tip, found.z_top))
    model = ScannedModel(renderer, found.scanner)
    refined = _refine_group(start, part, around, model, prior, settings.positions_only(), 1, 0, None, False)
    if not refined.accepted:
        return found
    atoms = copy.copy(job.given.data)
    atoms.pos = atoms.pos.index_copy(0, group, refined.data.pos)
    moved = dataclasses.replace(job, given=job.given._replace(data=atoms))
    return fit_instrument(moved, group, renderer, settings, scanner)


def _refine_group(
    job: RefinementJob,
    data: AFMData,
    context: AFMData | None,
    renderer: ScannedModel,
    prior: GeometryPrior | None,
    settings: RefinementSettings,
    starts: int,
    seed: int,
    top: float | None,
    residual: bool = True,
) -> RefinementResult:
    """All atoms together; without the ``residual``, which is an image of the whole scan, where nobody asks
    for that of a part of the atoms."""
    given = job
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
            risen = state.data.pos[: job.n, 2] - given.given.data.pos[: job.n, 2]
            by = (
                -float(risen.median())
                if settings.fits_instrument
                else top - float(state.data.pos[highest, 2])
            )
            state = _lifted(state, by)
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
        residual=_residual(renderer, state, job.reference, settings.plane) if residual else job.reference[:0],
        tip=fitted_tip(state.tip),
        z_top=state.z_top,
        scanner=renderer.scanner,
        starts=tried,
    )


def _refine_groups(
    job: RefinementJob,
    data: AFMData,
    context: AFMData | None,
    groups: list[Tensor],
    renderer: ScannedModel,
    prior: GeometryPrior | None,
    settings: RefinementSettings,
    top: float | None,
) -> RefinementResult:
    """Group after group, each among those around it, as they are by then; the tip is common to all."""
    held = settings.positions_only()
    whole, deep = copy.copy(data), AFMData.empty() if context is None else copy.copy(context)
    for part, given in ((whole, job.given.data.charge[: job.n]), (deep, job.given.data.charge[job.n :])):
        part.pos, part.charge = part.pos.detach().clone(), given.clone()
    sigma = job.sigma.clone()
    nearest = torch.cdist(deep.pos[:, :2], whole.pos[:, :2]).argmin(dim=1)
    owner = torch.empty(len(whole.z), dtype=torch.long)
    for k, group in enumerate(groups):
        owner[group] = k
    results, accepted = [], 0
    for k, group in enumerate(groups):
        below = (owner[nearest] == k).nonzero().flatten()
        part, around = cut_group(whole, deep, group, below, settings)
        start = RefinementJob.from_inputs(
            part, around, job.reference[None, None], renderer, job.given.z_top, None, held
        )
        start = dataclasses.replace(start, given=job.given._replace(data=start.given.data))
        found = _refine_group(start, part, around, renderer, prior, held, 1, 0, None, False)
        results.append(found)
        if not found.accepted:
            continue
        accepted += 1
        whole.pos[group], whole.charge[group], sigma[group] = (
            found.data.pos,
            found.data.charge,
            found.data.sigma,
        )
        n = len(below)
        deep.pos[below], deep.charge[below] = found.context.pos[:n], found.context.charge[:n]
        sigma[job.n + below] = found.context.sigma[:n]
    state = State(_graph(whole, deep), job.given.tip, job.given.z_top)
    if top is not None and accepted:
        risen = state.data.pos[: job.n, 2] - data.pos[:, 2]
        state = _lifted(state, -float(risen.median()))
    reasons = list(dict.fromkeys(result.reason for result in results if not result.accepted))
    reason = f"the refinement was accepted of {accepted} of {len(groups)} groups of atoms"
    kept = state if accepted else job.given
    return RefinementResult(
        data=_moved(data, kept, sigma, slice(0, job.n)),
        context=_moved(deep, kept, sigma, slice(job.n, None)),
        added=results[0].added,
        start=data,
        accepted=accepted > 0,
        reason="; ".join([reason, *reasons[:1]]),
        loss_before=float(np.mean([result.loss_before for result in results])),
        loss_after=float(np.mean([result.loss_after for result in results])),
        objective=(sum(r.objective[0] for r in results), sum(r.objective[1] for r in results)),
        trajectory=torch.stack([data.pos.detach(), kept.data.pos[: job.n]]),
        sigma=sigma[: job.n],
        residual=_residual(renderer, kept, job.reference, settings.plane),
        tip=fitted_tip(kept.tip),
        z_top=kept.z_top,
        scanner=renderer.scanner,
        starts=1,
    )


def _graph(data: AFMData, context: AFMData) -> AFMData:
    """All atoms, those of the context last."""
    keys = ("z", "pos", "charge")
    atoms = AFMData(**{key: torch.cat([data[key], context[key].to(data[key])]) for key in keys})
    atoms.edge_index = covalent_bonds(atoms.z, atoms.pos)
    return atoms


def _fit(
    job: RefinementJob,
    unknowns: Unknowns,
    x: Tensor,
    renderer: ScannedModel,
    prior: GeometryPrior | None,
    settings: RefinementSettings,
) -> _Fit:
    """All stages from ``x`` on."""
    trajectory = [unknowns.state(x).data.pos[: job.n]]

    def visit(point: Tensor, _: float) -> None:
        trajectory.append(unknowns.state(point).data.pos[: job.n])

    box = job.box()
    for stage in settings.stages:
        images = SliceImages(renderer.scan, settings.stride, box, stage.slices, stage.blur, settings.plane)
        nuisance = None
        if job.has_nuisance:
            hidden = _HIDDEN_MEAN, max(settings.hidden_sigma, 1e-6)
            here = unknowns.state(x)
            nuisance = nuisance_images(renderer, here, images.pixels, job.sites, hidden, job.elements)
        reference = images.normalize(images.pick(job.reference))
        objective = RefinementObjective(
            unknowns, renderer, images, reference, nuisance, prior, settings.observations, settings.floor
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
def _residual(renderer: ScannedModel, state: State, reference: Tensor, plane: bool) -> Tensor:
    whole = SliceImages(renderer.scan, plane=plane)
    simulated = renderer(state.data, tip=state.tip, z_top=state.z_top)[0, 0]
    parts = [whole.normalize(stack.flatten(1)) for stack in (simulated, reference)]
    return (parts[0] - parts[1]).reshape(renderer.scan.shape)


def _bistable(renderer: ScannedModel, state: State, pixels: Tensor) -> bool:
    """Whether a nudge of the tip makes any pixel jump."""
    images = [
        renderer(state.data, tip=state.tip, z_top=state.z_top + dz, pixels=pixels)[0, 0]
        for dz in (0.0, _NUDGE)
    ]
    change = (images[1] - images[0]).abs().amax(dim=1)
    return bool((change > _JUMP * images[0].std(dim=1)).any())
