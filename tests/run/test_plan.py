from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from recolor_torch.errors import UsageError
from recolor_torch.files import file_hash
from recolor_torch.run import record
from recolor_torch.run.batches import BatchDataset, group_jobs
from recolor_torch.run.description import Guidance, Output
from recolor_torch.run.plan import Job, kept_sentences, make_plan
from recolor_torch.run.targets import Target, find_targets


def picture(path: Path, width: int = 8, height: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(crc32(path.name.encode()))
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    for name in ("in/a.png", "in/sub/b.jpg", "in/c.gif", "ref.png"):
        picture(tmp_path / name)
    return tmp_path


def plan(folder, out="out", settings=None, names=("in",), **options):
    targets = find_targets([str(folder / n) for n in names])
    guidance, single = Guidance((folder / "ref.png",)), options.pop("single", False)
    return make_plan(targets, Output(folder / out, **options), guidance, settings or {"method": "x"}, single=single)


def outputs(jobs, folder):
    return sorted(job.output.relative_to(folder).as_posix() for job in jobs)


def test_tree_and_formats(folder):
    assert outputs(plan(folder).jobs, folder) == ["out/a.png", "out/c.png", "out/sub/b.jpg"]
    assert outputs(plan(folder, suffix="_x", ext="tif").jobs, folder) == [
        "out/a_x.tif",
        "out/c_x.tif",
        "out/sub/b_x.tif",
    ]


@pytest.mark.parametrize(
    ("out", "single", "expected"),
    [
        ("new.png", True, "new.png"),
        ("new", True, "new/a.png"),
        ("sub/new.JPG", True, "sub/new.JPG"),
    ],
)
def test_one_file(folder, out, single, expected):
    job = plan(folder, out, names=["in/a.png"], single=single).jobs[0]
    assert job.output == folder / expected


@pytest.mark.parametrize("out", ["new.png", "ref.png"])
def test_many_targets_need_a_folder(folder, out):
    with pytest.raises(UsageError, match="is a file name, and 3 targets"):
        plan(folder, out)


def test_unknown_kind(folder):
    with pytest.raises(UsageError, match=r"cannot write pictures of the kind '.gif'. Known kinds: .*\.png"):
        plan(folder, "x.gif", names=["in/a.png"], single=True)


def test_pictures_of_one_name_and_two_kinds(folder):
    picture(folder / "in/a.gif")
    found = plan(folder)
    assert [(job.target.name, job.output.name) for job in found.jobs[:2]] == [
        ("a.gif", "a.gif.png"),
        ("a.png", "a.png"),
    ]
    outputs = {job.output.name for job in plan(folder, suffix="_c", ext="jpg").jobs}
    assert {"a_c.gif.jpg", "a_c.png.jpg"} < outputs


def test_names_that_differ_in_case_alone_are_told_apart(folder):
    """They would be one file on some disks; the others of the folder keep their names."""
    if not picture(folder / "in/A.png").samefile(folder / "in/a.png"):
        picture(folder / "in/a_2.png")
        named = {job.target.name: job.output.name for job in plan(folder).jobs}
        assert named == {"A.png": "A.png", "a.png": "a_3.png", "a_2.png": "a_2.png", "b.jpg": "b.jpg", "c.gif": "c.png"}


def test_colliding_names(folder):
    twice = 2 * find_targets([str(folder / "in/a.png")])
    with pytest.raises(UsageError, match=r"a\.png and .*a\.png would both be written to .*a\.png"):
        make_plan(twice, Output(folder / "out"), Guidance((folder / "ref.png",)), {"method": "x"}, single=False)


@pytest.mark.parametrize("name", ["in/a.png", "ref.png"])
def test_inputs_are_never_overwritten(folder, name):
    with pytest.raises(UsageError, match="is an input, and inputs are never overwritten"):
        plan(folder, name, names=["in/a.png"], single=True, overwrite=True)


def test_an_input_behind_a_link_is_an_input(folder):
    (folder / "link").symlink_to(folder / "in")
    with pytest.raises(UsageError, match="is an input"):
        plan(folder, "link", overwrite=True)


def test_unknown_files_are_kept_and_named_once(folder):
    picture(folder / "out/a.png")
    picture(folder / "out/sub/b.jpg")
    found = plan(folder)
    assert len(found.jobs) == 1
    (said,) = kept_sentences(found)
    assert "out/a.png was not made by a run recorded beside it: it and 1 more" in said
    assert "--overwrite replaces them" in said
    assert len(plan(folder, overwrite=True).jobs) == 3


def test_an_unknown_file_in_the_place_of_the_only_result_is_refused(folder):
    picture(folder / "out.png")
    with pytest.raises(UsageError, match=r"out\.png exists .* --overwrite"):
        plan(folder, "out.png", names=["in/a.png"], single=True)


def finish(job, content=b"result"):
    job.output.parent.mkdir(parents=True, exist_ok=True)
    job.output.write_bytes(content)
    entry = {"status": "done", "output": job.key, "bytes": len(content), "settings_sha256": job.settings}
    entry |= {"mtime_ns": job.output.stat().st_mtime_ns, "output_sha256": file_hash(job.output)}
    record.append(job.folder, {**entry, "input_sha256": file_hash(job.target)})


def test_finished_targets_are_skipped_until_something_changes(folder):
    for job in plan(folder).jobs:
        finish(job)
    assert [len(x) for x in (plan(folder).jobs, plan(folder).skipped)] == [0, 3]
    assert len(plan(folder, settings={"method": "x", "weights": "new"}).jobs) == 3
    picture(folder / "in/a.png", width=9)
    assert outputs(plan(folder).jobs, folder) == ["out/a.png"]
    (folder / "out/sub/b.jpg").unlink()
    assert outputs(plan(folder).jobs, folder) == ["out/a.png", "out/sub/b.jpg"]
    assert len(plan(folder, overwrite=True).jobs) == 3


def test_settings_are_compared_as_the_record_gives_them_back(folder):
    settings = {"method": "x", "parameters": {"schedule": (1, 2), "folder": Path("a")}}
    for job in plan(folder, settings=settings).jobs:
        finish(job)
        line = record.load(job.folder)[job.key][-1]
        record.append(job.folder, {**line, **settings})
    assert len(plan(folder, settings=settings).skipped) == 3
    other = {"method": "x", "parameters": {"schedule": (1, 3)}}
    assert len(plan(folder, settings=other).kept) == 3


def test_jobs_of_unlike_guidance_have_hashes_of_their_own(folder):
    picture(folder / "other.png", 5, 5)
    references = [folder / "ref.png", folder / "other.png", folder / "ref.png"]
    names = ["in/a.png", "in/c.gif", "in/sub/b.jpg"]
    targets = [Target(folder / n, Path(Path(n).name), (r,)) for n, r in zip(names, references)]
    hashes = [job.settings for job in make_plan(targets, Output(folder / "out"), Guidance(), {"method": "x"}).jobs]
    assert len(set(hashes)) == 3  # the third is another kind of file
    again = [Target(folder / "in/a.png", Path("new/a.png"), (folder / "ref.png",)), *targets]
    found = make_plan(again, Output(folder / "out"), Guidance(), {"method": "x"}).jobs
    assert [job.settings for job in found] == [hashes[0], *hashes]


def test_a_failed_repetition_does_not_make_an_output_unknown(folder):
    for job in plan(folder).jobs:
        finish(job)
        record.append(job.folder, {"status": "failed", "output": job.key})
    assert len(plan(folder).skipped) == 3


def test_a_kill_between_the_line_and_the_name_repeats_the_picture(folder):
    job = plan(folder).jobs[0]
    finish(job)
    old = job.output.stat()
    # The next run wrote its line, for a file of the same length, and was killed before the file took its name.
    line = {"status": "done", "output": job.key, "bytes": 6, "mtime_ns": 1, "output_sha256": "x"}
    line |= {"settings_sha256": job.settings, "input_sha256": file_hash(job.target)}
    record.append(job.folder, line)
    assert job.output.stat().st_mtime_ns == old.st_mtime_ns
    assert job.output in [j.output for j in plan(folder).jobs]


def test_a_copied_folder_is_still_known(folder):
    import os
    import shutil

    for job in plan(folder).jobs:
        finish(job)
    shutil.copytree(folder / "out", folder / "moved")
    for path in (folder / "moved").rglob("*.*"):
        os.utime(path, (1, 1))
    assert len(plan(folder, "moved").skipped) == 3


def test_an_output_that_someone_changed_is_not_ours(folder):
    for job in plan(folder).jobs:
        finish(job)
    (folder / "out/a.png").write_bytes(b"retouched by hand")
    found = plan(folder)
    assert (len(found.jobs), len(found.skipped)) == (0, 2)
    assert kept_sentences(found) == [
        f"{folder}/out/a.png was changed after it was made: it is kept; --overwrite replaces it."
    ]


def test_another_reference_is_another_setting(folder):
    first = plan(folder).jobs[0].settings
    picture(folder / "ref.png", width=20)
    assert plan(folder).jobs[0].settings != first


def test_unreadable_targets_stay_in_the_plan(folder):
    (folder / "in/bad.png").write_text("not a picture")
    jobs = plan(folder).jobs
    assert [job.info is None for job in jobs].count(True) == 1


def test_batches_are_of_equal_size(folder):
    for n in range(5):
        picture(folder / f"in/big{n}.png", width=40, height=30)
    (folder / "in/bad.png").write_text("not a picture")
    jobs = plan(folder).jobs
    batches = list(group_jobs(jobs, batch_size=4, batch_megapixels=1))
    assert sorted(job.target.name for batch in batches for job in batch) == sorted(job.target.name for job in jobs)
    assert all(len({(j.info and j.info.width, j.info and j.info.height) for j in batch}) == 1 for batch in batches)
    assert max(len(batch) for batch in batches) == 4
    big = [b for b in group_jobs(jobs, 4, 0.0024) if b[0].info and b[0].info.width == 40]
    assert [len(b) for b in big] == [2, 2, 1]
    dataset = BatchDataset(jobs, 4, 1, 10**9)
    loaded = [dataset[i] for i in range(len(dataset))]
    assert sum(len(b.jobs) for b in loaded) == 8
    assert [str(job.target.name) for b in loaded for job, _ in b.failures] == ["bad.png"]
    assert all(b.images.shape[0] == len(b.jobs) for b in loaded if b.images is not None)


def test_pairs_of_different_references_share_a_batch(folder):
    targets = [
        Target(picture(folder / f"t{n}.png"), Path(f"t{n}.png"), (picture(folder / f"r{n}.png", 5, 4),))
        for n in range(3)
    ]
    jobs = make_plan(targets, Output(folder / "out"), Guidance(), {}).jobs
    (batch,) = [BatchDataset(jobs, 16, 8, 10**9)[0]]
    assert batch.images.shape == (3, 3, 6, 8)
    assert batch.guide.references[0].image.shape == (3, 3, 4, 5)
    image, guide = batch.select(1)
    assert image.shape == (1, 3, 6, 8)
    assert guide.references[0].image.shape == (1, 3, 4, 5)


def test_a_result_of_another_recipe_is_kept(folder):
    for job in plan(folder, settings={"method": "x"}).jobs:
        finish(job)
        line = record.load(job.folder)[job.key][-1]
        record.append(job.folder, {**line, "method": "x"})
    found = plan(folder, settings={"method": "y"})
    assert (found.jobs, found.skipped) == ([], [])
    (said,) = kept_sentences(found)
    assert said.endswith("was made by x: it and 2 more, made by another recipe, are kept; --overwrite replaces them.")
    assert len(plan(folder, settings={"method": "y"}, overwrite=True).jobs) == 3


@pytest.mark.parametrize(("folder", "output"), [("out", "out/a/b.png"), (".", "a/b.png"), ("/", "/a/b.png")])
def test_the_key_is_the_path_in_the_folder(folder, output):
    job = Job(Path("x.png"), Path(output), Path(folder), None)
    assert job.key == Path(output).relative_to(folder).as_posix() == "a/b.png"
