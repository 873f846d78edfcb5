"""What a file says in words comes back byte for byte where the new format has a place for it, else it is said."""

import shutil
import struct
import subprocess
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from recolor_torch.pictures import PictureError, copy_unchanged, read_picture, write_picture
from recolor_torch.pictures.carry import photoshop_segment
from recolor_torch.pictures.exif import EXIF, Exif, Field, fit_exif, parse_exif
from recolor_torch.pictures.metadata import Texts, photoshop_resource

SUFFIXES = (".jpg", ".png", ".tif", ".webp")
CAPTION = "Kraków, Rynek 1931 – фото".encode()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'tiff:Make="Zden\xc4\x9bk"/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"\x1c\x02\x78\x00\x0dRynek w 1931\xc3" + b"\x1c\x02\x19\x00\x04Jan\xb3"


def pixels(height=6, width=8):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def exif_bytes(order="<", maker_note=b""):
    """EXIF as cameras write it, by hand: text in UTF-8, undefined fields, a rational, GPS."""
    text = Field(2, len(CAPTION) + 1, CAPTION + b"\0")
    first = {0x010E: text, 0x013B: text, 0x8298: text}
    inner = {
        0x9286: Field(7, 12, b"UNICODE\0\x1f\x04!\0"),
        0xA300: Field(7, 1, b"\x03"),
        0x9101: Field(7, 4, b"\1\2\3\0"),
        0x829A: Field(5, 1, struct.pack(order + "2I", 1, 250)),
        0xA434: text,
    }
    if maker_note:
        inner[0x927C] = Field(7, len(maker_note), maker_note)
    gps = {1: Field(2, 2, b"N\0"), 2: Field(5, 3, struct.pack(order + "6I", 48, 1, 30, 1, 0, 1))}
    return Exif(order, first, {EXIF: inner, 0x8825: gps}).to_bytes()


def source(folder, suffix, exif=None, **options):
    path = folder / f"in{suffix}"
    Image.fromarray(pixels()).save(path, exif=b"Exif\0\0" + (exif or exif_bytes()), **options)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_comes_back_byte_for_byte(suffix, order, tmp_path):
    like = read_picture(source(tmp_path, ".jpg", exif_bytes(order)))
    assert write_picture(tmp_path / f"out{suffix}", like.image, like) == ()
    with Image.open(tmp_path / f"out{suffix}") as image:
        image.load()  # no warning of Pillow's, and the same values by its reading
        assert image.getexif()[0x010E].encode("latin-1") == CAPTION
        inner = image.getexif().get_ifd(EXIF)
        assert (inner[0xA300], inner[0x9101], float(inner[0x829A])) == (b"\x03", b"\1\2\3\0", 0.004)
    back = parse_exif(read_picture(tmp_path / f"out{suffix}").exif)
    first = parse_exif(exif_bytes(order))
    assert back.nested == first.nested
    assert {tag: back.first[tag] for tag in first.first} == first.first
    assert back.order == order


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exiftool_reads_what_was_written(suffix, tmp_path):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    segment = photoshop_segment(IPTC)
    like = read_picture(source(tmp_path, ".jpg", xmp=XMP, comment="żółć".encode(), extra=segment))
    write_picture(tmp_path / f"out{suffix}", like.image, like)
    command = ["exiftool", "-G", "-s", str(tmp_path / f"out{suffix}")]
    text = subprocess.run(command, capture_output=True).stdout.decode("utf-8", "replace")
    assert "Warning" not in text
    assert CAPTION.decode() in text
    assert ("Rynek w 1931" in text) == (suffix != ".webp")
    assert ("żółć" in text) == (suffix in (".jpg", ".png"))


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".bmp"])
def test_texts_of_a_jpeg(suffix, tmp_path):
    like = read_picture(source(tmp_path, ".jpg", xmp=XMP, comment=b"old \xff", extra=photoshop_segment(IPTC)))
    assert like.texts == Texts(XMP.replace(b'"6"', b'"1"'), IPTC, b"old \xff")
    notes = " ".join(write_picture(tmp_path / f"out{suffix}", like.image, like))
    back = read_picture(tmp_path / f"out{suffix}").texts
    assert (back.xmp == like.texts.xmp) == (suffix != ".bmp")
    assert (back.iptc == IPTC) == (suffix in (".jpg", ".tif", ".png"))
    assert (back.comment == b"old \xff") == (suffix == ".jpg")
    assert ("XMP" in notes, "EXIF" in notes) == (suffix == ".bmp",) * 2
    assert ("IPTC" in notes) == (suffix in (".bmp", ".webp"))
    assert ("comment" in notes) == (suffix in (".bmp", ".webp", ".tif"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_texts_of_a_png(suffix, tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Zdjęcie – фото")
    texts.add_text("Comment", "a" * 3000)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    like = read_picture(source(tmp_path, ".png", pnginfo=texts))
    assert dict(like.texts.named) == {"Title": "Zdjęcie – фото", "Comment": "a" * 3000}
    notes = write_picture(tmp_path / f"out{suffix}", like.image, like, description="recolor_torch 1")
    back = read_picture(tmp_path / f"out{suffix}").texts
    assert back.xmp == like.texts.xmp
    assert ("Title" in " ".join(notes)) == (suffix != ".png")
    if suffix == ".png":
        assert (back, notes) == (like.texts, ())
        with Image.open(tmp_path / "out.png") as image:
            assert image.text["Software"] == "recolor_torch 1"
    assert (back.comment == b"a" * 3000) == (suffix == ".jpg")


def test_exif_that_is_too_long_for_a_jpeg_loses_its_largest_field(tmp_path):
    like = read_picture(source(tmp_path, ".png", exif_bytes(maker_note=bytes(70_000))))
    (note,) = write_picture(tmp_path / "out.jpg", like.image, like)
    assert "MakerNote" in note
    back = parse_exif(read_picture(tmp_path / "out.jpg").exif)
    assert 0x010E in back.first
    assert 0x829A in back.nested[EXIF]


def test_texts_that_are_too_long_for_a_jpeg(tmp_path):
    like = read_picture(source(tmp_path, ".png"))
    like = replace(like, texts=Texts(xmp=bytes(70_000), iptc=bytes(70_000), comment=bytes(70_000)))
    notes = " ".join(write_picture(tmp_path / "out.jpg", like.image, like))
    assert "XMP of 68 KB, IPTC and the end of the comment" in notes


@pytest.mark.parametrize("error", [ValueError("EXIF data\nis too long"), OverflowError("8 bits"), MemoryError()])
def test_whatever_an_encoder_raises_is_one_sentence(error, tmp_path, monkeypatch):
    def save(*args, **kwargs):
        raise error

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(PictureError, match=r"^\S+out\.jpg: (cannot write this file \(.*\)|not enough memory.*)\.$"):
        write_picture(tmp_path / "out.jpg", torch.zeros(1, 3, 4, 4))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png", ".tif", ".bmp"])
def test_lost_depth_and_alpha_are_said(suffix, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (5, 7, 4), np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", deep, photometric="rgb", extrasamples=["unassalpha"])
    like = read_picture(tmp_path / "in.tif")
    for notes in (
        write_picture(tmp_path / f"out{suffix}", like.image, like),
        copy_unchanged(tmp_path / "in.tif", tmp_path / f"copy{suffix}", like),
    ):
        assert ("16 bits" in " ".join(notes)) == (suffix in (".jpg", ".webp", ".bmp"))
        assert ("ransparency" in " ".join(notes)) == (suffix == ".jpg")


@pytest.mark.parametrize("text", ['{"shape": [3, 40, 50]}', "ImageJ=1.53t\nimages=9\nslices=9", "<OME xmlns=''></OME>"])
def test_a_description_of_pages_is_not_kept(text, tmp_path):
    stack = np.zeros((3, 40, 50, 3), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", stack, photometric="rgb", description=text, metadata=None)
    with pytest.warns(UserWarning, match="first of 3"):
        like = read_picture(tmp_path / "in.tif")
    assert like.exif is None or 0x010E not in parse_exif(like.exif).first
    tifffile.imwrite(tmp_path / "in.tif", stack[0], photometric="rgb", description="Rynek", metadata=None)
    assert parse_exif(read_picture(tmp_path / "in.tif").exif).first[0x010E].data == b"Rynek\0"


def test_photoshop_swaps_iptc_in_tiff_as_numbers(tmp_path):
    padded = IPTC + bytes(-len(IPTC) % 4)
    swapped = b"".join(padded[i : i + 4][::-1] for i in range(0, len(padded), 4))
    numbers = struct.unpack(f">{len(padded) // 4}I", swapped)
    tag = [(33723, "I", len(numbers), numbers, True)]
    tifffile.imwrite(tmp_path / "in.tif", pixels(), photometric="rgb", byteorder=">", extratags=tag)
    assert read_picture(tmp_path / "in.tif").texts.iptc == padded
    block = b"8BIM\x04\x05\0\0\0\0\0\1a\0" + photoshop_resource(IPTC)
    tifffile.imwrite(
        tmp_path / "in.tif", pixels(), photometric="rgb", extratags=[(34377, "B", len(block), block, True)]
    )
    assert read_picture(tmp_path / "in.tif").texts.iptc == IPTC


@given(data=st.binary(max_size=300), place=st.integers(0, 200), value=st.integers(0, 255))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_exif_costs_nothing_else(data, place, value, tmp_path):
    """Whatever the bytes, parsing gives EXIF that packs again, and the picture is read."""
    changed = bytearray(exif_bytes())
    changed[place % len(changed)] = value
    for exif in (bytes(changed), b"II*\0\x08\0\0\0" + data, data):
        found = parse_exif(exif)
        if found is not None:
            again = parse_exif(found.to_bytes()) or Exif(found.order)
            assert (again.first, again.nested) == (found.first, found.nested)
    path = tmp_path / "in.png"
    Image.fromarray(pixels()).save(path)
    chunk = b"eXIf" + bytes(changed)
    whole = path.read_bytes()
    extra = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(whole[:33] + extra + whole[33:])
    assert torch.equal((read_picture(path).image * 255).byte(), torch.from_numpy(pixels()).permute(2, 0, 1)[None])


def test_fit_exif_drops_the_fewest_bytes_in_order_of_size():
    exif = parse_exif(exif_bytes(maker_note=bytes(500)))
    assert fit_exif(exif, 10_000)[1] == []
    fitted, dropped = fit_exif(exif, 400)
    assert dropped == ["MakerNote"]
    assert len(fitted.to_bytes()) <= 400
