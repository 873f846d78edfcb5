"""Captions and keywords of picture files, as other programs write them."""

import struct

import pytest
from PIL import Image, IptcImagePlugin, PngImagePlugin

from recolor_torch.pictures.captions import captions
from recolor_torch.pictures.read import read_picture

XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="Genoa"><dc:subject><rdf:Bag><rdf:li>harbour'
    "</rdf:li><rdf:li>evening</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def record(number, text):
    data = text.encode()
    return struct.pack(">BBBH", 0x1C, 2, number, len(data)) + data


def save(path, **options):
    Image.new("RGB", (8, 6), (10, 90, 200)).save(path, **options)
    return captions(read_picture(path))


def test_exif(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "A ship in the harbour"
    exif[0x9C9E] = "sea;evening\0".encode("utf-16-le")
    assert save(tmp_path / "a.jpg", exif=exif) == "A ship in the harbour\nsea evening"
    assert save(tmp_path / "a.png", exif=exif).splitlines()[0] == "A ship in the harbour"


@pytest.mark.parametrize("text", ["OLYMPUS DIGITAL CAMERA", "   ", "SONY DSC", "Created with GIMP"])
def test_what_cameras_write_is_no_caption(text, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = text
    assert save(tmp_path / "a.jpg", exif=exif) == ""


def test_iptc(tmp_path):
    iptc = record(120, "Regatta, früh") + record(25, "boats") + record(25, "Genoa") + record(80, "A. Photographer")
    resource = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    segment = b"\xff\xed" + struct.pack(">H", len(resource) + 2) + resource
    Image.new("RGB", (8, 6)).save(tmp_path / "plain.jpg")
    data = (tmp_path / "plain.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:2] + segment + data[2:])
    with Image.open(tmp_path / "a.jpg") as image:
        assert IptcImagePlugin.getiptcinfo(image)[2, 25] == [b"boats", b"Genoa"]  # Pillow reads what was made here
    assert captions(read_picture(tmp_path / "a.jpg")) == "Regatta, früh\nboats\nGenoa"


def test_xmp_and_comments(tmp_path):
    assert save(tmp_path / "a.jpg", xmp=XMP.encode()).splitlines() == ["Genoa", "harbour", "evening"]
    assert save(tmp_path / "b.jpg", comment=b"two boats") == "two boats"
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "Blue")
    info.add_text("Software", "a program")
    assert save(tmp_path / "a.png", pnginfo=info) == "Blue"
    bomb = XMP.replace("<x:xmpmeta", '<!DOCTYPE a [<!ENTITY b "c">]><x:xmpmeta', 1)
    assert save(tmp_path / "c.jpg", xmp=bomb.encode()) == ""
    assert save(tmp_path / "d.jpg", xmp=b"<broken") == ""
