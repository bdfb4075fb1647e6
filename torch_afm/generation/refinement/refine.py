"""Positions of atoms by gradient through the simulator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.generation.physics import GeometryPrior
from torch_afm.generation.refinement.image import Box, SliceImages
from torch_afm.generation.refinement.levenberg import minimize
from torch_afm.generation.refinement.nuisance import hidden_sites, nuisance_images
from torch_afm.generation.refinement.objective import RefinementObjective
from torch_afm.generation.refinement.result import RefinementResult
from torch_afm.generation.refinement.settings import RefinementSettings
from torch_afm.generation.refinement.unknowns import State, Unknowns, fitted_tip
from torch_afm.ppm import Renderer, TipParameters
from torch_afm.utils import InputError, check_finite, check_shape

#: Å: least standard deviation of a position that is believed.
_LEAST_SIGMA = 0.03
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
    renderer: Renderer,
    z_top: float,
    tip: Tip | None = None,
    context: AFMData | None = None,
    prior: GeometryPrior | None = None,
    settings: RefinementSettings | None = None,
    starts: int = 1,
    seed: int = 0,
) -> RefinementResult:
    r"""Move the atoms of a molecule until its simulated stack agrees with the reference.

    The objective is that of :class:`RefinementObjective`: normalised slices, so that scans in arbitrary units
    and with drifting offsets work; the standard deviations of the start (``data.sigma``, as the network
    predicts them) as prior of the positions; priors of charges, tilt and height of the tip; and a geometry
    prior. It is minimised by Levenberg's and Marquardt's method with the analytic Jacobian of the simulator
    (:func:`stack_jacobian`), stage after stage: far slices before near ones, blurred before sharp.

    What the graph lacks must not move what it has (Hapala et al., PRB 90, 085421 (2014), model the image of
    all atoms; a molecule without those below the surface cut cannot explain its stack). So atoms of
    ``context`` are moved like the others; and atoms that nobody predicted, and other elements than predicted,
    enter to first order, as weights of their images with priors of their own (:func:`nuisance_images`).

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

    Shapes:
        stack ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a stack of another shape than the renderer's scan or that is not finite or without
            contrast, and for a molecule without atoms, with NaN or of wrong shapes.
    """
    settings = settings or RefinementSettings()
    _check(data, stack, renderer, z_top, starts)
    n = len(data.z)
    whole, sigma = _joined(data, context, settings)
    given = State(whole, TipParameters.from_tips([tip or renderer.tip]), float(z_top))
    reference = stack[0, 0].float()
    box = _box(whole.pos, settings.margin)
    sites = _sites(whole.pos, settings)
    elements = _doubt(data, context, settings)
    images = [SliceImages(renderer.scan, settings.stride, box, s.slices, s.blur) for s in settings.stages]
    wanted = [i.normalize(i.pick(reference)) for i in images]

    def fit(x: Tensor) -> _Fit:
        trajectory = [given.data.pos[:n]]

        def visit(point: Tensor, _: float) -> None:
            trajectory.append(unknowns.state(point).data.pos[:n])

        for stage, image, target in zip(settings.stages, images, wanted, strict=True):
            state = unknowns.state(x)
            nuisance = None
            if len(sites) or bool((elements > 0).any()):
                hidden = settings.hidden_mean, settings.hidden_sigma
                nuisance = nuisance_images(renderer, state, image.pixels, sites, hidden, elements)
            numbers = settings.looks, settings.floor, settings.width
            objective = RefinementObjective(unknowns, renderer, image, target, nuisance, prior, *numbers)
            x = minimize(objective, x, stage.iterations, settings.tolerance, visit)
        values = objective.value(torch.zeros_like(x)), objective.value(x)
        return _Fit(x, objective, values, trajectory)

    count = len(sites) + 2 * int(((whole.z > 1) & (elements > 0)).sum())
    unknowns = Unknowns(
        given, sigma, settings.charge_sigma, settings.tilt_sigma, settings.distance_sigma, count
    )
    origin = torch.zeros(len(unknowns.scale), dtype=torch.float64)
    best = fit(origin)
    tried = 1
    if starts > 1 and _bistable(renderer, unknowns.state(best.x), images[-1].pixels):
        generator = torch.Generator().manual_seed(seed)
        tried = starts
        for _ in range(1, starts):
            draw = _SPREAD * torch.randn(unknowns.n_pos, generator=generator, dtype=torch.float64)
            other = fit(torch.cat([draw, origin[unknowns.n_pos :]]))
            best = min(best, other, key=lambda f: f.values[1])
    return _result(data, n, given, unknowns, best, reference, renderer, settings, sigma, tried)


def _result(
    data: AFMData,
    n: int,
    given: State,
    unknowns: Unknowns,
    fit: _Fit,
    reference: Tensor,
    renderer: Renderer,
    settings: RefinementSettings,
    sigma: Tensor,
    tried: int,
) -> RefinementResult:
    x, objective = fit.x, fit.objective
    before, after = (float(objective.residual(point).square().mean()) for point in (torch.zeros_like(x), x))
    gain = 1 - after / before if before > 0 else 0.0
    helped = fit.values[1] < fit.values[0] and gain >= settings.least_gain
    why = (
        f"the image residual fell by {100 * gain:.0f} %, of which {100 * settings.least_gain:.0f} % are asked"
    )
    state = given
    if helped:
        state = unknowns.state(x)
        curvature = objective.expand(x).curvature[unknowns.free][:, unknowns.free]
        spread = torch.zeros_like(x)
        spread[unknowns.free] = torch.linalg.inv(curvature).diagonal().clamp(min=0).sqrt()
        sigma = (spread * unknowns.scale)[: unknowns.n_pos].reshape(-1, 3).float()
    everything = SliceImages(renderer.scan)
    simulated = renderer.render(state.data, tip=state.tip, z_top=state.z_top)[0, 0].flatten(1)
    residual = everything.normalize(simulated) - everything.normalize(reference.flatten(1))
    return RefinementResult(
        data=_part(state.data, sigma, slice(0, n)),
        context=_part(state.data, sigma, slice(n, None)),
        start=data,
        helped=helped,
        why=why,
        loss_before=before,
        loss_after=after,
        objective=fit.values,
        trajectory=torch.stack(fit.trajectory),
        sigma=sigma[:n],
        residual=residual.reshape(renderer.scan.shape),
        tip=fitted_tip(state.tip),
        z_top=state.z_top,
        starts=tried,
    )


def _part(data: AFMData, sigma: Tensor, part: slice) -> AFMData:
    z, pos = data.z[part], data.pos[part]
    return AFMData(
        z=z, pos=pos, charge=data.charge[part], edge_index=covalent_bonds(z, pos), sigma=sigma[part]
    )


def _joined(data: AFMData, context: AFMData | None, settings: RefinementSettings) -> tuple[AFMData, Tensor]:
    """All atoms as one graph, and the standard deviations of their positions."""
    parts = [data] if context is None else [data, context]
    z = torch.cat([p.z for p in parts])
    pos = torch.cat([p.pos.detach().float() for p in parts])
    charge = torch.cat([p.charge.float() if "charge" in p else p.pos.new_zeros(len(p.z)) for p in parts])
    sigma = torch.cat(
        [p.sigma.float() if "sigma" in p else torch.full((len(p.z), 3), settings.pos_sigma) for p in parts]
    )
    check_finite("sigma", sigma)
    check_shape("sigma", sigma, (len(z), 3))
    edge_index = data.edge_index if context is None and "edge_index" in data else covalent_bonds(z, pos)
    held = sigma == 0
    sigma = (sigma * settings.sigma_scale).clamp(min=_LEAST_SIGMA).masked_fill(held, 0.0)
    return AFMData(z=z, pos=pos, charge=charge, edge_index=edge_index), sigma


def _doubt(data: AFMData, context: AFMData | None, settings: RefinementSettings) -> Tensor:
    """Standard deviation of the share of each atom that is another element: less where the class of an atom
    is an element and sure."""
    widths = []
    for part in (data,) if context is None else (data, context):
        width = torch.full((len(part.z),), settings.element_sigma)
        probability = part.get("class_probabilities")
        if probability is not None and probability.shape[1] > 2:
            width = width * (1 - probability.amax(dim=1)).clamp(min=0).sqrt()
        widths.append(width)
    return torch.cat(widths)


def _sites(pos: Tensor, settings: RefinementSettings) -> Tensor:
    if settings.hidden_sigma == 0:
        return torch.empty(0, 3)
    return hidden_sites(pos, settings.hidden_depths, settings.hidden_spacing)


def _box(pos: Tensor, margin: float) -> Box:
    low, high = (pos[:, :2].amin(0) - margin).tolist(), (pos[:, :2].amax(0) + margin).tolist()
    return (low[0], high[0]), (low[1], high[1])


def _bistable(renderer: Renderer, state: State, pixels: Tensor) -> bool:
    """Whether a nudge of the tip makes any pixel jump."""
    images = [
        renderer.render(state.data, tip=state.tip, z_top=state.z_top + dz, pixels=pixels)[0, 0]
        for dz in (0.0, _NUDGE)
    ]
    change = (images[1] - images[0]).abs().amax(dim=1)
    return bool((change > _JUMP * images[0].std(dim=1)).any())


def _check(data: AFMData, stack: Tensor, renderer: Renderer, z_top: float, starts: int) -> None:
    if "z" not in data or "pos" not in data or not len(data.z):
        raise InputError("data: expected a molecule with at least one atom, got none")
    check_shape("pos", data.pos, (len(data.z), 3))
    check_finite("pos", data.pos)
    check_shape("stack", stack, (1, 1, *renderer.scan.shape))
    check_finite("stack", stack)
    if float(stack.amax() - stack.amin()) <= 0:
        raise InputError("stack: expected images with contrast, got a constant")
    check_finite("z_top", z_top)
    if starts < 1:
        raise InputError(f"starts: expected 1 or more, got {starts}")
