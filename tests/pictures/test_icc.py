"""ICC profiles built here byte by byte, against littleCMS where it knows the answer."""

import io
import struct
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from recolor_torch.pictures import read_picture, write_picture
from recolor_torch.pictures.icc import SRGB_TO_PCS, ProfileError, from_srgb, parse_profile, to_srgb
from recolor_torch.pictures.read import PictureWarning

# Columns R, G, B under D50, as Apple's Display P3 and Adobe RGB (1998) profiles have them.
P3 = [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
ADOBE = [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
PROPHOTO = [[0.79767, 0.13519, 0.03135], [0.28804, 0.71188, 0.00009], [0.0, 0.0, 0.82491]]


def s15(*values):
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def table(values):
    return b"curv\0\0\0\0" + struct.pack(
        f">I{len(values)}H", len(values), *np.rint(np.asarray(values) * 65535).astype(int)
    )


def para(kind, *values):
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + s15(*values)


SRGB_CURVE = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
L_STAR = table([(((x * 100 + 16) / 116) ** 3 if x > 0.08 else x * 100 / 903.3) for x in np.linspace(0, 1, 1024)])


def profile(tags, space=b"RGB ", kind=b"mntr", pcs=b"XYZ "):
    white = b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249)
    text = b"mluc\0\0\0\0" + struct.pack(">IIHHII", 1, 12, 0x656E, 0x5553, 8, 28) + "test".encode("utf-16-be")
    tags = {b"desc": text, b"cprt": text, b"wtpt": white, **tags}
    offset, index, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        index += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x04300000, kind, space, pcs) + struct.pack(
        ">6H", 2026, 1, 1, 0, 0, 0
    )
    head += b"acsp" + bytes(28) + s15(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def rgb_profile(matrix, *curves):
    curves = curves * 3 if len(curves) == 1 else curves
    columns = np.array(matrix).T
    tags = {name: b"XYZ \0\0\0\0" + s15(*c) for name, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns)}
    return profile(tags | dict(zip((b"rTRC", b"gTRC", b"bTRC"), curves)))


def gray_profile(curve):
    return profile({b"kTRC": curve}, space=b"GRAY")


RGB_PROFILES = {
    "Display P3": rgb_profile(P3, SRGB_CURVE),
    "Adobe RGB": rgb_profile(ADOBE, gamma(2.19921875)),
    "ProPhoto": rgb_profile(PROPHOTO, gamma(1.8)),
    "Adobe primaries, L* table": rgb_profile(ADOBE, L_STAR),
    "three curves": rgb_profile(P3, gamma(1.8), gamma(2.2), SRGB_CURVE),
    "linear": rgb_profile(SRGB_TO_PCS, b"curv\0\0\0\0\0\0\0\0"),
    "BT.709 curve": rgb_profile(SRGB_TO_PCS, para(3, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)),
    "parametric 4": rgb_profile(ADOBE, para(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0)),
    "parametric 2": rgb_profile(ADOBE, para(2, 2.0, 0.9, 0.1, 0.0)),
    "parametric 1": rgb_profile(ADOBE, para(1, 2.2, 1.0, 0.0)),
}
GRAY_PROFILES = {
    "gamma 2.2": gray_profile(gamma(2.2)),
    "gamma 1.8": gray_profile(gamma(1.8)),
    "L*": gray_profile(L_STAR),
    "dot gain": gray_profile(table(np.linspace(0, 1, 256) ** 1.75)),
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def opened(data):
    return ImageCms.ImageCmsProfile(io.BytesIO(data))


def convert(pixels, data):
    image = torch.empty(1, 3, *pixels.shape[:2])
    to_srgb(pixels, parse_profile(data), image)
    return image


def levels(image):
    return (image[0] * 255).round().permute(1, 2, 0).numpy()


def colors(n=33):
    steps = np.linspace(0, 255, n).round().astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(n, n * n, 3)


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_to_srgb_is_what_littlecms_computes(name):
    pixels = colors()
    reference = ImageCms.profileToProfile(
        Image.fromarray(pixels), opened(RGB_PROFILES[name]), SRGB,
        renderingIntent=1, flags=ImageCms.Flags.HIGHRESPRECALC | ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    difference = np.abs(levels(convert(pixels, RGB_PROFILES[name])) - np.asarray(reference))
    assert difference.max() <= 1


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_from_srgb_is_what_littlecms_computes(name):
    pixels = colors()
    reference = ImageCms.profileToProfile(
        Image.fromarray(pixels), SRGB, opened(RGB_PROFILES[name]),
        renderingIntent=1, flags=ImageCms.Flags.HIGHRESPRECALC | ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    image = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)
    parsed = parse_profile(RGB_PROFILES[name])
    ours, theirs = levels(from_srgb(image, parsed)[None]), np.asarray(reference).astype(np.float32)
    # Near black a pure power is so steep that littleCMS's 16 bits of linear light are several levels.
    light = [np.stack([curve(x[..., i] / 255) for i, curve in enumerate(parsed.curves)]) for x in (ours, theirs)]
    near = (np.abs(light[0] - light[1]) < 5e-5).all(axis=0)[..., None]
    assert ((np.abs(ours - theirs) <= 1) | near).all()
    assert (np.abs(ours - theirs) > 1).mean() < 0.002


@pytest.mark.parametrize("name", GRAY_PROFILES)
def test_gray_to_srgb_is_what_littlecms_computes(name):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    reference = ImageCms.profileToProfile(
        Image.fromarray(pixels), opened(GRAY_PROFILES[name]), SRGB, renderingIntent=1, outputMode="RGB",
        flags=ImageCms.Flags.HIGHRESPRECALC | ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    assert np.abs(levels(convert(pixels[..., None], GRAY_PROFILES[name])) - np.asarray(reference)).max() <= 1


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_there_and_back_at_16_bits(name):
    """Colors inside sRGB come back to 4 of 65535 levels: nothing is quantised on the way."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 50, 40, generator=generator) * 0.98 + 0.01
    device = from_srgb(image[0], parse_profile(RGB_PROFILES[name]))
    pixels = (device * 65535).round().permute(1, 2, 0).numpy().astype(np.uint16)
    back = from_srgb(convert(pixels, RGB_PROFILES[name])[0], parse_profile(RGB_PROFILES[name]))
    inside = (device > 0).all(0) & (device < 1).all(0)  # a few profiles do not hold all of sRGB
    assert inside.float().mean() > 0.8
    difference = (back * 65535 - torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)).abs()[:, inside]
    assert difference.max() <= 4


def test_gray_goes_with_an_rgb_profile():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    for data in RGB_PROFILES.values():
        torch.testing.assert_close(
            convert(pixels, data), convert(np.repeat(pixels, 3, axis=2), data), atol=1e-6, rtol=0
        )


def test_srgb_is_known_by_what_it_says():
    for data in (SRGB.tobytes(), rgb_profile(SRGB_TO_PCS, SRGB_CURVE)):
        assert parse_profile(data).is_srgb
    assert not any(parse_profile(data).is_srgb for data in RGB_PROFILES.values())


def test_colors_outside_srgb_are_clipped_at_the_end():
    """P3's green has more than none of red and blue taken away: clipped to 0, and green kept at the top."""
    image = convert(np.array([[[0, 255, 0]]], np.uint8), RGB_PROFILES["Display P3"])
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor([0.0, 1.0, 0.0]))


BROKEN = {
    "empty": b"",
    "text": b"this is no profile" * 20,
    "header alone": RGB_PROFILES["Adobe RGB"][:128],
    "cut short": RGB_PROFILES["Adobe RGB"][:-40],
    "no curves": profile({b"rXYZ": b"XYZ \0\0\0\0" + s15(0.6, 0.3, 0.0)}),
    "flat matrix": rgb_profile(np.ones((3, 3)) / 3, gamma(2.2)),
    "gamma 0": rgb_profile(ADOBE, gamma(0)),
    "flat curve": rgb_profile(ADOBE, table([0.5, 0.5, 0.5])),
    "a unknown curve": rgb_profile(ADOBE, b"wxyz\0\0\0\0\0\0\0\0"),
    "unknown form": rgb_profile(ADOBE, para(7, 1, 1, 1, 1, 1, 1, 1)),
    "short parameters": rgb_profile(ADOBE, para(4, 2.4)),
    "Lab colors": profile({}, space=b"Lab "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_profile_says_so(name):
    with pytest.raises(ProfileError):
        parse_profile(BROKEN[name])


@pytest.mark.parametrize("name", [n for n in BROKEN if n != "empty"])
def test_a_broken_profile_is_ignored_with_a_warning(name, tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4), (10, 200, 30)).save(path, icc_profile=BROKEN[name])
    with pytest.warns(PictureWarning, match="The ICC profile was ignored") as caught:
        picture = read_picture(path)
    assert "\n" not in str(caught[0].message)
    assert torch.equal(picture.image[0, :, 0, 0] * 255, torch.tensor([10.0, 200.0, 30.0]))
    assert picture.icc is None
    assert picture.tag_srgb


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(sorted(RGB_PROFILES)))
@settings(max_examples=200, deadline=None)
def test_damaged_profiles_are_read_or_refused(place, value, name):
    data = bytearray(RGB_PROFILES[name])
    data[place % len(data)] = value
    try:
        parsed = parse_profile(bytes(data))
    except ProfileError:
        return
    if parsed.matrix is not None:
        image = convert(np.array([[[0, 128, 255], [255, 1, 77]]], np.uint8), bytes(data))
        assert 0 <= image.min() <= image.max() <= 1
        assert from_srgb(image[0], parsed).isfinite().all()


def embed(tmp_path, pixels, data, suffix=".png"):
    path = tmp_path / f"in{suffix}"
    image = Image.fromarray(pixels) if pixels.ndim == 2 or pixels.shape[2] == 3 else None
    image.save(path, icc_profile=data)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("name", RGB_PROFILES)
def test_files_keep_their_profile_and_pixels(name, suffix, tmp_path):
    """Read to sRGB and written back: the profile's bytes, and 8-bit pixels within one level."""
    generator = torch.Generator().manual_seed(1)
    inside = from_srgb(torch.rand(3, 30, 40, generator=generator), parse_profile(RGB_PROFILES[name]))
    pixels = (inside * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"in{suffix}", icc_profile=RGB_PROFILES[name], **options)
    picture = read_picture(tmp_path / f"in{suffix}")
    write_picture(tmp_path / f"out{suffix}", picture.image, picture)
    out = Image.open(tmp_path / f"out{suffix}")
    assert out.info["icc_profile"] == RGB_PROFILES[name]
    middle = (inside > 0.02).all(0) & (inside < 0.98).all(0)  # a rounded color at the border may leave sRGB
    difference = np.abs(np.asarray(out).astype(int) - pixels)[middle.numpy()]
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


def test_a_gray_profile_becomes_srgb(tmp_path):
    path = embed(tmp_path, np.arange(256, dtype=np.uint8).reshape(16, 16), GRAY_PROFILES["gamma 1.8"])
    picture = read_picture(path)
    assert picture.icc is None
    expected = (np.arange(256) / 255) ** (461 / 256)  # 1.8 in a profile's 8 + 8 bits
    expected = np.where(expected <= 0.0031308, 12.92 * expected, 1.055 * expected ** (1 / 2.4) - 0.055)
    assert np.allclose(picture.image[0, 1].reshape(-1), expected, atol=1e-5)
    write_picture(tmp_path / "out.png", picture.image, picture)
    with Image.open(tmp_path / "out.png") as written:
        assert parse_profile(written.info["icc_profile"]).is_srgb


def lut_profile(space, kind, matrix=None):
    """A profile made of tables: mft2 from device (RGB or CMYK) to Lab and back, of 5 points a side, near sRGB."""
    channels = {b"RGB ": 3, b"CMYK": 4}[space]
    lab = ImageCms.buildTransform(SRGB, ImageCms.createProfile("LAB"), "RGB", "LAB")
    grid = np.stack(np.meshgrid(*[np.linspace(0, 255, 5)] * channels, indexing="ij"), axis=-1).reshape(-1, channels)
    rgb = grid if channels == 3 else (255 - grid[:, :3]) * (255 - grid[:, 3:]) / 255
    values = np.asarray(ImageCms.applyTransform(Image.fromarray(rgb.round().astype(np.uint8)[None]), lab)).copy()[0]
    encoded = values.astype(np.int64)
    encoded[:, 1:] = np.where(encoded[:, 1:] > 127, encoded[:, 1:] - 256, encoded[:, 1:]) + 128
    encoded = np.clip(encoded * np.array([65280 / 255, 256, 256]), 0, 65535).round().astype(int)
    head = b"mft2\0\0\0\0" + bytes([channels, 3, 5, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
    body = struct.pack(">2H", 0, 65535) * channels + struct.pack(f">{encoded.size}H", *encoded.reshape(-1).tolist())
    return profile({b"A2B0": head + body + struct.pack(">2H", 0, 65535) * 3}, space=space, kind=kind, pcs=b"Lab ")


def test_profiles_of_tables_go_through_littlecms(tmp_path):
    pixels = colors(9)
    data = lut_profile(b"RGB ", b"scnr")
    path = embed(tmp_path, pixels, data)
    picture = read_picture(path)
    reference = ImageCms.profileToProfile(Image.fromarray(pixels), opened(data), SRGB, renderingIntent=1, flags=0x2000)
    assert np.array_equal(levels(picture.image), np.asarray(reference))
    assert picture.icc == data
    write_picture(tmp_path / "out.png", picture.image, picture)  # a scanner's profile has no way back
    written = Image.open(tmp_path / "out.png")
    assert parse_profile(written.info["icc_profile"]).is_srgb
    assert np.array_equal(np.asarray(written), np.asarray(reference))


def test_profiles_of_tables_at_16_bits_say_what_is_lost(tmp_path):
    picture = read_picture(embed(tmp_path, colors(5), lut_profile(b"RGB ", b"scnr")))
    from recolor_torch.pictures.encode import write_png

    with (tmp_path / "deep.png").open("wb") as file:
        write_png(file, colors(5).astype(np.uint16) * 257, icc=lut_profile(b"RGB ", b"scnr"))
    with pytest.warns(PictureWarning, match="lower 8 bits are lost"):
        deep = read_picture(tmp_path / "deep.png")
    assert torch.equal(deep.image, picture.image)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_with_its_profile(format, tmp_path):
    rng = np.random.default_rng(3)
    cmyk = np.repeat(np.repeat(rng.integers(0, 256, (4, 4, 4), np.uint8), 8, axis=0), 8, axis=1)
    image = Image.frombytes("CMYK", (32, 32), cmyk.tobytes())
    data = lut_profile(b"CMYK", b"prtr")
    image.save(tmp_path / "in", format, icc_profile=data)
    stored = Image.open(tmp_path / "in")
    picture = read_picture(tmp_path / "in")
    reference = ImageCms.profileToProfile(
        stored.copy(), opened(data), SRGB, renderingIntent=1, outputMode="RGB", flags=0x2000
    )
    assert np.array_equal(levels(picture.image), np.asarray(reference))
    assert picture.icc is None
    assert picture.tag_srgb
    with_wrong = tmp_path / "wrong"
    image.save(with_wrong, format, icc_profile=RGB_PROFILES["Adobe RGB"])
    with pytest.warns(PictureWarning, match="CMYK profile"):
        wrong = read_picture(with_wrong)
    assert np.array_equal(levels(wrong.image), np.asarray(stored.convert("RGB")))


def bent(change):
    values = np.linspace(0, 1, 256) ** 2.2
    change(values)
    return rgb_profile(P3, table(values))


def with_size_of_rtrc(data, size):
    place = data.index(b"rTRC")
    return data[: place + 8] + struct.pack(">I", size) + data[place + 12 :]


def falls(values):
    values[100] = 0.0


def leaps(values):
    values[100:] = np.maximum(values[100:], 0.9)


def ends(values):
    values[200:] = values[200]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bent(falls), "a curve of the profile falls"),
        (bent(leaps), "cannot be turned round"),
        (bent(ends), "cannot be turned round"),
        (gray_profile(table(np.repeat(np.linspace(0, 1, 16), 16))), "cannot be turned round"),
        (rgb_profile(np.array(P3) * [[1.0], [1.0], [1.6]], gamma(2.2)), "cannot be turned round"),
        (rgb_profile(np.array(P3) * 3, gamma(2.2)), "cannot be turned round"),
        (with_size_of_rtrc(RGB_PROFILES["Adobe primaries, L* table"], 2059), "damaged"),  # half a number at the end
        (rgb_profile(P3, para(3, 2.4, 1.0, 0.9, 0.01, 0.5)), "cannot be turned round"),
    ],
)
def test_profiles_that_do_not_bring_values_back_are_left_out(data, words):
    with pytest.raises(ProfileError, match=words):
        parse_profile(data)


@given(
    st.lists(st.tuples(st.integers(128, 500), st.integers(0, 255)), min_size=1, max_size=8),
    st.sampled_from(sorted(RGB_PROFILES)),
)
@settings(max_examples=200, deadline=None)
def test_what_a_damaged_profile_takes_it_gives_back(changes, name):
    data = bytearray(RGB_PROFILES[name])
    for place, value in changes:
        data[place % (len(data) - 128) + 128] = value
    try:
        profile = parse_profile(bytes(data))
    except ProfileError:
        return
    pixels = np.random.default_rng(0).integers(0, 256, (1, 512, 3)).astype(np.uint8)
    image = torch.empty(1, 3, 1, 512)
    to_srgb(pixels, profile, image)
    inside = ((image[0] > 0.002) & (image[0] < 0.998)).all(0)[0].numpy()
    again = from_srgb(image[0], profile)[:, 0].numpy().T * 255
    assert np.abs(again - pixels[0])[inside].max(initial=0) <= 2.01
