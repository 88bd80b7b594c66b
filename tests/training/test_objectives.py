import pytest
import torch
from tiny import tiny_config

from models.catalogue import build
from training.adversarial import GANConfig, discriminator_losses, generator_loss, shown, slope_penalty
from training.data import Batch
from training.degradation import AREA
from training.losses import colour_gap, logit_weights, masked_l1, psnr_loss, spread
from training.metrics import luma, psnr
from training.objectives import ColorizerObjective, Losses, SuperresObjective

BCE = GANConfig()


def batch(void: float, from_column: int = 16) -> Batch:
    """Crops that from a column on, the middle one by default, have no data but a fill of the given value."""
    rgb = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[..., from_column:] = False
    return Batch(rgb.masked_fill(~valid, void), valid)


def objective(task: str, gan: GANConfig = BCE):
    torch.manual_seed(0)
    config = tiny_config(task)
    # in training mode each call moves the power iteration of spectral normalisation on a little
    generator, discriminator = build(config.generator), build(config.discriminator).eval()
    if task == "colorizer":
        return ColorizerObjective(generator, discriminator, Losses(100.0, 1.0, gan, colour_weight=2.0))
    return SuperresObjective(generator, discriminator, Losses(1.0, 0.5, gan), scale=2, degradation=AREA)


def test_masked_l1_is_the_mean_over_the_valid_pixels():
    truth, made = torch.zeros(1, 2, 2, 2), torch.tensor([[[[1.0, 9.0], [9.0, 9.0]], [[3.0, 9.0], [9.0, 9.0]]]])
    valid = torch.tensor([[[[True, False], [False, False]]]])
    assert masked_l1(made, truth, valid) == 2.0
    assert masked_l1(made, truth, torch.zeros_like(valid)) == 0.0


def test_the_psnr_loss_is_the_mean_of_the_crops_scores_and_each_pulls_alike():
    random = torch.Generator().manual_seed(0)
    truth = torch.rand(2, 3, 16, 16, generator=random)
    valid = torch.rand(2, 1, 16, 16, generator=random) > 0.3
    # one crop is ten times as far from its truth as the other
    made = truth + torch.tensor([0.01, 0.1]).reshape(2, 1, 1, 1) * torch.randn(2, 3, 16, 16, generator=random)
    scores = []
    for mine, true, mask in zip(255.0 * made, 255.0 * truth, valid, strict=True):
        scores += [psnr(mine, true, mask), psnr(luma(mine), luma(true), mask)]
    assert float(psnr_loss(made, truth, valid)) == pytest.approx(-sum(scores) / 4, abs=0.1)
    assert float(psnr_loss(truth, truth, valid)) == pytest.approx(-61.14, abs=0.01)
    assert psnr_loss(made.masked_fill(~valid, 9.0), truth, valid) == psnr_loss(made, truth, valid)

    moved = made.clone().requires_grad_(True)
    psnr_loss(moved, truth, valid).backward()
    # what one step does to a score goes with the gradient times the distance
    pulls = (moved.grad * (made - truth)).abs().flatten(1).sum(dim=1)
    assert float(pulls[1] / pulls[0]) == pytest.approx(1.0, abs=0.05)


def test_bce_counts_logits_by_their_share_of_data():
    logits = torch.tensor([[[[0.0, 50.0]]]])
    first, second = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert generator_loss(BCE, logits, logits, first) == pytest.approx(0.6931, abs=1e-4)
    assert generator_loss(BCE, logits, logits, second) == pytest.approx(0.0, abs=1e-4)
    real, made = discriminator_losses(BCE, logits, logits, second, first)
    assert (float(real), float(made)) == pytest.approx((0.0, 0.3466), abs=1e-4)
    valid = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    valid[..., :4] = True
    assert torch.equal(logit_weights(valid, torch.zeros(1, 1, 1, 2)), torch.tensor([[[[1.0, 0.0]]]]))


@pytest.mark.parametrize("loss", ["bce", "lsgan", "hinge", "wgan_gp", "relativistic"])
def test_the_players_pull_their_logits_apart_and_together(loss):
    how = GANConfig(loss)
    real, made = torch.tensor([[[[0.3]]]], requires_grad=True), torch.tensor([[[[0.2]]]], requires_grad=True)
    weight = torch.ones(1, 1, 1, 1)
    sum(discriminator_losses(how, real, made, weight, weight)).backward()
    assert real.grad < 0 < made.grad
    made.grad = None
    generator_loss(how, made, real.detach(), weight).backward()
    assert made.grad < 0


@pytest.mark.parametrize("loss", ["bce", "lsgan"])
def test_smoothed_labels_want_a_real_logit_to_be_less_than_sure(loss):
    how, weight = GANConfig(loss, label_smoothing=0.1), torch.ones(1, 1, 1, 1)
    best = 0.9 if loss == "lsgan" else 2.1972
    for distance in (-0.3, 0.0, 0.3):
        real = torch.full((1, 1, 1, 1), best + distance, requires_grad=True)
        discriminator_losses(how, real, real.detach(), weight, weight)[0].backward()
        assert float(real.grad) * distance >= 0
        assert distance or float(real.grad) == pytest.approx(0, abs=1e-4)


def test_penalties_are_of_the_slope_of_the_logit():
    # the logit of a picture is twice the mean of its 3x4x4 values: each has the slope 2/48
    flat = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1, bias=False), torch.nn.AdaptiveAvgPool2d(1))
    torch.nn.init.constant_(flat[0].weight, 2 / 3)
    real, made, valid = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), torch.ones(2, 1, 4, 4, dtype=torch.bool)
    squared = 48 * (2 / 48) ** 2
    r1_r2 = slope_penalty(flat, GANConfig("relativistic", gradient_penalty=5.0), real, made, valid)
    assert float(r1_r2.detach()) == pytest.approx(5.0 * squared, rel=1e-4)
    wgan = slope_penalty(flat, GANConfig("wgan_gp", gradient_penalty=10.0), real, made, valid)
    assert float(wgan.detach()) == pytest.approx(10.0 * (squared**0.5 - 1) ** 2, rel=1e-4)
    r1_r2.backward()
    assert flat[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("loss", "penalty"), [("bce", 0.0), ("lsgan", 0.0), ("hinge", 0.0), ("wgan_gp", 5.0), ("relativistic", 1.0)]
)
def test_a_loss_comes_with_the_penalty_of_its_paper_and_an_explicit_0_is_none(loss, penalty):
    assert GANConfig(loss).penalty == penalty
    for how, has in ((GANConfig(loss), penalty > 0), (GANConfig(loss, gradient_penalty=0.0), False)):
        asked = objective("superres", how)
        example = asked.prepare(batch(0.0))
        terms = asked.discriminator_terms(example, torch.rand(2, 3, 32, 32))
        assert ("d_penalty" in terms) is has


def test_the_critic_of_wgan_gp_goes_down_half_of_what_its_paper_writes():
    logit = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), torch.nn.AdaptiveAvgPool2d(1))
    asked = SuperresObjective(logit, logit, Losses(1.0, 1.0, GANConfig("wgan_gp")), scale=2, degradation=AREA)
    example = asked.prepare(Batch(torch.rand(2, 3, 8, 8), torch.ones(2, 1, 8, 8, dtype=torch.bool)))
    made = torch.rand(2, 3, 8, 8)
    ours = sum(asked.discriminator_terms(example, made).values())
    # the slope is the same everywhere: each weight over all 64 pixels
    slope = logit[0].weight.norm() / 64**0.5
    apart = logit(2 * made - 1).mean() - logit(2 * example.truth - 1).mean()
    paper = apart + 10 * (slope - 1) ** 2
    assert ours.item() == pytest.approx(0.5 * paper.item(), rel=1e-4)


@pytest.mark.parametrize("loss", ["hinge", "wgan_gp", "relativistic"])
def test_labels_are_smoothed_where_there_are_labels(loss):
    with pytest.raises(ValueError, match="label_smoothing is for the losses bce and lsgan: set it to 0"):
        GANConfig(loss, label_smoothing=0.1)


def test_the_judge_sees_shifted_and_cut_pictures_whose_colours_stay_together():
    torch.manual_seed(0)
    pictures, valid = torch.rand(8, 1, 32, 32).repeat(1, 3, 1, 1) + 0.1, torch.ones(8, 1, 32, 32, dtype=torch.bool)
    seen, mask = shown(GANConfig(translation=0.25, cutout=0.5), pictures, valid)
    assert seen.shape == pictures.shape
    assert torch.equal(seen[:, 0], seen[:, 2])
    assert torch.equal(seen[:, :1] > 0, mask)
    assert 0.3 < float(mask.float().mean()) < 0.8
    # every value seen is one of that picture
    assert all(torch.isin(after[after > 0], before).all() for after, before in zip(seen, pictures, strict=True))
    plain, same = shown(BCE, pictures, valid)
    assert plain is pictures and same is valid


def test_spread_is_that_of_the_valid_pixels_relative_to_the_truth():
    truth, valid = torch.rand(2, 2, 16, 16), torch.ones(2, 1, 16, 16, dtype=torch.bool)
    valid[..., 8:] = False
    made = (0.5 * truth + 3.0).masked_fill(~valid, 99.0)
    assert float(spread(made, truth, valid)) == pytest.approx(0.5, rel=1e-4)
    assert float(spread(torch.full_like(truth, 7.0), truth, valid)) == pytest.approx(0.0, abs=1e-5)


def test_the_gap_of_colourfulness_is_counted_over_data_and_pulls_gray_towards_colour():
    truth, valid = torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16, dtype=torch.bool)
    valid[..., 8:] = False
    assert colour_gap(torch.where(valid, truth, 0.5), truth, valid) == 0.0
    gray = truth.mean(dim=1, keepdim=True)
    tint = torch.full((2, 3, 16, 16), 1e-3, requires_grad=True)
    gap = colour_gap(gray + tint * truth, truth, valid)
    gap.backward()
    assert gap > 1.0
    # it falls when the tint grows
    assert (tint.grad * truth).sum() < 0
    still = gray.repeat(1, 3, 1, 1).requires_grad_()
    colour_gap(still, truth, valid).backward()
    assert torch.isfinite(still.grad).all()


@pytest.mark.parametrize(
    "gan",
    [BCE, GANConfig("relativistic", gradient_penalty=0.5), GANConfig("wgan_gp", gradient_penalty=10.0)],
    ids=["bce", "relativistic", "wgan_gp"],
)
def test_no_loss_of_the_colouriser_looks_at_no_data(gan):
    asked = objective("colorizer", gan)
    values = []
    for void in (0.0, 1.0):
        torch.manual_seed(0)
        example = asked.prepare(batch(void))
        made = asked.generator(example.given)
        terms = asked.generator_terms(example, made, adversarial=True) | asked.discriminator_terms(example, made)
        values.append({name: float(term.detach()) for name, term in terms.items()})
    assert values[0].keys() - {"d_penalty"} == {"g_l1", "g_adversarial", "g_colour", "d_real", "d_made"}
    assert values[0] == pytest.approx(values[1], rel=1e-5)


@pytest.mark.parametrize("from_column", [16, 17])
def test_losses_of_superres_look_only_at_what_was_made_smaller_without_no_data(from_column):
    asked = objective("superres")
    example = asked.prepare(batch(0.0, from_column))
    made = torch.rand(2, 3, 32, 32)
    other = made.clone()
    other[..., 16:] += 0.5
    for adversarial in (False, True):
        first, second = (
            asked.generator_terms(example, picture, adversarial=adversarial)["g_l1"] for picture in (made, other)
        )
        assert first == second
    judged, again = asked.discriminator_terms(example, made), asked.discriminator_terms(example, other)
    assert judged["d_made"].item() == pytest.approx(again["d_made"].item())


@pytest.mark.parametrize("task", ["colorizer", "superres"])
def test_each_players_terms_reach_that_player_only(task):
    asked = objective(task)
    example = asked.prepare(batch(0.0))
    made = asked.generator(example.given)
    torch.stack(list(asked.discriminator_terms(example, made).values())).sum().backward()
    assert all(p.grad is None for p in asked.generator.parameters())
    assert any(p.grad is not None for p in asked.discriminator.parameters())
    assert "g_adversarial" not in asked.generator_terms(example, made, adversarial=False)
    sum(asked.generator_terms(example, made, adversarial=True).values()).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in asked.generator.parameters())
