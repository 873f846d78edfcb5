import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("av")
from film.clips import make_clip

from recolor_torch.color import rgb_to_luminance
from recolor_torch.film import FilmError, FilmSettings, colorize_film, probe_film, read_frames, work_folder
from recolor_torch.film.dividing import plan_parts
from recolor_torch.film.guidance import FilmGuidance, FilmGuide
from recolor_torch.film.planes import planes_to_chroma
from recolor_torch.film.sharing import Helpers, Share, end_with_the_first
from recolor_torch.film.shots import Shot
from recolor_torch.film.sources import GivenFrames, Sources
from recolor_torch.methods import NetworkColorization
from recolor_torch.pictures import write_picture

SIZE = (64, 96)
SETTINGS = FilmSettings(codec="ffv1", side=96)


def scene(seed, size=(120, 200)):
    """A smooth texture with a red disc and a blue ground below, sRGB (1, 3, H, W)."""
    g = torch.Generator().manual_seed(seed)
    gray = torch.nn.functional.interpolate(torch.rand(1, 1, 9, 15, generator=g), size, mode="bicubic")
    gray = gray.clamp(0, 1) * 0.3 + 0.35
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    disc = (((x - 90) ** 2 + (y - 50) ** 2) < 25**2).float()
    low = (y > 80).float()
    gray = gray - 0.15 * disc + 0.1 * low
    color = disc * torch.tensor([0.12, -0.05, -0.05]).view(3, 1, 1) + low * torch.tensor([-0.06, 0.0, 0.1]).view(
        3, 1, 1
    )
    return (gray + color).clamp(0, 1)


def pan(seed, frames):
    """Views of a scene that moves by a pixel and a half a frame, (T, 3, 64, 96)."""
    large = torch.nn.functional.interpolate(scene(seed), scale_factor=2, mode="bicubic", align_corners=False).clamp(
        0, 1
    )
    views = [large[..., 20:148, 10 + 3 * t : 202 + 3 * t] for t in range(frames)]
    return torch.cat([torch.nn.functional.avg_pool2d(v, 2) for v in views])


@pytest.fixture
def clip(tmp_path):
    """A gray film of two shots, its true colors, and its file."""
    truth = torch.cat((pan(1, 14), pan(5, 10).flip(3)))
    luma = (truth[:, 0] * 0.299 + truth[:, 1] * 0.587 + truth[:, 2] * 0.114).clamp(0, 1)

    def texture(index, width, height, depth):
        return (16 + 219 * luma[index]).round().numpy().astype(np.uint8)

    make_clip(tmp_path / "in.mkv", len(truth), (96, 64), pix_fmt="yuv444p", space=6, texture=texture)
    return tmp_path / "in.mkv", truth


def chroma_of(path):
    info = probe_film(path)
    return torch.cat([planes_to_chroma(f.planes, info, SIZE) for f in read_frames(info)])


def truth_chroma(truth):
    from recolor_torch.color import rgb_to_yuv

    return rgb_to_yuv(truth)[:, 1:]


def color(clip, output, sources=None, **guidance):
    return colorize_film(clip[0], output, sources or Sources(None), FilmGuidance(**guidance), SETTINGS)


def test_a_numbered_reference_is_exact_on_its_frame_and_colors_its_shot_alone(clip, tmp_path):
    write_picture(tmp_path / "ref_0004.png", clip[1][3:4])
    report, _ = color(clip, tmp_path / "out.mkv", references=(tmp_path / "ref_0004.png",))
    assert (report.frames, report.parts) == (24, 2)
    out, truth = chroma_of(tmp_path / "out.mkv"), truth_chroma(clip[1])
    assert (out[3] - truth[3]).abs().max() < 1.2 / 219
    inner = (slice(None), slice(6, -6), slice(20, -20))
    for t in (0, 8, 13):
        assert (out[t] - truth[t])[inner].norm(dim=0).mean() < 0.3 * truth[t][inner].norm(dim=0).mean()
    assert out[14:].abs().max() < 2 / 255  # nothing passes a cut


def test_strokes_on_a_frame_are_carried(clip, tmp_path):
    (tmp_path / "hints").mkdir()
    (tmp_path / "hints" / "in_000001.json").write_text(
        '{"size": [96, 64], "points": [{"x": 85, "y": 40, "radius": 2, "color": "#cc4444"}, '
        '{"x": 20, "y": 20, "radius": 2, "color": "#808080"}, {"x": 60, "y": 62, "radius": 1, "color": "#808080"}]}'
    )
    color(clip, tmp_path / "out.mkv", hints=tmp_path / "hints")
    out = chroma_of(tmp_path / "out.mkv")
    assert float(out[0, 1, 40, 85]) > 0.1
    assert float(out[10, 1, 40, 70]) > 0.08
    assert float(out[10, :, 20, 10].norm()) < 0.03


def test_a_guess_learns_from_strokes_on_another_frame():
    views = pan(1, 14)
    luminance = rgb_to_luminance(views)
    mask = torch.zeros_like(luminance[:1])
    mask[..., 30:34, 60:64] = 1  # on the disc
    strokes = torch.tensor([-0.1, 0.2]).view(1, 2, 1, 1) * mask
    sources = Sources(NetworkColorization())
    lacking = sources.lacking(luminance[13:], GivenFrames(strokes, mask, False))
    alone, learned = (sources.say(0, luminance[:1], (), None, lacking=x)["guessed"].chroma for x in (None, lacking))
    assert float((learned - alone)[0, 1].max()) > 0.02
    assert sources.lacking(luminance[13:], GivenFrames(strokes, torch.ones_like(mask), True)) is None
    assert Sources(None).lacking(luminance[13:], GivenFrames(strokes, mask, False)) is None


def test_what_strokes_teach_does_not_pass_a_cut(clip, tmp_path):
    strokes = '{"size": [96, 64], "points": [{"x": 85, "y": 40, "radius": 3, "color": "#cc4444"}]}'
    (tmp_path / "in_000014.json").write_text(strokes)
    sources = Sources(NetworkColorization())
    color(clip, tmp_path / "bare.mkv", sources)
    color(clip, tmp_path / "out.mkv", sources, hints=tmp_path / "in_000014.json")
    assert torch.equal(chroma_of(tmp_path / "out.mkv")[14:], chroma_of(tmp_path / "bare.mkv")[14:])


def test_strokes_of_a_few_frames_are_learned_from_once(clip, tmp_path, monkeypatch):
    (tmp_path / "hints").mkdir()
    points = '{"size": [96, 64], "points": [{"x": 85, "y": 40, "radius": 2, "color": "#cc4444"}]}'
    for number in (1, 3, 5, 7, 9, 11, 20):
        (tmp_path / "hints" / f"in_{number:06d}.json").write_text(points)
    asked = []
    monkeypatch.setattr(Sources, "lacking", lambda self, luminance, given: asked.append(float(luminance.mean())))
    color(clip, tmp_path / "out.mkv", hints=tmp_path / "hints")
    assert len(asked) == 4 + 1


def test_the_network_colors_what_is_given_nothing(clip, tmp_path):
    color(clip, tmp_path / "out.mkv", Sources(NetworkColorization()))
    out = chroma_of(tmp_path / "out.mkv")
    assert float(out.norm(dim=1).mean()) > 0.005
    change = (out[1:14] - out[:13]).abs().mean()
    assert float(change) < 0.02


def test_luma_is_kept_and_strength_0_keeps_the_films_own_chroma(clip, tmp_path):
    write_picture(tmp_path / "ref_0004.png", clip[1][3:4])
    guidance = FilmGuidance(references=(tmp_path / "ref_0004.png",))
    settings = FilmSettings(codec="ffv1", side=96, strength=0.0)
    colorize_film(clip[0], tmp_path / "out.mkv", Sources(None), guidance, settings)
    pairs = zip(read_frames(probe_film(clip[0])), read_frames(probe_film(tmp_path / "out.mkv")))
    for before, after in pairs:
        for a, b in zip(before.planes, after.planes):
            np.testing.assert_array_equal(a, b)


def test_a_reference_that_is_not_its_frame_is_said(clip, tmp_path):
    write_picture(tmp_path / "ref_0004.png", 1 - clip[1][20:21].flip(2))
    report, _ = color(clip, tmp_path / "out.mkv", references=(tmp_path / "ref_0004.png",))
    note = next(note for note in report.notes if "ref_0004.png does not look like frame 3" in note)
    flag = re.search(r"--film\.(\S+) ", note)[1]
    assert hasattr(SETTINGS, flag)


def test_colors_of_a_reference_that_nobody_sees_do_not_count(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    read = []
    for hidden in (0, 255):
        pixels[:, 30:] = (hidden, 255 - hidden, hidden, 0)
        Image.fromarray(pixels).save(tmp_path / f"{hidden}.png")
        guide = FilmGuide(FilmGuidance(references=(tmp_path / f"{hidden}.png",)), 24, 25.0, (32, 48))
        read.append(guide.fitting(Shot(0, 24), torch.rand(1, 1, 32, 48), Sources(None))[0][0])
    torch.testing.assert_close(read[0].image, read[1].image, atol=0, rtol=0)
    assert read[0].mask is not None
    assert float(read[0].mask[..., :20].min()) > 0.9 > 0.1 > float(read[0].mask[..., -20:].max())


def test_long_shots_are_cut_after_given_frames():
    parts = plan_parts([Shot(0, 250), Shot(250, 260)], [20, 90, 150], longest=100)
    assert [(p.start, p.end, p.opens) for p in parts] == [
        (0, 91, True),
        (91, 151, False),
        (151, 250, False),
        (250, 260, True),
    ]


def test_parts_of_a_shot_go_on_from_each_other(clip, tmp_path, monkeypatch):
    write_picture(tmp_path / "ref_0001.png", clip[1][:1])
    monkeypatch.setattr("recolor_torch.film.coloring.plan_parts", lambda shots, exact: plan_parts(shots, exact, 5))
    report, _ = color(clip, tmp_path / "out.mkv", references=(tmp_path / "ref_0001.png",))
    assert report.parts == 5
    out, truth = chroma_of(tmp_path / "out.mkv"), truth_chroma(clip[1])
    inner = (slice(None), slice(6, -6), slice(6, -25))
    assert (out[13] - truth[13])[inner].norm(dim=0).mean() < 0.35 * truth[13][inner].norm(dim=0).mean()


def test_a_film_that_is_cut_short_is_one_sentence(tmp_path):
    make_clip(tmp_path / "whole.mp4", 60, codec="libx264")
    data = (tmp_path / "whole.mp4").read_bytes()
    for share in (0.2, 0.6, 0.95):
        (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(FilmError) as caught:
            colorize_film(tmp_path / "cut.mp4", tmp_path / "out.mp4", Sources(None), FilmGuidance(), SETTINGS)
        assert "cut.mp4" in str(caught.value)
    assert not list(tmp_path.glob("*out.mp4*"))  # nor a folder to go on from


def test_a_film_that_turns_out_to_be_cut_short_leaves_nothing_behind(tmp_path):
    make_clip(tmp_path / "whole.mkv", 60, (160, 120))
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    with pytest.raises(FilmError, match="cut short"):
        colorize_film(tmp_path / "cut.mkv", tmp_path / "out.mkv", Sources(None), FilmGuidance(), SETTINGS)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["cut.mkv", "whole.mkv"]


def test_a_matroska_film_that_is_cut_short_is_said_and_one_of_variable_rate_is_not(tmp_path):
    from recolor_torch.film.scan import scan_film

    make_clip(tmp_path / "whole.mkv", 60, (160, 120))
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    with pytest.raises(FilmError, match=r"cut.mkv: the file is cut short; \d\.\d of 2\.4 s can be read"):
        scan_film(probe_film(tmp_path / "cut.mkv"))
    times = [0, 40, 80, 1000, 1040, 3000, 3040, 3080]
    make_clip(tmp_path / "slow.mkv", len(times), times=times)
    assert len(scan_film(probe_film(tmp_path / "slow.mkv")).times) == len(times)


@pytest.mark.parametrize(("name", "codec"), [("late.mkv", "ffv1"), ("late.avi", "mpeg4"), ("late.mp4", "libx264")])
def test_a_film_whose_pictures_begin_late_or_pause_is_not_cut_short(tmp_path, name, codec):
    from recolor_torch.film.scan import scan_film

    times = [2000, 2040, 2080, 2120, 2160, 2800, 2840, 2880]  # an AVI fills such gaps with places without a frame
    make_clip(tmp_path / name, len(times), times=times, codec=codec)
    assert len(scan_film(probe_film(tmp_path / name)).times) == len(times)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_an_avi_that_is_cut_short_is_said(tmp_path, share):
    from recolor_torch.film.scan import scan_film

    make_clip(tmp_path / "whole.avi", 60, (160, 120), codec="mpeg4")
    data = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FilmError, match="cut.avi: the file is cut short"):
        scan_film(probe_film(tmp_path / "cut.avi"))


RUN = """
import sys
from pathlib import Path
from recolor_torch.film import FilmSettings, colorize_film
from recolor_torch.film import coloring
from recolor_torch.film.guidance import FilmGuidance, FilmGuide
from recolor_torch.film.sources import GivenFrames, Sources
plan = coloring.plan_parts
coloring.plan_parts = lambda shots, exact: plan(shots, exact, 4)
colorize_film(
    Path(sys.argv[1]), Path(sys.argv[2]), Sources(None), FilmGuidance(references=(Path(sys.argv[3]),)),
    FilmSettings(codec="ffv1", side=96),
)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_bytes(clip, tmp_path, monkeypatch):
    write_picture(tmp_path / "ref_0001.png", clip[1][:1])
    monkeypatch.setattr("recolor_torch.film.coloring.plan_parts", lambda shots, exact: plan_parts(shots, exact, 4))

    def here(output):
        return colorize_film(clip[0], output, Sources(None), FilmGuidance((tmp_path / "ref_0001.png",)), SETTINGS)[0]

    def start(output):
        command = [sys.executable, "-c", RUN, str(clip[0]), str(output), str(tmp_path / "ref_0001.png")]
        return subprocess.Popen(command, cwd=Path(__file__).parents[2])

    assert here(tmp_path / "whole.mkv").resumed == 0
    folder = tmp_path / ".out.mkv.recolor-work"
    for parts in (1, 3):
        process = start(tmp_path / "out.mkv")
        while process.poll() is None and len(list(folder.glob("part-*"))) < parts:
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert not (tmp_path / "out.mkv").exists()
    assert here(tmp_path / "out.mkv").resumed >= 3
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert not folder.exists()


class _Killed(BaseException):
    pass


def test_parts_of_another_format_are_done_again(tmp_path, monkeypatch):
    """What an older version of the package left may lack what its next part needs today."""
    film, reference, folder = (tmp_path / name for name in ("in.mkv", "ref_0001.png", ".out.mkv.recolor-work"))
    make_clip(film, 6, (48, 32), "gray")
    write_picture(reference, next(read_frames(probe_film(film))).luminance(probe_film(film)).expand(-1, 3, -1, -1))
    monkeypatch.setattr("recolor_torch.film.coloring.plan_parts", lambda shots, exact: plan_parts(shots, exact, 3))

    def run(stop=False):
        def look(progress):
            if stop and (folder / "part-00000.packets").exists():
                raise _Killed

        guidance = FilmGuidance(references=(reference,))
        settings = FilmSettings(codec="ffv1", side=48)
        return colorize_film(film, tmp_path / "out.mkv", Sources(None), guidance, settings, on_progress=look)[0]

    found = []
    for written, resumed in ((work_folder.WORK_FORMAT - 1, 0), (work_folder.WORK_FORMAT, 1)):
        with monkeypatch.context() as patch:
            patch.setattr(work_folder, "WORK_FORMAT", written)
            with pytest.raises(_Killed):
                run(stop=True)
        assert run().resumed == resumed
        found.append((tmp_path / "out.mkv").read_bytes())
    assert found[0] == found[1]


def test_processes_share_the_shots_and_the_bytes_are_the_same(clip, tmp_path):
    """Two shots, two processes; a process that fails leaves its shot to the first."""
    reference = tmp_path / "ref_0001.png"
    write_picture(reference, clip[1][:1])
    found = []
    for processes in (1, 2):
        settings = FilmSettings(codec="ffv1", side=96, processes=processes)
        output, shares = tmp_path / f"{processes}.mkv", []
        _, facts = colorize_film(
            clip[0], output, Sources(None), FilmGuidance((reference,)), settings,
            on_progress=lambda p, shares=shares: shares.append(p.share),
        )  # fmt: skip
        assert shares[-1] == pytest.approx(1)
        found.append((output.read_bytes(), facts["parts"], facts["shots"]))
    assert found[0] == found[1]
    assert settings.recipe() == SETTINGS.recipe()
    assert not list(tmp_path.glob(".*"))


def test_each_shot_is_taken_once_and_what_a_process_leaves_is_done(clip, tmp_path, monkeypatch):
    share = Share(tmp_path, [[0], [1, 2], [3]])
    share.begin()
    first, second = share.take(), share.take()
    assert [next(first), next(second), next(first)] == [[0], [1, 2], [3]]
    assert not list(first)
    assert not list(second)
    share.begin()
    assert list(share.take()) == [[0], [1, 2], [3]]

    class Failing(Helpers):
        """Takes a shot and ends without it."""

        def __enter__(self):
            next(iter(self.share.take()))
            return self

        def __init__(self, count, make, share):
            super().__init__(0, make, share)
            self.share = share

    monkeypatch.setattr("recolor_torch.film.coloring.Helpers", Failing)
    color(clip, tmp_path / "out.mkv")
    assert len(chroma_of(tmp_path / "out.mkv")) == len(clip[1])


SHARED = '''
import multiprocessing, signal, sys, time
from pathlib import Path
from recolor_torch.film import FilmSettings, colorize_film
from recolor_torch.film.guidance import FilmGuidance
from recolor_torch.film.sources import GivenFrames, Sources

folder = Path(sys.argv[2]).parent / ".out.mkv.recolor-work"

def stop(_):
    """With a part done, and the helper at work, say its number and wait for what comes."""
    if list(folder.glob("part-*")):
        while not (folder / "process-1" / "passed.tmp").exists():
            time.sleep(0.01)
        print(*(p.pid for p in multiprocessing.active_children()), flush=True)
        time.sleep(100)

# Python ignores interrupts where its shell does, as in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
guidance = FilmGuidance((Path(sys.argv[3]),))
settings = FilmSettings(codec="ffv1", side=96, processes=2)
colorize_film(Path(sys.argv[1]), Path(sys.argv[2]), Sources(None), guidance, settings, on_progress=stop)
'''


def runs(pid):
    """It is there, and not only its return code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="/proc tells a process from its return code")
def test_no_process_outlives_a_run_that_is_interrupted_or_killed_and_the_next_run_finishes_it(tmp_path):
    """Two processes share eight shots of 8 frames; twice the first one is stopped when both are at work."""
    truth = torch.cat([pan(seed, 8).flip(2 + seed % 2) for seed in (1, 5, 1, 5, 1, 5, 1, 5)])
    luma = (truth[:, 0] * 0.299 + truth[:, 1] * 0.587 + truth[:, 2] * 0.114).clamp(0, 1)

    def texture(index, width, height, depth):
        return (16 + 219 * luma[index]).round().numpy().astype(np.uint8)

    make_clip(tmp_path / "in.mkv", len(truth), (96, 64), pix_fmt="yuv444p", space=6, texture=texture)
    reference, output = tmp_path / "ref_0001.png", tmp_path / "out.mkv"
    write_picture(reference, truth[:1])
    guidance = FilmGuidance((reference,))
    colorize_film(tmp_path / "in.mkv", tmp_path / "whole.mkv", Sources(None), guidance, SETTINGS)
    folder = tmp_path / ".out.mkv.recolor-work"
    done = []
    for number in (signal.SIGINT, signal.SIGKILL):
        command = [sys.executable, "-c", SHARED, str(tmp_path / "in.mkv"), str(output), str(reference)]
        first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            helpers = [int(n) for n in first.stdout.readline().split()]
            assert len(helpers) == 1
            assert runs(helpers[0])
            first.send_signal(number)
            assert first.wait(60) != 0
            end = time.monotonic() + (0 if number == signal.SIGINT else 60)  # one that is killed cannot wait for it
            while runs(helpers[0]) and time.monotonic() < end:
                time.sleep(0.01)
            assert not runs(helpers[0])
        finally:
            first.kill()
        assert not output.exists()
        done.append(len(list(folder.glob("part-*"))))
    report, _ = colorize_film(tmp_path / "in.mkv", output, Sources(None), guidance, SETTINGS)
    assert 1 <= done[0] <= done[1] == report.resumed < 8
    assert output.read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert not folder.exists()


class Recorded:
    """A process that is only written down."""

    def __init__(self, log, target, args, daemon):
        self.log = log
        assert daemon

    def start(self):
        self.log.append("start")

    def terminate(self):
        self.log.append("terminate")

    def join(self):
        self.log.append("join")


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, FilmError])
def test_helpers_are_ended_by_whatever_ends_the_first_process(tmp_path, monkeypatch, error):
    log = []
    context = SimpleNamespace(Process=lambda **given: Recorded(log, **given))
    monkeypatch.setattr("multiprocessing.get_context", lambda kind: context)

    def work():
        with Helpers(2, lambda n: None, Share(tmp_path, [[0]])):
            if error is not None:
                raise error("stop")

    if error is None:
        work()
        assert log == ["start", "start", "join", "join"]
    else:
        with pytest.raises(error):
            work()
        assert log == ["start", "start", "terminate", "join", "terminate", "join"]


@pytest.mark.parametrize("alive", [True, False, None])
def test_a_helper_ends_at_its_next_step_when_the_first_process_is_gone(monkeypatch, alive):
    """None is the first process itself, which has no parent to look for."""
    ended = []
    parent = None if alive is None else SimpleNamespace(is_alive=lambda: alive)
    monkeypatch.setattr("multiprocessing.parent_process", lambda: parent)
    monkeypatch.setattr("os._exit", ended.append)
    end_with_the_first()
    assert ended == ([1] if alive is False else [])
