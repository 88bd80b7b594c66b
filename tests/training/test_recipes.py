import json
from pathlib import Path

import pytest
import torch

from manifests.errors import DeepfieldError, UsageError
from models.resnet_unet import ResNetUNet, ResNetUNetConfig
from training.content import ContentConfig, ContentLoss, load_content
from training.loop import train
from training.pack import Pack
from training.pretrained import start_encoder
from training.recipes import RECIPES
from training.run_folder import read_run
from training.settings import override, parse_assignments

# what brings any recipe down to a test: networks by name of the setting, where a recipe has it
SMALL = {
    "generator": {"width": 4, "max_width": 8, "blocks": 2, "depth": 3, "reduce": 1, "end_kernel": 3, "expansion": 2},
    "discriminator": {"width": 2, "blocks": "1,1"},
}
RUN = [
    "pretrain.steps=1",
    "adversarial.steps=1",
    "data.crop_px=32",
    "data.frame_px=80",
    "data.batch=2",
    "discriminator_first=0",
    "held_out_frames=1",
    "log_every=1",
    "precision=fp32",
    "encoder=scratch",
]


def small(name: str) -> list[str]:
    config = RECIPES[name]()
    return RUN + [
        f"{part}.{key}={value}"
        for part, values in SMALL.items()
        for key, value in values.items()
        if hasattr(getattr(config, part), key)
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_at_a_small_size(pack: Pack, tmp_path: Path, vgg: Path, name: str):
    settings = [*small(name), f"content.weights={vgg}"]
    result = train(override(RECIPES[name](), parse_assignments(settings)), pack, tmp_path / "run")
    assert result.steps == 2
    assert set(result.best) == {"pretrain", "adversarial"}
    assert read_run(tmp_path / "run")["environment"]["precision"] == "fp32"


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("srgan_ledig", ["generator.network=span", "discriminator.network=residual_vgg"]),
        ("pix2pix_lab", ["generator.network=resnet_unet", "discriminator.network=srgan_discriminator"]),
    ],
)
def test_a_recipe_runs_with_networks_of_other_families(pack: Pack, tmp_path: Path, name: str, families: list[str]):
    narrow = ["generator.width=4", "discriminator.width=2"]
    config = override(RECIPES[name](), parse_assignments([*RUN, *families, *narrow]))
    assert train(config, pack, tmp_path / "run").steps == 2
    networks = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert [f"{part}.network={networks[part]['network']}" for part in ("generator", "discriminator")] == families


def test_a_content_loss_without_weights_is_one_sentence(pack: Pack, tmp_path: Path):
    config = override(RECIPES["content_mix"](), parse_assignments(small("content_mix")))
    with pytest.raises(UsageError, match=r"content\.weights=FILE"):
        train(config, pack, tmp_path / "run")
    (tmp_path / "other.pth").write_bytes(b"nothing")
    with pytest.raises(DeepfieldError, match="cannot be read"):
        load_content(ContentConfig(weight=1.0, weights=str(tmp_path / "other.pth")))
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DeepfieldError, match="does not hold VGG-19"):
        load_content(ContentConfig(weight=1.0, weights=str(tmp_path / "other.pth")))


def test_the_content_loss_compares_torchvisions_features():
    import torchvision

    torch.manual_seed(0)
    vgg = torchvision.models.vgg
    theirs = vgg.make_layers(vgg.cfgs["E"][:5])[:8]
    ours = ContentLoss({f"features.{key}": value for key, value in theirs.state_dict().items()}, "conv2_2")
    made, truth, valid = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32).bool()
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        aim = (theirs((made - mean) / std) - theirs((truth - mean) / std)).abs().mean()
    assert float(ours(made, truth, valid)) == pytest.approx(float(aim), rel=1e-4)
    assert float(ours(made, made, valid)) == 0.0


def test_the_encoder_says_where_it_starts_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import torchvision

    torch.manual_seed(0)
    network, weights = ResNetUNet(ResNetUNetConfig()), torchvision.models.resnet18().state_dict()
    before = network.encoder.layer4[1].conv2.weight.clone()
    # an empty cache, and a network where nothing answers
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", _unreachable)
    assert start_encoder(network, "imagenet").startswith("from scratch: the ImageNet weights cannot be had")
    assert start_encoder(network, "scratch") == "from scratch"
    assert torch.equal(network.encoder.layer4[1].conv2.weight, before)
    torch.save(weights, tmp_path / "mine.pth")
    assert start_encoder(network, str(tmp_path / "mine.pth")).startswith("mine.pth, SHA-256 ")
    assert not torch.equal(network.encoder.layer4[1].conv2.weight, before)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True, exist_ok=True)
    (tmp_path / "mine.pth").rename(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    assert start_encoder(network, "imagenet").startswith("resnet18-f37072fd.pth, SHA-256 ")
    with pytest.raises(UsageError, match="no file of weights"):
        start_encoder(network, str(tmp_path / "none.pth"))


def _unreachable(*_: object, **__: object) -> None:
    raise OSError("network is unreachable")
