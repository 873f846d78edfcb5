import pytest
import torch

from recolor_torch.energies.temporal import (
    LOST_VARIANCE,
    STEP_VARIANCE,
    Belief,
    carry_belief,
    find_ties,
    join_beliefs,
    warp_sharply,
)

SIZE = (5, 7)


def still(like):
    return torch.zeros(1, 2, *like.shape[-2:], dtype=like.dtype)


def two_passes(chroma, precision, ties):
    """Forward and backward over frames that do not move; (T, 2, H, W)."""
    frames = len(chroma)
    own = [Belief(chroma[t : t + 1], precision[t : t + 1]) for t in range(frames)]
    forward = [own[0]]
    for t in range(1, frames):
        forward.append(join_beliefs(carry_belief(forward[-1], still(ties), ties[t - 1 : t]), own[t]))
    out, later = [forward[-1].chroma], own[-1]
    for t in range(frames - 2, -1, -1):
        came = carry_belief(later, still(ties), ties[t : t + 1])
        out.append(join_beliefs(forward[t], came).chroma)
        later = join_beliefs(came, own[t])
    return torch.cat(out[::-1])


def test_two_passes_minimise_the_energy_exactly():
    """Against a dense solve of the chain at every pixel, in float64."""
    g = torch.Generator().manual_seed(0)
    frames = 9
    chroma = torch.randn(frames, 2, *SIZE, generator=g, dtype=torch.float64)
    precision = torch.rand(frames, 1, *SIZE, generator=g, dtype=torch.float64) + 0.05
    precision[3:6] = 1e-5  # frames that nothing is said of
    ties = 10 ** (4 * torch.rand(frames - 1, 1, *SIZE, generator=g, dtype=torch.float64) - 2)
    found = two_passes(chroma, precision, ties)
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            c, t = precision[:, 0, y, x], ties[:, 0, y, x]
            matrix = torch.diag(c)
            for i in range(frames - 1):
                matrix[i, i] += t[i]
                matrix[i + 1, i + 1] += t[i]
                matrix[i, i + 1] -= t[i]
                matrix[i + 1, i] -= t[i]
            wanted = torch.linalg.solve(matrix, c[:, None] * chroma[:, :, y, x])
            torch.testing.assert_close(found[:, :, y, x], wanted, rtol=1e-4, atol=1e-4)


def test_carried_chroma_does_not_fade_nor_drift_through_300_frames():
    """A pattern that moves by a third of a pixel a frame keeps its colors, which bilinear warping would blur away."""
    x = torch.arange(160.0)
    image = (torch.sin(x / 3) > 0).float().expand(1, 2, 12, -1) * 0.3 - 0.15
    flow = torch.zeros(1, 2, 12, 160)
    moved = image
    for t in range(300):  # to and fro, so that it stays within the picture
        flow[:, 0] = 1 / 3 if (t // 15) % 2 else -1 / 3
        moved = warp_sharply(moved, flow)
    inner = (..., slice(20, -20))
    assert moved.abs().max() <= 0.15 + 1e-6
    assert (moved[inner] - image[inner]).abs().mean() < 0.06
    assert moved[inner].abs().mean() > 0.11  # bilinear warping leaves 0.05


def test_warping_by_whole_pixels_is_exact():
    g = torch.Generator().manual_seed(1)
    image = torch.rand(1, 3, 9, 11, generator=g)
    flow = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 9, 11)
    torch.testing.assert_close(warp_sharply(image, flow)[..., 1:, :-2], image[..., :-1, 2:])


def test_precision_falls_with_every_frame_and_is_lost_at_an_occlusion():
    start = Belief(torch.zeros(1, 2, *SIZE), torch.full((1, 1, *SIZE), 1e8))
    tie = torch.full((1, 1, *SIZE), 1 / STEP_VARIANCE)
    belief = start
    for _ in range(100):
        belief = carry_belief(belief, still(tie), tie)
    torch.testing.assert_close(
        1 / belief.precision, torch.full_like(tie, 100 * STEP_VARIANCE + 1e-8), rtol=1e-3, atol=0
    )
    lost = carry_belief(belief, still(tie), torch.full_like(tie, 1 / LOST_VARIANCE))
    assert lost.precision.max() <= 1 / LOST_VARIANCE


def test_ties_hold_along_the_motion_and_end_at_rims_and_unlike_things():
    g = torch.Generator().manual_seed(2)
    coarse = torch.rand(1, 1, 10, 14, generator=g)
    large = torch.nn.functional.interpolate(coarse, (60, 84), mode="bicubic").clamp(0, 1)
    there, here = large[..., 4:52, 6:76], large[..., 4:52, 9:79].clone()  # the view moves by three pixels
    here[..., 20:30, 20:30] = 1 - here[..., 20:30, 20:30]  # something else came
    flow = torch.tensor([3.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 48, 70)
    ties = find_ties(here, there, flow, -flow) * STEP_VARIANCE
    assert ties[..., 5:15, 5:60].min() > 0.9
    assert ties[..., -2:].max() < 1e-5
    assert ties[..., 22:28, 22:28].median() < 1e-2
    astray = find_ties(here, there, flow, still(here)) * STEP_VARIANCE
    assert astray[..., 5:15, 5:60].max() < 0.01  # the way back does not return


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="flow must have shape"):
        carry_belief(Belief.nothing(torch.zeros(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4))
