import pytest
import torch

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.filters.motion import warp
from recolor_torch.guide import Guide
from recolor_torch.methods import LevinColorization
from recolor_torch.methods.levin import spread_chroma
from recolor_torch.pipeline import recolor

FRAMES, STEP = 5, (2.0, 1.0)
# The texture of the clip is as steep as many an edge: ties that only the step between its halves cuts.
BROAD = {"kernel": "gauss", "sigma": 0.03, "smoothing": 0.0}


@pytest.fixture
def clip():
    """A pan over a texture with a colored left and a differently colored right half, sRGB (T, 3, H, W)."""
    g = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 1, 12, 20, generator=g)
    texture = 0.3 + 0.4 * torch.nn.functional.interpolate(coarse, (80, 120), mode="bicubic").clamp(0, 1)
    color = torch.zeros(1, 3, 80, 120)
    color[:, 0, :, :60], color[:, 2, :, 60:] = 0.2, 0.2
    texture[..., 60:] += 0.2
    scene = texture + color - rgb_to_luminance(color)
    offsets = [(int(8 + t * STEP[1]), int(10 + t * STEP[0])) for t in range(FRAMES)]
    return torch.cat([scene[..., y : y + 56, x : x + 88] for y, x in offsets]).clamp(0, 1)


def hints_on(clip, *frames):
    mask = torch.zeros_like(clip[:, :1])
    for t in frames:
        mask[t, :, 20:24, 8:12] = mask[t, :, 30:34, 70:74] = 1
    return mask


def color(clip, mask, method=None):
    method = method or LevinColorization(sequence=True, **BROAD)
    return rgb_to_yuv(recolor(clip, method, Guide(hints=clip, hint_mask=mask), keep="none"))[:, 1:]


@pytest.mark.parametrize("hinted", [[0], [2], [4], [0, 4]])
def test_hints_on_a_few_frames_reach_all(clip, hinted):
    out = color(clip, hints_on(clip, *hinted))
    truth = rgb_to_yuv(clip)[:, 1:]
    assert (out - truth).abs().mean() < 0.25 * truth.abs().mean()


def test_hints_come_back_exactly(clip):
    mask = hints_on(clip, 0, 4)
    method = LevinColorization(sequence=True, **BROAD)
    yuv = rgb_to_yuv(clip)
    out = method(yuv, Guide(hints=yuv, hint_mask=mask))
    assert torch.equal((out * mask)[:, 1:], (yuv * mask)[:, 1:])
    assert torch.equal(out[:, :1], yuv[:, :1])


def test_less_flicker_than_frame_by_frame(clip):
    """Every frame hinted at another place: by itself each frame leaks differently."""
    mask = torch.zeros_like(clip[:, :1])
    for t in range(FRAMES):
        mask[t, :, 8 * t : 8 * t + 4, 5 + 6 * t : 9 + 6 * t] = mask[t, :, 30:34, 75 - 3 * t : 79 - 3 * t] = 1
    yuv = rgb_to_yuv(clip)
    alone = spread_chroma(yuv[:, :1], yuv[:, 1:], mask, **BROAD)
    flow = torch.tensor(STEP).view(1, 2, 1, 1).expand(FRAMES - 1, 2, 56, 88)

    def flicker(chroma):
        before, inside = warp(chroma[:-1], flow)
        return ((chroma[1:] - before).abs() * inside).sum() / inside.sum()

    assert flicker(color(clip, mask)) < 0.6 * flicker(alone)


def test_windows_go_on_where_the_last_one_ended(clip):
    mask = hints_on(clip, 0)
    whole = color(clip, mask)
    method = LevinColorization(sequence=True, **BROAD)
    parts = [color(clip[i : i + 2], mask[i : i + 2], method) for i in range(0, FRAMES, 2)]
    torch.testing.assert_close(torch.cat(parts), whole, atol=2 / 255, rtol=0)


def test_a_clip_without_hints_says_so_and_reset_forgets(clip):
    method = LevinColorization(sequence=True, **BROAD)
    with pytest.raises(ValueError, match="A clip needs hints, got none"):
        color(clip, 0 * hints_on(clip), method)
    color(clip, hints_on(clip, 0), method)
    color(clip, 0 * hints_on(clip), method)
    method.reset()
    with pytest.raises(ValueError, match="A clip needs hints, got none"):
        color(clip, 0 * hints_on(clip), method)


def test_frames_of_another_size_open_another_clip(clip):
    method = LevinColorization(sequence=True, **BROAD)
    color(clip, hints_on(clip, 0), method)
    with pytest.raises(ValueError, match="A clip needs hints"):
        color(clip[..., 1:], 0 * hints_on(clip)[..., 1:], method)
