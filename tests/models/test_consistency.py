import torch
from torch.nn.functional import avg_pool2d

from models.consistency import consistent_with


def test_the_area_mean_becomes_the_input_by_the_least_change():
    torch.manual_seed(0)
    truth = torch.rand(3, 24, 36).mul(1.4).clamp(0.0, 1.0)
    small = avg_pool2d(truth, 4)
    guess = (truth + 0.3 * torch.randn_like(truth)).clamp(0.0, 1.0)
    kept = consistent_with(small, guess)
    assert (avg_pool2d(guess, 4) - small).abs().max() > 0.05
    assert (avg_pool2d(kept, 4) - small).abs().max() < 1e-5
    assert kept.min() >= 0.0
    assert kept.max() <= 1.0
    # a projection onto a convex set that holds the truth: no square comes farther from it
    assert (avg_pool2d((kept - truth) ** 2, 4) <= avg_pool2d((guess - truth) ** 2, 4) + 1e-6).all()
    assert (consistent_with(small, kept) - kept).abs().max() < 1e-4
    white = consistent_with(torch.ones(3, 6, 9), guess)
    assert (white > 1 - 1e-4).all(), "a saturated pixel leaves no room"
