import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from training.scores import cut
from training.sources import source_scores
from training.spurious import spurious_share

EVERYTHING = torch.ones(1, 1, 192, 192, dtype=torch.bool)
# the highest peaks of the noise itself stand out by almost enough
NOISE_ALONE = 0.003


def sky(number: int, *, stars: int = 12, noise: float = 3.0, side: int = 192) -> tuple[Tensor, list[tuple[int, int]]]:
    """A gray picture (1, 3, H, W) of noise around 40 of 255 with stars well apart, and where they are."""
    rng = np.random.default_rng(number)
    levels = 40.0 + noise * rng.standard_normal((side, side))
    cells = [(row, column) for row in range(16, side - 15, 32) for column in range(16, side - 15, 32)]
    places = [cells[cell] for cell in rng.permutation(len(cells))[:stars]]
    light = torch.from_numpy(levels).float().expand(1, 3, -1, -1) / 255.0
    for row, column in places:
        light = with_star(light, row, column, 60.0)
    return light, places


def with_star(picture: Tensor, row: int, column: int, height: float) -> Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(length) for length in picture.shape[-2:]), indexing="ij")
    star = height / 255.0 * torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 1.8**2))
    return (picture + star).clamp(0.0, 1.0)


def test_what_the_truth_shows_is_not_spurious_and_nor_is_what_lacks():
    truth, places = sky(0)
    fewer, _ = sky(0, stars=6)
    assert spurious_share(truth, truth, EVERYTHING) < NOISE_ALONE
    assert spurious_share(fewer, truth, EVERYTHING) < NOISE_ALONE
    # half of the stars are invented, but for what the noise took from them
    invented = float(spurious_share(truth, fewer, EVERYTHING))
    assert 0.3 < invented < 0.6
    # fainter ones count less, a star moved by a pixel is the same one
    faint = with_star(fewer, *places[-1], 14.0)
    bright = with_star(fewer, *places[-1], 60.0)
    assert NOISE_ALONE < spurious_share(faint, fewer, EVERYTHING) < spurious_share(bright, fewer, EVERYTHING)
    assert spurious_share(truth.roll(1, dims=3), truth, EVERYTHING) < NOISE_ALONE


def test_going_down_the_loss_takes_the_invented_star_away():
    truth, _ = sky(1, stars=0)
    made = with_star(truth, 100, 90, 16.0).requires_grad_(True)
    before = spurious_share(made, truth, EVERYTHING)
    assert before > NOISE_ALONE
    before.backward()
    assert made.grad[0, :, 98:103, 88:93].sum() > 0.0
    with torch.no_grad():
        after = spurious_share(made - 0.03 * made.grad / made.grad.abs().max(), truth, EVERYTHING)
    assert after < before


def test_where_there_is_no_data_nothing_counts():
    truth, _ = sky(2, stars=4)
    hidden = EVERYTHING.clone()
    hidden[..., 60:140, :150] = False
    made = with_star(truth, 100, 60, 60.0)
    assert spurious_share(made, truth, EVERYTHING) > NOISE_ALONE
    blank = [picture.masked_fill(~hidden, 1.0) for picture in (made, truth)]
    assert spurious_share(*blank, hidden) < NOISE_ALONE
    # and the brightness of what fills it has no say in what counts elsewhere
    made = with_star(truth, 30, 60, 60.0)
    white, black = ([picture.masked_fill(~hidden, level) for picture in (made, truth)] for level in (1.0, 0.0))
    assert spurious_share(*white, hidden) == pytest.approx(float(spurious_share(*black, hidden)), rel=0.1)
    nothing = torch.zeros_like(EVERYTHING)
    assert spurious_share(made, truth, nothing) == 0.0


def test_even_pictures_have_a_slope():
    even = torch.full((1, 3, 96, 96), 0.2, requires_grad=True)
    everything = torch.ones(1, 1, 96, 96, dtype=torch.bool)
    share = spurious_share(even, torch.full((1, 3, 96, 96), 0.2), everything)
    share.backward()
    assert float(share.detach()) == 0.0
    assert torch.isfinite(even.grad).all()


def test_a_smoother_picture_is_less_pure_as_the_detection_of_the_scores_has_it():
    truth, _ = sky(3, stars=8, noise=6.0, side=256)
    everything = torch.ones(1, 1, 256, 256, dtype=torch.bool)
    # stars too faint for the noise of the truth
    faint = truth
    for place in range(24, 250, 40):
        faint = with_star(faint, place, 256 - place, 9.0)
    smooth = F.avg_pool2d(F.pad(faint, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    shares, purities = [], []
    for picture in (truth, smooth):
        shares.append(float(spurious_share(picture, truth, everything)))
        scores = source_scores(255.0 * cut(picture[0], 4), 255.0 * cut(truth[0], 4), cut(everything[0], 4))
        purities.append(scores["purity"])
    assert purities[0] == 1.0 > purities[1]
    assert shares[0] < NOISE_ALONE < shares[1]


@given(number=st.integers(0, 1000), turns=st.integers(0, 3), mirrored=st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_loss_is_the_same_for_the_symmetries_of_a_square(number, turns, mirrored):
    truth, places = sky(number, stars=5)
    made = with_star(truth, *places[0][::-1], 30.0)

    def turned(picture: Tensor) -> Tensor:
        return torch.rot90(picture.flip(-1) if mirrored else picture, turns, dims=(-2, -1))

    share = float(spurious_share(made, truth, EVERYTHING))
    assert float(spurious_share(turned(made), turned(truth), EVERYTHING)) == pytest.approx(share, abs=1e-4)


def test_each_picture_of_a_batch_counts_alike():
    pairs = [(with_star(sky(number, stars=5)[0], 33, 65, 40.0), sky(number, stars=5)[0]) for number in (5, 6)]
    alone = [float(spurious_share(made, truth, EVERYTHING)) for made, truth in pairs]
    together = [torch.cat(pictures) for pictures in zip(*pairs, strict=True)]
    assert float(spurious_share(*together, EVERYTHING.repeat(2, 1, 1, 1))) == pytest.approx(sum(alone) / 2, abs=1e-6)
