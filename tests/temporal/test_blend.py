"""The network that says which anchor is believed where."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import vidcolor
from vidcolor.temporal.blend import BlendNet, Carried, Mixture, load_blend, mix
from vidcolor.temporal.track import LOST

WEIGHTS = Path(vidcolor.__file__).parent / "weights" / "blend.safetensors"


NOWHERE = math.log(LOST)


def carried(seed: int, count: int, height: int, width: int, trace: float | None = None) -> Carried:
    """Anything that may be carried; ``trace`` (a logarithm) everywhere, or anything too."""
    draw = torch.Generator().manual_seed(seed)
    chroma = torch.rand((count, 2, height, width), generator=draw) * 160 - 80
    drawn = torch.rand((count, 1, height, width), generator=draw) * NOWHERE
    difference = torch.randn((count, 1, height, width), generator=draw) * 10
    if trace is not None:
        drawn, difference = torch.full_like(drawn, trace), torch.zeros_like(difference)
    finely = F.interpolate(difference, size=fine(height, width))
    return Carried(chroma, drawn, difference, finely)


def fine(height: int, width: int) -> tuple[int, int]:
    """A size that belief is weighed at; for odd heights the same, as of small films."""
    return (2 * height, 2 * width) if height % 2 == 0 else (height, width)


def enlarged(chroma: Tensor) -> Tensor:
    return F.interpolate(chroma, size=fine(*chroma.shape[-2:]))


def luma(count: int, height: int, width: int) -> Tensor:
    return torch.rand((count, 1, height, width), generator=torch.Generator().manual_seed(9)) * 219 + 16


def far(*values: float) -> Tensor:
    return torch.tensor(values)[:, None, None, None]


def untrained(seed: int = 0) -> BlendNet:
    """With something to say, unlike a new one."""
    torch.manual_seed(seed)
    net = BlendNet(8).eval()
    torch.nn.init.normal_(net.head.weight, std=0.1)
    return net


def assert_same(one: Mixture, other: Mixture, tolerance: float = 0.0) -> None:
    for a, b in ((one.share, other.share), (one.kept, other.kept), (one.around, other.around)):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("size", [(16, 24), (13, 7)], ids=str)
@torch.no_grad()
def test_a_new_network_changes_nothing(size: tuple[int, int]) -> None:
    given = luma(3, *size), carried(1, 3, *size), carried(2, 3, *size), far(0.2, 0.5, 0.9)
    assert_same(mix(BlendNet(), *given), mix(None, *given))


@pytest.mark.parametrize("net", [None, untrained(), "trained"], ids=["plain", "untrained", "trained"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (37, 1), (2, 3), (5, 4), (33, 47), (32, 384)], ids=str)
@torch.no_grad()
def test_any_size_gives_shares(size: tuple[int, int], net: BlendNet | str | None) -> None:
    net = load_blend() if isinstance(net, str) else net
    for trace in (None, NOWHERE, 0.0):
        before, after = (carried(seed, 2, *size, trace=trace) for seed in (1, 2))
        found = mix(net, luma(2, *size), before, after, far(0.0, 1.0))
        assert found.share.shape == found.kept.shape == (2, 1, *fine(*size))
        assert found.around.shape == (2, 2, *size)
        for share in (found.share, found.kept):
            assert share.min() >= 0
            assert share.max() <= 1
        assert found.of(enlarged(before.chroma), enlarged(after.chroma)).isfinite().all()
        # Of means, none is beyond what they are of.
        assert found.around.abs().max() <= 81


@pytest.mark.parametrize("net", [None, untrained(), "trained"], ids=["plain", "untrained", "trained"])
@torch.no_grad()
def test_a_batch_says_what_each_alone_does(net: BlendNet | str | None) -> None:
    net = load_blend() if isinstance(net, str) else net
    size, distances = (22, 30), (0.1, 0.3, 0.5, 0.8)
    before, after, light = carried(1, 4, *size), carried(2, 4, *size), luma(4, *size)
    whole = mix(net, light, before, after, far(*distances))
    for n, distance in enumerate(distances):
        one, other = (
            Carried(*(x[n : n + 1] for x in (c.chroma, c.traced, c.difference, c.finely)))
            for c in (before, after)
        )
        single = mix(net, light[n : n + 1], one, other, far(distance))
        own = Mixture(*(plane[n : n + 1] for plane in (whole.share, whole.kept, whole.around)))
        assert_same(single, own, 1e-4)


@pytest.mark.parametrize("net", [None, "trained"], ids=["plain", "trained"])
@pytest.mark.parametrize("distance", [0.1, 0.5, 0.9])
@torch.no_grad()
def test_where_one_anchor_is_not_trusted_the_other_has_all(distance: float, net: str | None) -> None:
    size, network = (24, 32), load_blend() if net else None
    sure, lost = carried(1, 1, *size, trace=0.0), carried(2, 1, *size, trace=NOWHERE)
    first = mix(network, luma(1, *size), sure, lost, far(distance))
    second = mix(network, luma(1, *size), lost, sure, far(distance))
    assert first.share.min() > 0.97
    assert second.share.max() < 0.03
    for found in (first, second):
        assert found.kept.mean() > 0.9


@torch.no_grad()
def test_plainly_the_nearer_of_two_that_are_believed_has_more() -> None:
    size = (8, 12)
    both = carried(1, 5, *size, trace=0.0), carried(2, 5, *size, trace=0.0)
    found = mix(None, luma(5, *size), *both, far(0.0, 0.25, 0.5, 0.75, 1.0))
    shares = found.share.mean((1, 2, 3))
    assert shares.tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=1e-3)


@torch.no_grad()
def test_plainly_what_looks_other_is_believed_less() -> None:
    size = (8, 12)
    one, other = carried(1, 1, *size, trace=0.0), carried(2, 1, *size, trace=0.0)
    other.difference += 40
    other.finely += 40
    assert mix(None, luma(1, *size), one, other, far(0.5)).share.min() > 0.9
    one.difference -= 40
    one.finely -= 40
    neither = mix(None, luma(1, *size), one, other, far(0.5))
    assert neither.share.mean() == pytest.approx(0.5, abs=0.01)
    # Light and shade go over things: what was followed all the way is kept all the same.
    assert neither.kept.min() > 0.8


@torch.no_grad()
def test_plainly_what_was_lost_for_longer_is_believed_less() -> None:
    """However alike both look: by accident, what comes into a picture looks like something in any anchor."""
    size = (8, 12)
    once, often = carried(1, 1, *size, trace=-7.0), carried(2, 1, *size, trace=NOWHERE)
    assert mix(None, luma(1, *size), once, often, far(0.5)).share.min() > 0.99
    assert mix(None, luma(1, *size), once, once, far(0.5)).kept.min() > 0.9
    assert mix(None, luma(1, *size), often, often, far(0.5)).kept.max() < 0.02


@torch.no_grad()
def test_what_nobody_knows_is_of_the_colour_around() -> None:
    """A hole in a plain colour is filled with it; where nothing is known anywhere, there is no colour."""
    size = (48, 64)
    known = carried(1, 1, *size, trace=0.0)
    known.chroma[:] = torch.tensor((40.0, -20.0))[:, None, None]
    known.chroma[..., 16:32, 20:40] = torch.tensor((-80.0, 80.0))[:, None, None]
    known.traced[..., 16:32, 20:40] = NOWHERE
    found = mix(None, luma(1, *size), known, carried(2, 1, *size, trace=NOWHERE), far(0.0))
    # A pixel on, where the trace around it no longer reaches.
    hole = found.of(enlarged(known.chroma), enlarged(known.chroma))[0, :, 34:62, 42:78]
    assert (hole[0] - 40).abs().max() < 4
    assert (hole[1] + 20).abs().max() < 4
    lost = carried(2, 1, *size, trace=NOWHERE)
    nothing = mix(None, luma(1, *size), lost, lost, far(0.5))
    assert nothing.of(enlarged(lost.chroma), enlarged(lost.chroma)).abs().max() < 1


@torch.no_grad()
def test_a_mixture_is_what_it_says() -> None:
    share, kept = torch.tensor([0.25]).expand(1, 1, 2, 3), torch.tensor([0.5]).expand(1, 1, 2, 3)
    before, after, around = (torch.full((1, 2, 2, 3), value) for value in (40.0, 0.0, -10.0))
    # A quarter of 40 is 10; halfway from -10 to that is 0.
    torch.testing.assert_close(Mixture(share, kept, around).of(before, after), torch.zeros(1, 2, 2, 3))


@torch.no_grad()
def test_what_is_given_is_left_as_it_is() -> None:
    size = (17, 23)
    given = luma(2, *size), carried(1, 2, *size), carried(2, 2, *size), far(0.4, 0.6)
    kept = [t.clone() for c in given[1:3] for t in (c.chroma, c.traced, c.difference, c.finely)]  # type: ignore[union-attr]
    mix(untrained(), *given)  # type: ignore[arg-type]
    left = [t for c in given[1:3] for t in (c.chroma, c.traced, c.difference, c.finely)]  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(left, kept, strict=True))


def test_it_can_be_trained() -> None:
    torch.manual_seed(0)
    net, size = BlendNet(8), (16, 16)
    before, after, light = carried(1, 2, *size, trace=-1.0), carried(2, 2, *size, trace=-1.0), luma(2, *size)
    steps = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(12):
        how = mix(net, light, before, after, far(0.5, 0.5))
        wanted = enlarged(before.chroma)
        loss = (how.of(wanted, enlarged(after.chroma)) - wanted).abs().mean()
        steps.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


# ---- the network that comes with the package --------------------------------------------------


def test_the_packages_network_fits() -> None:
    net = load_blend()
    assert not net.training
    assert load_blend() is net
    assert all(value.isfinite().all() for value in net.state_dict().values())
    # It has learnt something.
    assert net.head.weight.abs().max() > 1e-3
    assert WEIGHTS.stat().st_size < 2_000_000


@torch.no_grad()
def test_the_packages_network_says_the_same_again() -> None:
    size = (40, 56)
    given = luma(4, *size), carried(1, 4, *size), carried(2, 4, *size), far(0.2, 0.4, 0.6, 0.8)
    assert_same(mix(load_blend(), *given), mix(load_blend(), *given))


@torch.no_grad()
def test_the_packages_network_goes_evenly_from_one_anchor_to_the_other() -> None:
    """Where both are followed all the way, through a camera's noise: else colour would jump at anchors."""
    size, distances = (54, 96), [n / 8 for n in range(1, 8)]
    both = carried(1, 7, *size, trace=-0.1), carried(2, 7, *size, trace=-0.1)
    for seed, one in enumerate(both):
        one.chroma[:] = 10.0 + 16 * seed
        grain = torch.randn(one.finely.shape, generator=torch.Generator().manual_seed(seed)) * 4
        one.finely += grain
        one.difference += F.avg_pool2d(grain, 2)
    found = mix(load_blend(), luma(7, *size), *both, far(*distances))
    shares = found.share.mean((1, 2, 3)).tolist()
    assert shares == pytest.approx([1 - distance for distance in distances], abs=0.04)
    assert found.kept.mean() > 0.98


@pytest.mark.parametrize("net", [None, "trained"], ids=["plain", "trained"])
@torch.no_grad()
def test_what_both_anchors_lost_is_kept_only_if_it_looks_like_them(net: str | None) -> None:
    """A thing that was lost many times and looks like the anchors all the same has come back."""
    size, kept = (32, 48), dict[tuple[float, float], float]()
    for trace in (-0.1, -30.0):
        for difference in (0.0, 40.0):
            both = carried(1, 1, *size, trace=trace), carried(2, 1, *size, trace=trace)
            for one in both:
                one.difference += difference
                one.finely += difference
            mixture = mix(load_blend() if net else None, luma(1, *size), *both, far(0.5))
            kept[trace, difference] = float(mixture.kept.mean())
    assert kept[-30, 40] < 0.25
    assert kept[-30, 40] < 0.5 * min(kept[-30, 0], kept[-0.1, 40])
    assert kept[-0.1, 0] > 0.95
