import numpy as np
import pytest
import torch

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.tables import ChromaTable, LookUpTable


def test_table_is_applied_by_sample_and_channel(rgb):
    values = torch.rand(2, 3, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(rgb.device)
    out = LookUpTable(values).apply(rgb)
    index = (rgb.double() * 255).round().long()
    expected = values.gather(2, index.flatten(2)).view_as(rgb)
    torch.testing.assert_close(out, expected.to(rgb))
    assert out.dtype == rgb.dtype


@pytest.mark.parametrize("kind", [torch.uint8, torch.uint16])
def test_integers_keep_their_type_and_are_rounded(kind):
    levels = 256 if kind == torch.uint8 else 65536
    table = LookUpTable(torch.linspace(1, 0, levels, dtype=torch.float64).expand(1, 1, -1))
    x = torch.tensor([0, 1, 100, levels - 1]).to(kind).view(1, 1, 1, 4)
    out = table.apply(x)
    assert out.dtype == kind
    assert out.flatten().tolist() == [levels - 1, levels - 2, levels - 101, 0]


def test_nan_stays_nan():
    table = LookUpTable(torch.linspace(0, 1, 16).expand(1, 1, -1))
    out = table.apply(torch.tensor([0.0, float("nan"), 1.0]).view(1, 1, 1, 3)).flatten()
    assert out[0] == 0
    assert out[1].isnan()
    assert out[2] == 1


def test_cube_of_a_table_reads_back():
    table = LookUpTable(torch.rand(1, 3, 17, dtype=torch.float64))
    lines = table.to_cube('a "title"\n').splitlines()
    assert lines[0] == "TITLE \"a 'title' \""
    assert lines[1] == "LUT_1D_SIZE 17"
    rows = np.loadtxt(lines[4:])
    np.testing.assert_allclose(rows, table.values[0].T.numpy(), atol=1e-6)


def test_cube_needs_one_table():
    with pytest.raises(ValueError, match="holds one RGB table"):
        LookUpTable(torch.zeros(2, 3, 4)).to_cube()


def test_chroma_table_is_linear_between_levels():
    table = ChromaTable(torch.tensor([[[0.0, 0.2, 0.4], [0.0, -0.2, 0.2]]]))
    out = table.apply(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0, -1.0, 2.0]).view(1, 1, 1, 7))
    torch.testing.assert_close(out[0, 0, 0], torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 0.0, 0.4]))
    torch.testing.assert_close(out[0, 1, 0], torch.tensor([0.0, -0.1, -0.2, 0.0, 0.2, 0.0, 0.2]))


def test_chroma_table_gradcheck():
    g = torch.Generator().manual_seed(0)
    values = torch.rand(1, 2, 5, generator=g, dtype=torch.float64).requires_grad_()
    luminance = torch.rand(2, 1, 2, 2, generator=g, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v, y: ChromaTable(v).apply(y), (values, luminance))


def test_chroma_cube_keeps_luminance():
    table = ChromaTable(torch.tensor([[[0.0, 0.1, 0.0], [0.1, -0.1, 0.0]]]))
    lines = table.to_cube(size=5).splitlines()
    assert lines[1] == "LUT_3D_SIZE 5"
    out = torch.from_numpy(np.loadtxt(lines[4:])).T.reshape(1, 3, 1, -1)
    axis = np.linspace(0, 1, 5)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)[:, ::-1]  # red fastest
    expected = grid @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(rgb_to_yuv(out)[0, 0, 0].numpy(), expected, atol=2e-6)


def test_painting_is_the_fitted_chroma_and_keeps_luminance(device):
    generator = torch.Generator().manual_seed(3)
    table = ChromaTable(torch.rand(2, 2, 256, generator=generator).cumsum(-1).sin().to(device) * 0.2)
    luminance = torch.rand(2, 1, 40, 50, generator=generator).to(device)
    painted = table.paint(luminance)
    smooth = table.values.diff().abs().max().item() * 255 / (1 << 14)
    torch.testing.assert_close(painted, fit_gamut(luminance, table.apply(luminance)), atol=4 * smooth, rtol=0)
    torch.testing.assert_close(rgb_to_luminance(painted), luminance, atol=1e-6, rtol=0)
    torch.testing.assert_close(painted[1:], table_of(table, 1).paint(luminance[1:]), atol=0, rtol=0)


def test_painting_where_there_is_no_number_or_too_much(device):
    table = ChromaTable(torch.full((1, 2, 256), 0.1, device=device))
    painted = table.paint(torch.tensor([float("nan"), -1.0, 2.0], device=device).view(1, 1, 1, 3))
    assert painted[..., 0].isnan().all()
    assert painted[..., 1].abs().max() == 0
    assert painted[..., 2].min() == 1


def table_of(table, index):
    return ChromaTable(table.values[index : index + 1])


@pytest.mark.parametrize("channels", [1, 3])
def test_painted_bytes_are_the_painted_floats_rounded(channels):
    generator = torch.Generator().manual_seed(channels)
    table = ChromaTable(0.02 * torch.randn(1, 2, 256, dtype=torch.float64, generator=generator).cumsum(-1))
    stored = torch.randint(0, 256, (90, 70, channels), dtype=torch.uint8, generator=generator)
    stored[0, 0] = 255
    image = (stored.float() / 255).permute(2, 0, 1)[None].expand(-1, 3, -1, -1)
    expected = (255 * table.paint(rgb_to_luminance(image))).round().to(torch.uint8)[0].permute(1, 2, 0)
    assert torch.equal(table.paint_bytes(stored)[..., :3], expected)
    assert bool((table._rounded[0] < 0).any())  # some are computed, most are not
    assert float((table._rounded[0] < 0).float().mean()) < 0.05


def test_lengths_of_painted_chroma():
    generator = torch.Generator().manual_seed(5)
    table = ChromaTable(0.02 * torch.randn(1, 2, 256, dtype=torch.float64, generator=generator).cumsum(-1))
    luminance = torch.rand(1, 1, 30, 40, generator=generator)
    luminance[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    chroma = rgb_to_yuv(table.paint(luminance))[:, 1:]
    torch.testing.assert_close(table.chroma_length(luminance), chroma.norm(dim=1, keepdim=True), atol=1e-3, rtol=0)
    assert chroma.norm(dim=1).mean() > 0.05
