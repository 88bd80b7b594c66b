import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from training.config import degradation_of
from training.degradation import AREA, DegradationConfig, degrade, of_data_alone


def test_degrading_keeps_the_flux_and_leaves_8_bit_values():
    rgb = torch.rand(1, 3, 33, 34)
    for how in (DegradationConfig(), DegradationConfig(psf_sigma_px=1.5)):
        small = degrade(rgb, 4, how)
        assert small.shape == (1, 3, 8, 8)
        assert small.mean() == pytest.approx(rgb[..., :32, :32].mean().item(), abs=3e-3)
        assert torch.equal((small * 255).round() / 255, small)
    assert torch.equal(degrade(rgb[0], 4), degrade(rgb, 4)[0])


def test_bicubic_is_antialiased_as_pillow_does_it():
    levels = np.random.default_rng(0).integers(0, 256, (48, 36, 3), np.uint8)
    rgb = torch.from_numpy(levels).permute(2, 0, 1) / 255.0
    ours = degrade(rgb, 3, DegradationConfig("bicubic")) * 255.0
    theirs = np.asarray(Image.fromarray(levels).resize((12, 16), Image.Resampling.BICUBIC))
    assert (ours.permute(1, 2, 0) - torch.from_numpy(theirs.copy())).abs().max() <= 1.01


def test_the_psf_is_a_gaussian_of_the_large_picture():
    rgb = torch.rand(3, 40, 40)
    blurred = np.stack([gaussian_filter(plane, 2.0, mode="nearest", radius=6) for plane in rgb.numpy()])
    expected = degrade(torch.from_numpy(blurred), 2)
    assert (degrade(rgb, 2, DegradationConfig(psf_sigma_px=2.0)) - expected).abs().max() <= 1.01 / 255


def test_noise_has_its_strength_and_is_the_same_for_the_same_seed():
    gray, how = torch.full((3, 128, 128), 0.5), DegradationConfig(noise_dn=6.0)
    torch.manual_seed(1)
    first, other = degrade(gray, 2, how), degrade(gray, 2, how)
    assert float(first.std() * 255) == pytest.approx(6.0, abs=0.3)
    assert not torch.equal(first, other)
    before = torch.get_rng_state()
    assert torch.equal(degrade(gray, 2, how, seed=3), degrade(gray, 2, how, seed=3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("how", [AREA, DegradationConfig("bicubic"), DegradationConfig(psf_sigma_px=1.5)])
def test_a_pixel_of_data_alone_is_the_same_whatever_fills_the_rest(how):
    valid = torch.from_numpy(
        gaussian_filter(np.random.default_rng(3).standard_normal((2, 1, 50, 61)), (0, 0, 6, 6)) > 0
    )
    rgb = torch.rand(2, 3, 50, 61, generator=torch.Generator().manual_seed(0))
    dark, bright = (degrade(rgb.masked_fill(~valid, fill), 4, how) for fill in (0.0, 1.0))
    alone = of_data_alone(valid, 4, how)
    assert alone.shape == (2, 1, 12, 15)
    changed = (dark != bright).any(dim=1, keepdim=True)
    assert not (changed & alone).any()
    assert alone.any()
    # and of the others most do change, of a mean all
    assert changed[~alone].float().mean() > (0.5 if how != AREA else 0.999)
    assert torch.equal(of_data_alone(valid[0], 4, how), alone[0])


def test_a_model_of_an_earlier_version_saw_area_means():
    assert degradation_of({"training": {"data": {"crop_px": 96}}}) == DegradationConfig() == degradation_of({})
    named = {"training": {"data": {"degradation": {"kind": "bicubic", "noise_dn": 2.0}}}}
    assert degradation_of(named) == DegradationConfig("bicubic", noise_dn=2.0)


@pytest.mark.parametrize("values", [{"kind": "nearest"}, {"psf_sigma_px": -1.0}, {"noise_dn": float("nan")}])
def test_impossible_degradations_are_refused(values):
    with pytest.raises(ValueError, match="degradation"):
        DegradationConfig(**values)
