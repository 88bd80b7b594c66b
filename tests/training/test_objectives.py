import pytest
import torch
from tiny import tiny_config

from models.catalogue import build
from training.data import Batch
from training.degradation import AREA
from training.losses import bce, logit_weights, masked_l1
from training.objectives import ColorizerObjective, SuperresObjective


def batch(void: float) -> Batch:
    """Crops whose right half has no data but a fill of the given value."""
    rgb = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[..., 16:] = False
    return Batch(rgb.masked_fill(~valid, void), valid)


def objective(task: str):
    torch.manual_seed(0)
    config = tiny_config(task)
    # in training mode each call moves the power iteration of spectral normalisation on a little
    generator, discriminator = build(config.generator), build(config.discriminator).eval()
    if task == "colorizer":
        return ColorizerObjective(generator, discriminator, l1_weight=100.0, adversarial_weight=1.0)
    return SuperresObjective(generator, discriminator, scale=2, degradation=AREA, l1_weight=1.0, adversarial_weight=0.5)


def test_masked_l1_is_the_mean_over_the_valid_pixels():
    truth, made = torch.zeros(1, 2, 2, 2), torch.tensor([[[[1.0, 9.0], [9.0, 9.0]], [[3.0, 9.0], [9.0, 9.0]]]])
    valid = torch.tensor([[[[True, False], [False, False]]]])
    assert masked_l1(made, truth, valid) == 2.0
    assert masked_l1(made, truth, torch.zeros_like(valid)) == 0.0


def test_bce_counts_logits_by_their_share_of_data():
    logits = torch.tensor([[[[0.0, 50.0]]]])
    assert bce(logits, False, torch.tensor([[[[1.0, 0.0]]]])) == pytest.approx(0.6931, abs=1e-4)
    assert bce(logits, True, torch.tensor([[[[0.0, 1.0]]]])) == pytest.approx(0.0, abs=1e-4)
    valid = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    valid[..., :4] = True
    assert torch.equal(logit_weights(valid, torch.zeros(1, 1, 1, 2)), torch.tensor([[[[1.0, 0.0]]]]))


def test_no_loss_of_the_colouriser_looks_at_no_data():
    asked = objective("colorizer")
    values = []
    for void in (0.0, 1.0):
        example = asked.prepare(batch(void))
        made = asked.generator(example.given)
        terms = asked.generator_terms(example, made, adversarial=True) | asked.discriminator_terms(example, made)
        values.append({name: float(term.detach()) for name, term in terms.items()})
    assert values[0].keys() == {"g_l1", "g_adversarial", "d_real", "d_made"}
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_losses_of_superres_look_at_valid_pixels_only():
    asked = objective("superres")
    example = asked.prepare(batch(0.0))
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
