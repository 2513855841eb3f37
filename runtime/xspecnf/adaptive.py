r"""Refinement: samples of the exact posterior, from the network's draws.

The network's draws, with weights w = L/q, are the pilot. Where they are good enough they are the answer. Where not, a
proposal learns the posterior (:mod:`xspecnf.proposal`), and what is returned are fresh draws of it alone: it was
fixed before they were made, so that their weights are independent and their errors honest, but for when drawing ends,
which the weights decide. The network's evidence, independent of theirs, is the check.

Draws go on until those that are asked for are worth as many, or the pool is full; these are chosen so that their
weights are nearly equal (:func:`xspecnf.importance.thin`). Where the proposal stays a poor one, MCMC starts from its
draws (:mod:`xspecnf.mcmc`), and its samples are taken if it has converged.

Many samples are made in blocks, each from a pool of its own, and weighed together by what each block finds the evidence
to be: memory holds one pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xspecnf import sampling
from xspecnf.importance import Block, Reweighted, pooled, tempered, thin
from xspecnf.mcmc import ENSEMBLES, WALKERS, Chain, sample
from xspecnf.proposal import Adaptation, Proposal, Weighed, adapt, is_weak, weigh
from xspecnf.sampling import Draws
from xspecnf.target import Points, Target, joined
from xspecnf.verdict import RELIABLE_KHAT

Float64 = NDArray[np.float64]
Method = Literal["network", "adaptive", "mcmc"]

PILOT = 500
"""Draws of the network that start a refinement; evidence rests on as many at least, however few samples are wanted."""

GOOD_NETWORK = 0.5
"""Efficiency at which the network's own draws are the answer."""

WORTH = 0.9
"""Effective samples over those asked for at which drawing ends."""

BLOCK = 10_000
"""Samples that are made at once; a pool of their draws and what these expect takes some twenty megabytes."""

POOL = 2.0
"""Draws over samples asked for at which it ends anyway, and as many of the network's where these are the answer."""

MISSED = 3.0
"""Standard deviations by which the network's evidence is below the adapted proposal's where it has missed a peak."""

POOR = 0.1
"""Efficiency below which MCMC is worth its price."""

POOR_KHAT = 1.0
"""Shape of the weights' tail above which their mean does not converge."""

CHAIN_WORTH = 1.5
"""Effective draws of a chain over samples asked for: so many of its draws are then worth WORTH of their number."""


@dataclass(frozen=True)
class Refined:
    """Weighted samples of the exact posterior.

    Attributes:
        samples: the first BLOCK of those that were asked for; their evidence is always importance sampling's.
        further: the other blocks.
        pilot: the network's draws that started it.
        method: where the samples come from: the network, the adapted proposal, or MCMC.
        rounds: of adaptation that led to the samples; 0 where they are the network's.
        evaluations: of the exact physics.
        evidence_khat: shape of the tail of the weights that the evidence rests on.
        rhat: of MCMC where it was tried; its samples are taken only if it has converged.
    """

    samples: Weighed
    pilot: Weighed
    method: Method
    rounds: int
    evaluations: int
    evidence_khat: float | None
    rhat: float | None = None
    further: tuple[Block, ...] = ()

    @cached_property
    def all(self) -> Block:
        """All the samples, weighed together."""
        first = _block(self.samples)
        if not self.further:
            return first
        whole = pooled([first, *self.further])
        if self.method == "mcmc":  # the evidence is that of one pool, however many samples the chain gives
            error = first.result.log_evidence_error
            return replace(whole, result=replace(whole.result, log_evidence_error=error))
        return whole

    @property
    def evidence_excess(self) -> float:
        """By how many standard deviations the pilot finds more evidence than the samples: a peak may be lost."""
        return _excess(self.pilot.result, self.samples.result)


def refine_draws(
    target: Target, first: Draws, more: Callable[[int], Draws], samples: int, rng: np.random.Generator
) -> Refined:
    """Weighted samples of a target, from the network's draws: a block, and as many more as are wanted.

    Args:
        target: the posterior.
        first: PILOT draws of the network.
        more: makes as many again as it is told, where the network is good enough to be sampled.
        samples: how many to return.
        rng: draws everything else.

    Raises:
        ValueError: none of the first draws has a finite likelihood.
    """
    refined, further = _first_block(target, first, more, samples, rng)
    sizes = [min(BLOCK, samples - done) for done in range(BLOCK, samples, BLOCK)]
    blocks = tuple(further(size) for size in sizes)
    return replace(refined, further=blocks, evaluations=target.evaluations)


def _first_block(
    target: Target, first: Draws, more: Callable[[int], Draws], samples: int, rng: np.random.Generator
) -> tuple[Refined, Callable[[int], Block]]:
    """The first BLOCK of the samples, and what makes another block of a given size in the same way."""
    block = min(samples, BLOCK)
    pilot = _weighed(target.at_unit(first.u, np.float32), first)
    weak = is_weak(target.obs)  # the network was not trained on what may be no source at all
    of_network = partial(_network_block, target, more, rng=rng)
    if pilot.result.efficiency >= GOOD_NETWORK and not weak:
        pool = _completed(target, pilot, first, more, block)
        return Refined(
            _thinned(pool, block, rng), pilot, "network", 0, target.evaluations, pool.result.khat
        ), of_network
    adaptation, pool = _adapted(target, pilot, block, rng)
    method: Method = "adaptive"
    further = partial(_adapted_block, target, adaptation.proposal, rng=rng)
    if pool is None or (not weak and network_is_better(pilot.result, pool.result)):
        pool, method, further = _completed(target, pilot, first, more, block), "network", of_network
    rounds = 0 if method == "network" else adaptation.rounds
    khat = pool.result.khat
    if pool.result.efficiency >= POOR and (khat or 0) < POOR_KHAT:
        return Refined(_thinned(pool, block, rng), pilot, method, rounds, target.evaluations, khat), further
    chain = _walked(target, pool, adaptation.proposal, samples, rng)
    if chain.converged:
        of_chain = partial(_of_chain, target, chain, pool, chain.worth(samples) / samples, rng=rng)
        best, method, further = of_chain(block), "mcmc", lambda size: _block(of_chain(size))
    else:
        best = _thinned(pool, block, rng)
    return Refined(best, pilot, method, rounds, target.evaluations, khat, chain.rhat), further


def _network_block(target: Target, more: Callable[[int], Draws], size: int, rng: np.random.Generator) -> Block:
    draws = more(round(POOL * size))
    return _block(_thinned(_weighed(target.at_unit(draws.u, np.float32), draws), size, rng))


def _adapted_block(target: Target, proposal: Proposal, size: int, rng: np.random.Generator) -> Block:
    pool = _drawn(target, proposal, size, rng)
    if pool is None:
        raise ValueError(f"{target.obs.name}: none of a block's draws is inside the prior; ask for fewer samples")
    return _block(_thinned(pool, size, rng))


def _of_chain(
    target: Target, chain: Chain, pool: Weighed, worth: float, size: int, rng: np.random.Generator
) -> Weighed:
    """Samples of a chain, each worth so many independent ones."""
    return _equal(target.at(chain.draws(size, rng), np.float32), pool, worth * size)


def _block(samples: Weighed) -> Block:
    return Block(samples.points.u, samples.log_q, samples.result)


def network_is_better(network: Reweighted, adapted: Reweighted) -> bool:
    """Whether the network's draws are worth more than an adapted proposal's, and have not missed what these found.

    Where all are far from the posterior a single draw carries the weight of either, and the fewer seem the better.
    """
    return network.efficiency > adapted.efficiency and _excess(adapted, network) < MISSED


def _excess(one: Reweighted, other: Reweighted) -> float:
    """By how many standard deviations of their difference `one` has more evidence than `other`."""
    error = np.hypot(one.log_evidence_error, other.log_evidence_error)
    return float((one.log_evidence - other.log_evidence) / error) if error > 0 else 0.0


def _adapted(
    target: Target, pilot: Weighed, samples: int, rng: np.random.Generator
) -> tuple[Adaptation, Weighed | None]:
    """A pool of draws of an adapted proposal; one whose tail was missed learns from its pool, once."""
    adaptation = adapt(target, pilot, rng)
    pool = _drawn(target, adaptation.proposal, samples, rng)
    if pool and (pool.result.khat or 0) > RELIABLE_KHAT:
        adaptation.learn(pool.points)
        pool = _drawn(target, adaptation.proposal, samples, rng)
    return adaptation, pool


def _weighed(points: Points, draws: Draws) -> Weighed:
    """The network's draws weighed; their evidence has the error of the acceptance too."""
    weighed = weigh(points, draws.log_q)
    error = float(np.hypot(weighed.result.log_evidence_error, draws.log_acceptance_error))
    return replace(weighed, result=replace(weighed.result, log_evidence_error=error))


def _completed(target: Target, pilot: Weighed, first: Draws, more: Callable[[int], Draws], samples: int) -> Weighed:
    """A pool of the network's draws, of which the `first` are the pilot."""
    missing = round(POOL * samples) - len(first.u)
    if missing <= 0:
        return pilot
    further = more(missing)
    return _weighed(joined([pilot.points, target.at_unit(further.u, np.float32)]), sampling.joined([first, further]))


def _drawn(target: Target, proposal: Proposal, samples: int, rng: np.random.Generator) -> Weighed | None:
    """A pool of fresh draws worth the samples asked for, or full; None where not one of them is inside the prior."""
    parts: list[Points] = []
    while True:
        parts.append(proposal.draw(target, max(samples, PILOT), rng))
        points = joined(parts)
        if np.any(np.isfinite(points.log_density)):
            pool = weigh(points, proposal.log_density(points) - points.log_volume)
            if len(points) >= POOL * samples or _thinned(pool, samples, rng).result.ess >= WORTH * samples:
                return pool
        elif len(points) >= POOL * samples:
            return None


def _thinned(pool: Weighed, samples: int, rng: np.random.Generator) -> Weighed:
    """As many samples of the pool as were asked for."""
    index, weights = thin(pool.result.weights, samples, rng)
    distinct = np.bincount(index, weights)  # a repeated sample is worth no more than one
    result = replace(pool.result, weights=weights, ess=float(1 / np.sum(distinct**2)))
    return Weighed(pool.points[index], pool.log_q[index], result)


def _walked(target: Target, pool: Weighed, proposal: Proposal, samples: int, rng: np.random.Generator) -> Chain:
    """MCMC from draws of the pool."""
    start = pool.points.x[rng.choice(len(pool.points), ENSEMBLES * WALKERS, p=tempered(pool.log_w))]
    wanted = CHAIN_WORTH * samples
    return sample(lambda x: target.at(x, np.float32).log_density, start, proposal.mixture, wanted, rng)


def _equal(points: Points, pool: Weighed, ess: float) -> Weighed:
    """Samples of the posterior itself, with the pool's evidence; their weights have no tail."""
    size = len(points)
    result = replace(pool.result, weights=np.full(size, 1 / size), ess=ess, efficiency=ess / size, khat=None)
    return Weighed(points, points.log_density - points.log_volume - pool.result.log_evidence, result)
