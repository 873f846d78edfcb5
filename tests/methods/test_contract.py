"""What every method promises. A method registered in METHODS is tested by being there."""

import inspect
from pathlib import Path

import pytest
import torch
import yaml

from recolor_torch.color import from_rgb
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import METHODS, build_method, method_name
from recolor_torch.pipeline import guide_in_space, recolor

# Gram transfer keeps its promises after a few steps too.
FEW_STEPS = {"gram": {"steps": 3, "coarse_steps": 2}}
CONFIGS = Path(__file__).parents[2] / "configs" / "methods"


@pytest.fixture
def guide(rgb, name, request, monkeypatch):
    """References, hints and a mask: more than any one method needs. Methods with weights find them, or skip."""
    # A small network, which most of the methods use; tests/cli/test_company.py has the batches of the package's.
    monkeypatch.setenv("RECOLOR_NETWORK", str(request.getfixturevalue("network_path")))
    if name != "network" and "weights" in inspect.signature(METHODS[name]).parameters:
        monkeypatch.setenv("RECOLOR_VGG19", str(request.getfixturevalue("vgg19_path")))
    hint_mask = torch.zeros_like(rgb[:, :1])
    hint_mask[..., 4::9, 5::11] = 1
    return Guide(references=(Reference(rgb[1:]),), hints=rgb.flip(0) * hint_mask, hint_mask=hint_mask)


@pytest.fixture(params=sorted(METHODS))
def name(request):
    return request.param


def test_shape_dtype_device(name, rgb, guide):
    out = recolor(rgb, name, guide)
    assert out.shape == rgb.shape
    assert out.dtype == rgb.dtype
    assert out.device == rgb.device
    assert out.isfinite().all()
    assert out.min() >= 0
    assert out.max() <= 1


def test_inputs_are_untouched(name, rgb, guide):
    images = [rgb, guide.references[0].image, guide.hints, guide.hint_mask]
    before = [x.clone() for x in images]
    recolor(rgb, build_method(name, **FEW_STEPS.get(name, {})), guide)
    assert all(torch.equal(a, b) for a, b in zip(images, before))


@pytest.mark.parametrize(
    ("dtype", "size"),
    [(torch.float32, (24, 32)), (torch.float32, (37, 41)), (torch.float32, (107, 103)), (torch.float64, (37, 41))],
    indirect=["dtype"],
)
def test_a_batch_is_its_pictures_one_by_one(name, rgb, guide, size):
    """To the last bit on a CPU, whatever the company; odd sizes end in the middle of a vector of the processor."""
    several = torch.cat((rgb, 0.5 * rgb.flip(3), 1 - rgb.flip(2)))[:3]
    image = torch.nn.functional.interpolate(several, size=size, mode="bilinear")
    mask = torch.zeros_like(image[:, :1])
    mask[..., 4 :: max(19, size[0] // 3), 5 :: max(17, size[1] // 3)] = 1
    hints = image.flip(0) * mask
    method = build_method(name, **FEW_STEPS.get(name, {}))
    together = recolor(image, method, Guide(guide.references, hints=hints, hint_mask=mask))
    for i in range(3):
        alone = Guide(guide.references, hints=hints[i : i + 1], hint_mask=mask[i : i + 1])
        found = recolor(image[i : i + 1], method, alone)
        if rgb.device.type == "cpu":
            assert torch.equal(together[i : i + 1], found)
        else:  # iterative solvers stop on an estimated error of half a level
            torch.testing.assert_close(together[i : i + 1], found, atol=0.5 / 255, rtol=0)


def test_luminance_is_kept(name, rgb, guide):
    weights = torch.tensor([0.299, 0.587, 0.114]).to(rgb).view(1, 3, 1, 1)
    out = recolor(rgb, build_method(name, **FEW_STEPS.get(name, {})), guide)
    torch.testing.assert_close((out * weights).sum(1), (rgb * weights).sum(1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pictures_of_16_bits_are_those_of_32(name, rgb, guide, dtype):
    narrow, wide = rgb.to(dtype), rgb.to(dtype).float()
    guide = guide.to(narrow)
    method = build_method(name, **FEW_STEPS.get(name, {}))
    out = recolor(narrow, method, guide)
    assert out.dtype == dtype
    torch.testing.assert_close(out, recolor(wide, method, guide.to(wide)).to(dtype))
    in_space = guide_in_space(guide, method.space, rgb.shape[-2:])
    alone = method(from_rgb(narrow, method.space), in_space)
    assert alone.dtype == dtype
    assert alone.isfinite().all()


def test_derivatives_are_numbers(name, rgb, guide):
    """Also where hints, references and results agree to the last bit: a root or a norm has no derivative there."""
    target = rgb.clone().requires_grad_()
    hints = (rgb * guide.hint_mask).requires_grad_()
    method = build_method(name, **FEW_STEPS.get(name, {}))
    recolor(target, method, Guide((Reference(rgb[1:]),), hints=hints, hint_mask=guide.hint_mask)).sum().backward()
    assert target.grad.isfinite().all()
    assert target.grad.abs().sum() > 0
    if "hints" in method.needs:
        assert hints.grad.isfinite().all()
        assert hints.grad.abs().sum() > 0


def test_missing_guidance_is_named(name, rgb):
    method = build_method(name)
    if not method.needs:
        pytest.skip(f"{name} needs no guidance")
    with pytest.raises(ValueError, match=f"{name} needs"):
        recolor(rgb, method, Guide())


def test_config_is_present_and_opens_with_what_it_is(name):
    text = (CONFIGS / f"{name}.yaml").read_text()
    assert text.startswith("# ")
    config = yaml.safe_load(text)
    assert set(config) <= {"model", "data", "trainer", "seed_everything"}
    method = config["model"]["init_args"]["method"]
    assert method["class_path"] == f"recolor_torch.methods.{METHODS[name].__name__}"
    build_method(name, **method.get("init_args") or {})


def test_settings_are_typed_documented_and_kept(name):
    cls = METHODS[name]
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    for p in parameters:
        assert p.annotation is not inspect.Parameter.empty
        assert p.default is not inspect.Parameter.empty
        assert f"{p.name}:" in (cls.__doc__ or "")
    assert set(build_method(name).settings()) == {p.name for p in parameters}
    assert method_name(build_method(name)) == name


def test_unknown_method_lists_the_known():
    with pytest.raises(ValueError, match="Unknown method 'histogramm'. Known methods: .*histogram"):
        build_method("histogramm")


@pytest.mark.parametrize("low", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_mixed_precision_is_near_full_precision(name, rgb, guide, low):
    """Networks may compute in few bits; solves, statistics and colors may not."""
    settings = {"precision": "float32", **FEW_STEPS["gram"]} if name == "gram" else {}
    full = recolor(rgb, build_method(name, **settings), guide)
    with torch.autocast(rgb.device.type, dtype=low):
        mixed = recolor(rgb, build_method(name, **settings), guide)
    torch.testing.assert_close(mixed, full, atol=2 / 255, rtol=0)
