"""What is more than 8 bits of sRGB is obeyed or said: gain maps, AVIF's bits and numbers of its colors."""

import io

import numpy as np
import pytest
from PIL import AvifImagePlugin, Image, features

from recolor_torch.pictures import read_picture, write_picture
from recolor_torch.pictures.hdr import GAIN_MAP, avif_profile

Y, X = np.mgrid[:48, :64]
COLORS = np.stack((X * 4, Y * 5, 255 - X * 2), -1).clip(0, 255).astype(np.uint8)
RDF = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
ULTRA = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + RDF + b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="A" '
    b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" '
    b'xmlns:Container="http://ns.google.com/photos/1.0/container/"><Container:Directory><rdf:Seq><rdf:li>'
    b'<Container:Item xmlns:Item="http://ns.google.com/photos/1.0/container/item/" Item:Semantic="GainMap"/>'
    b"</rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)
APPLE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + RDF + b'xmlns:HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/">'
    b"<HDRGainMap:HDRGainMapVersion>65536</HDRGainMap:HDRGainMapVersion></rdf:Description></rdf:RDF></x:xmpmeta>"
)
PLAIN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + RDF + b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="A"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def jpeg(path, xmp):
    gain = io.BytesIO()
    Image.fromarray(COLORS[::4, ::4, 0]).save(gain, "JPEG")
    Image.fromarray(COLORS).save(path, quality=95, xmp=xmp)
    path.write_bytes(path.read_bytes() + gain.getvalue())
    return path


@pytest.mark.parametrize("xmp", [ULTRA, APPLE])
@pytest.mark.filterwarnings("ignore:.*gain map")
def test_a_gain_map_is_said_and_not_spoken_of_any_more(xmp, tmp_path):
    picture = read_picture(jpeg(tmp_path / "a.jpg", xmp))
    assert GAIN_MAP in picture.notes
    write_picture(tmp_path / "b.jpg", picture.image, picture)
    again = read_picture(tmp_path / "b.jpg")
    assert again.notes == ()
    assert b"hdrgm:" not in again.texts.xmp
    assert b"GainMap" not in again.texts.xmp
    assert (b'dc:source="A"' in again.texts.xmp) == (xmp is ULTRA)


def test_other_xmp_stays_as_it_is(tmp_path):
    picture = read_picture(jpeg(tmp_path / "a.jpg", PLAIN))
    assert (picture.texts.xmp, picture.notes) == (PLAIN, ())


@pytest.fixture
def avif(tmp_path, monkeypatch):
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    # imageio, where another test uses it, gives AVIF to an older pillow-heif.
    monkeypatch.setitem(Image.SAVE, "AVIF", AvifImagePlugin._save)
    monkeypatch.setitem(Image.OPEN, "AVIF", (AvifImagePlugin.AvifImageFile, AvifImagePlugin._accept))
    Image.fromarray(COLORS).save(tmp_path / "a.avif", quality=95)

    def change(numbers=None, flags=None):
        data = bytearray((tmp_path / "a.avif").read_bytes())
        if numbers:
            at = data.index(b"colrnclx") + 8
            data[at : at + 4] = bytes([0, numbers[0], 0, numbers[1]])
        if flags is not None:
            data[data.index(b"av1C") + 6] |= flags
        (tmp_path / "b.avif").write_bytes(data)
        return tmp_path / "b.avif"

    return change


def test_display_p3_in_an_avif_is_obeyed(avif):
    plain, wide = read_picture(avif()), read_picture(avif((12, 13)))
    assert plain.notes == wide.notes == ()
    assert plain.image[0, 1, 10, 60] > 0.1  # a P3 red with this little green leaves sRGB, and its green falls
    assert wide.image[0, 1, 10, 60] < plain.image[0, 1, 10, 60] - 0.05


@pytest.mark.filterwarnings("ignore:.*HDR")
def test_pq_and_bits_of_an_avif_are_said(avif):
    assert any("HDR (PQ, by nclx)" in note for note in read_picture(avif((9, 16))).notes)
    for flags, bits in ((0x40, 10), (0x60, 12)):
        notes = []
        avif_profile(avif(flags=flags), None, notes)
        assert notes == [f"{bits} bits a channel became 8: no more of an AVIF is read."]
