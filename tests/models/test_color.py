import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from models.color import fit_to_gamut, lab_to_rgb, paint, rgb_to_lab, rgb_to_lightness


def cube(seed: int = 0, side: int = 96) -> torch.Tensor:
    return torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed))


def wild_lab(side: int = 96) -> torch.Tensor:
    """L*a*b* all over the place, most of it outside sRGB."""
    values = cube(1, side)
    return torch.stack((values[0] * 100, values[1] * 200 - 100, values[2] * 200 - 100))


def skimage_lab(rgb: torch.Tensor) -> np.ndarray:
    return rgb2lab(rgb.numpy().astype(np.float64).transpose(1, 2, 0)).transpose(2, 0, 1)


def test_lab_equals_scikit_image():
    assert np.abs(rgb_to_lab(cube()).numpy() - skimage_lab(cube())).max() < 1e-4


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_rgb_equals_scikit_image_even_outside_the_gamut():
    theirs = lab2rgb(wild_lab().numpy().astype(np.float64).transpose(1, 2, 0)).transpose(2, 0, 1)
    assert np.abs(lab_to_rgb(wild_lab()).numpy() - theirs).max() < 1e-4


def test_there_and_back():
    assert (lab_to_rgb(rgb_to_lab(cube())) - cube()).abs().max() < 1e-4


def test_batches_are_converted_picture_by_picture():
    batch = torch.stack((cube(2), cube(3)))
    assert torch.equal(rgb_to_lab(batch)[1], rgb_to_lab(cube(3)))


def test_gradients_agree_with_differences():
    rgb = (cube(4, 3).double() * 0.9 + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(rgb_to_lab, (rgb,))
    assert torch.autograd.gradcheck(lab_to_rgb, (rgb_to_lab(rgb).detach().requires_grad_(),))


def test_black_has_a_finite_gradient():
    rgb = torch.zeros(3, 2, 2, requires_grad=True)
    lab_to_rgb(rgb_to_lab(rgb)).sum().backward()
    assert rgb.grad is not None
    assert rgb.grad.isfinite().all()


def test_painting_keeps_the_lightness_where_clipping_would_not():
    lab = wild_lab()
    painted = paint(lab[:1], lab[1:])
    assert painted.min() >= 0
    assert painted.max() <= 1
    assert (rgb_to_lightness(painted) - lab[:1]).abs().max() < 0.02
    assert (rgb_to_lightness(lab_to_rgb(lab)) - lab[:1]).abs().max() > 5


def test_colours_that_fit_are_not_touched_and_others_keep_their_hue():
    inside = rgb_to_lab(cube())
    assert torch.equal(fit_to_gamut(inside), inside)
    lab = wild_lab()
    fitted = fit_to_gamut(lab)
    turned = lab[1] * fitted[2] - lab[2] * fitted[1]
    assert turned.abs().max() < 1e-2
    assert (fitted[1:].abs() <= lab[1:].abs() + 1e-6).all()


def test_no_chroma_gives_gray():
    lightness = torch.linspace(0, 100, 101).reshape(1, 1, -1)
    painted = paint(lightness, torch.zeros(2, 1, 101))
    assert (painted.amax(0) - painted.amin(0)).max() < 1e-3
