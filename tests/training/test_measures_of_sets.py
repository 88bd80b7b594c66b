import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from tiny import drawn
from torchvision.models import inception_v3

from manifests.errors import DeepfieldError
from training.ciede2000 import ciede2000
from training.distribution import band_features, chroma_features, frechet, kid, standard_error
from training.inception import InceptionFeatures
from training.makers import RESAMPLING, resampler
from training.metrics import to_8bit
from training.sources import invented_per_mpx, source_scores

# L, a, b of two colours and their difference: from the table of test data in Sharma, Wu and Dalal (2005), table 1
SHARMA = [
    (50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425),
    (50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615),
    (50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0),
    (50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0009, 7.1792),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0011, 7.2195),
    (50.0, -0.001, 2.49, 50.0, 0.0011, -2.49, 4.7461),
    (50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492),
    (50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977),
    (50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.903),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.263),
    (22.7233, 20.0904, -46.694, 23.0331, 14.973, -42.5619, 2.0373),
    (90.8027, -2.0831, 1.441, 91.1528, -1.6435, 0.0447, 1.4441),
    (2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082),
]


def test_ciede2000_gives_the_published_differences():
    table = torch.tensor(SHARMA, dtype=torch.float64)
    first, second, expected = table[:, :3].T, table[:, 3:6].T, table[:, 6]
    assert torch.allclose(ciede2000(first, second), expected, atol=5e-5)
    assert torch.allclose(ciede2000(second, first), expected, atol=5e-5)


def star_field(places: np.ndarray, fluxes: np.ndarray, side: int = 256, noise: float = 1.0) -> torch.Tensor:
    """Stars of sigma 1.5 px on a noisy background, as gray levels (3, H, W) in 0 to 255."""
    rows, columns = np.mgrid[:side, :side]
    picture = 20 + np.random.default_rng(5).normal(0, noise, (side, side))
    for (x, y), flux in zip(places, fluxes, strict=True):
        near = np.s_[max(0, int(y) - 9) : int(y) + 10, max(0, int(x) - 9) : int(x) + 10]
        picture[near] += flux * np.exp(-((columns[near] - x) ** 2 + (rows[near] - y) ** 2) / (2 * 1.5**2))
    return torch.from_numpy(picture.clip(0, 255)).float().expand(3, -1, -1)


@pytest.fixture(scope="module")
def stars() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.meshgrid(np.arange(20, 240, 24), np.arange(20, 240, 24))
    return np.stack((rows.ravel(), columns.ravel()), axis=1).astype(float), np.full(100, 60.0)


def test_invented_and_erased_stars_are_counted(stars):
    places, fluxes = stars
    everything = torch.ones(1, 256, 256, dtype=torch.bool)
    truth = star_field(places, fluxes)
    same = source_scores(truth, truth, everything)
    assert same == pytest.approx(
        {
            "completeness": 1,
            "purity": 1,
            "flux_ratio": 1,
            "flux_scatter": 0,
            "completeness_same_depth": 1,
            "purity_same_depth": 1,
            "completeness_uncleaned": 1,
            "purity_uncleaned": 1,
        }
    )
    erased = source_scores(star_field(places[30:], fluxes[30:]), truth, everything)
    assert erased["completeness"] == pytest.approx(0.7)
    assert erased["purity"] == 1
    invented = source_scores(star_field(np.r_[places, places[:25] + 12], np.r_[fluxes, fluxes[:25]]), truth, everything)
    assert (invented["completeness"], invented["purity"]) == pytest.approx((1, 0.8))
    brighter = source_scores(star_field(places, 1.1 * fluxes), truth, everything)
    assert brighter["flux_ratio"] == pytest.approx(1.1, abs=0.02)
    half = everything.clone()
    half[:, :, 128:] = False
    assert source_scores(truth * half, truth, half)["completeness"] == pytest.approx(1)
    # what stands where there is no data is nothing to find, whatever its colour
    filled = [torch.where(half, truth, torch.full_like(truth, level)) for level in (0.0, 255.0)]
    assert source_scores(filled[0], truth, half) == source_scores(filled[1], truth, half)


def test_what_only_a_picture_without_noise_shows_is_not_called_false_at_the_truths_depth(stars):
    places, fluxes = stars
    fluxes = np.where(np.arange(len(fluxes)) % 2, 10.0, 1.0)
    everything = torch.ones(1, 256, 256, dtype=torch.bool)
    scores = source_scores(star_field(places, fluxes, noise=0.0), star_field(places, fluxes), everything)
    assert scores["purity"] == pytest.approx(0.5, abs=0.03)
    assert scores["purity_same_depth"] == 1
    assert scores["completeness"] == scores["completeness_same_depth"] == 1


def beside_galaxies(flux: float) -> torch.Tensor:
    """Nine galaxies with wings, and a star of so much flux 24 px beside each."""
    rows, columns = np.mgrid[:256, :256]
    centres = [(y, x) for y in range(40, 256, 88) for x in range(40, 256, 88)]
    light = sum(120 / (1 + ((rows - y) ** 2 + (columns - x) ** 2) / 6**2) ** 2.5 for y, x in centres)
    stars = star_field(np.array([(x + 24, y) for y, x in centres], float), np.full(9, flux))
    return (stars + torch.from_numpy(light).float()).clamp(0, 255)


def test_what_cleaning_took_from_the_truth_alone_is_not_called_false_without_cleaning():
    everything = torch.ones(1, 256, 256, dtype=torch.bool)
    faint, bright = beside_galaxies(5), beside_galaxies(10)
    scores = source_scores(bright, faint, everything)
    assert scores["purity"] == 0.5
    assert scores["completeness"] == scores["purity_uncleaned"] == scores["completeness_uncleaned"] == 1
    invented = source_scores(bright, beside_galaxies(0), everything)
    assert invented["purity"] == invented["purity_uncleaned"] == 0.5
    erased = source_scores(beside_galaxies(0), bright, everything)
    assert erased["completeness"] == erased["completeness_uncleaned"] == 0.5


def test_blank_noise_has_hardly_any_source_and_an_inventor_is_caught():
    cpu = torch.device("cpu")
    bicubic = resampler(RESAMPLING["bicubic"], 2)

    def inventive(rgb, valid):
        large = bicubic(rgb, valid)
        large[:, 40:160:40, 40:160:40] += 0.3
        large[:, 41:161:40, 40:160:40] += 0.3
        large[:, 40:160:40, 41:161:40] += 0.3
        large[:, 41:161:40, 41:161:40] += 0.3
        large[:, 39:159:40, 40:160:40] += 0.3
        return large

    found = invented_per_mpx({"_bicubic": bicubic, "": inventive}, cpu)
    assert np.mean(found["_bicubic"]) < 20
    assert np.mean(found[""]) == pytest.approx(9e6 / 192**2, rel=0.2)


def test_frechet_distance_is_that_of_the_covariances():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), rng.normal(1, 2, size=(60, 5))
    first, second = (np.cov(values, rowvar=False) for values in (x, y))
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet(x, y) == pytest.approx(expected)
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)


def test_kid_is_about_zero_for_one_distribution_and_grows_with_distance():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 6))
    alike, far = rng.normal(size=(200, 6)), rng.normal(0.5, 1, size=(200, 6))
    groups = [str(n // 2) for n in range(200)]
    error = standard_error(kid, alike, truth, groups, seed=0)
    assert 0 < error < 0.2
    assert abs(kid(alike, truth)) < 3 * error
    assert kid(far, truth) > 3 * standard_error(kid, far, truth, groups, seed=0)
    # unbiased: the mean over many draws is the distance of the distributions, here none
    draws = [kid(rng.normal(size=(8, 3)), rng.normal(size=(8, 3))) for _ in range(400)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 20


def test_features_see_colours_and_detail_of_valid_pixels_only():
    rgb, valid = drawn(0)
    picture, mask = torch.from_numpy(rgb).permute(2, 0, 1) / 255.0, torch.from_numpy(valid).unsqueeze(0)
    other = picture.clone()
    other[:, ~mask[0]] = torch.rand(3, int((~mask).sum()))
    gray = picture.mean(0, keepdim=True).expand(3, -1, -1)
    for features in (chroma_features, lambda rgb, valid: band_features(to_8bit(rgb), valid)):
        assert np.array_equal(features(picture, mask), features(other, mask))
        assert np.mean(features(picture, mask) ** 2) == pytest.approx(1)
    assert not np.allclose(chroma_features(picture, mask), chroma_features(gray, mask))
    rough = (picture + 0.05 * torch.randn(3, 80, 80)).clamp(0, 1)
    assert not np.allclose(band_features(to_8bit(picture), mask), band_features(to_8bit(rough), mask), atol=0.1)


def test_inception_comes_from_a_file_of_weights(tmp_path):
    network = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    features = InceptionFeatures(tmp_path / "weights.pth", torch.device("cpu"))
    assert features.name == "inception2015"
    picture, mask = torch.rand(3, 40, 40), torch.ones(1, 40, 40, dtype=torch.bool)
    found = features(picture, mask)
    assert found.shape == (2048,)
    assert np.isfinite(found).all()
    assert not np.allclose(found, features(1 - picture, mask), rtol=1e-3, atol=0)


def test_other_weights_are_one_sentence(tmp_path):
    torch.save({"fc.weight": torch.zeros(1000, 3)}, tmp_path / "other.pth")
    torch.save({"fc.weight": [1.0]}, tmp_path / "list.pth")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut short")
    (tmp_path / "cut.safetensors").write_bytes(b"cut short")
    for path, sentence in [
        ("none.pth", "no weights file"),
        ("other.pth", "no weights of Inception v3"),
        ("list.pth", "no dictionary of weights"),
        ("cut.pth", r"cut\.pth cannot be read: it is damaged"),
        ("cut.safetensors", r"cut\.safetensors cannot be read"),
    ]:
        with pytest.raises(DeepfieldError, match=sentence):
            InceptionFeatures(tmp_path / path, torch.device("cpu"))
