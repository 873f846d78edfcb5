import io
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from recolor_torch.errors import UsageError
from recolor_torch.training.data import TrainingDataModule, TrainingPictures, read_small


def jpeg(color, size=(80, 60)):
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "folder" / "deep"
    folder.mkdir(parents=True)
    (folder / "red.jpg").write_bytes(jpeg((200, 30, 30), (300, 200)))
    (folder / "note.txt").write_text("no picture")
    (folder / "broken.jpg").write_bytes(jpeg((0, 0, 0))[:200])
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for name, color in (("blue.jpg", (20, 20, 220)), ("gray.jpg", (90, 90, 90)), ("green.jpg", (10, 200, 40))):
            data = jpeg(color)
            member = tarfile.TarInfo(f"pictures/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return [str(tmp_path / "folder"), str(tmp_path / "shard.tar")]


def test_folders_and_tar_files_are_read_and_reduced(sources):
    found = dict(read_small(sources, 50))
    assert [name.split("/")[-1] for name in found] == ["red.jpg", "blue.jpg", "gray.jpg", "green.jpg"]
    assert [p.shape for p in found.values()] == [(50, 75, 3), (50, 67, 3), (50, 67, 3), (50, 67, 3)]


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nothing\.tar: neither a folder nor a tar file"):
        list(read_small([tmp_path / "nothing.tar"], 50))
    data = TrainingDataModule([str(tmp_path)])
    with pytest.raises(UsageError, match="no pictures to train on"):
        data.setup()


def test_gray_pictures_are_left_out_and_some_are_held_out(sources):
    data = TrainingDataModule(sources, size=32, held_out=0.0)
    data.setup()
    assert len(data.training) == 3


def test_pictures_are_held_out_by_their_names(tmp_path):
    for i in range(60):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg((200, 3 * i, 30)))
    data, fewer = (TrainingDataModule([str(tmp_path)], size=32, held_out=0.2, limit=n) for n in (None, 30))
    data.setup()
    fewer.setup()
    assert len(data.training) + len(data.validation) == 60
    assert 3 < len(data.validation) < 25
    assert all(any(np.array_equal(a, b) for b in data.validation) for a in fewer.validation)


def test_the_stream_is_a_function_of_the_position():
    noise = np.random.default_rng(0).integers(0, 255, (5, 40, 50, 3), dtype=np.uint8)
    one, other = (TrainingPictures(list(noise), 32, seed=7) for _ in range(2))
    assert all(torch.equal(one[i], other[i]) for i in (0, 3, 11))
    assert not torch.equal(one[0], one[5])
    assert one[3].shape == (3, 32, 32)
    assert one[3].dtype == torch.uint8


def test_each_round_has_every_picture():
    plain = [np.full((40, 40, 3), value, np.uint8) for value in range(6)]
    stream = TrainingPictures(plain, 32)
    for around in range(3):
        assert sorted(int(stream[6 * around + i][0, 0, 0]) for i in range(6)) == list(range(6))


def test_crops_are_inside_and_of_the_scale():
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None], (200, 200, 3)).copy()
    stream = TrainingPictures([ramp], 32, least=0.5)
    heights = [int(c[0].max()) - int(c[0].min()) for c in (stream[i] for i in range(60))]
    assert 90 <= min(heights) <= 115
    assert 180 <= max(heights) <= 200


def trainer(processed, world_size=1, overfit_batches=0.0):
    loop = SimpleNamespace(batch_progress=SimpleNamespace(total=SimpleNamespace(processed=processed)))
    fit_loop = SimpleNamespace(epoch_loop=loop)
    return SimpleNamespace(
        world_size=world_size, global_rank=world_size - 1, overfit_batches=overfit_batches, fit_loop=fit_loop
    )


def test_epochs_go_on_in_the_stream(sources):
    data = TrainingDataModule(sources, size=32, batch_size=1, epoch=4, held_out=0.0)
    data.setup()
    data.trainer = trainer(0, world_size=2)
    loader = data.train_dataloader()
    assert list(loader.sampler) == [1, 3]
    data.trainer.fit_loop.epoch_loop.batch_progress.total.processed = 3  # inside the second epoch
    assert list(loader.sampler) == [7, 9]
    assert len(loader) == 2
    assert next(iter(loader)).shape == (1, 3, 32, 32)
    data.trainer = trainer(3, overfit_batches=2)
    assert list(data.train_dataloader().sampler) == [0, 1, 2, 3]


def test_an_epoch_without_a_whole_batch_is_refused(sources):
    data = TrainingDataModule(sources, size=32, batch_size=2, held_out=0.0)
    data.setup()
    data.trainer = trainer(0, world_size=2)
    with pytest.raises(UsageError, match=r"An epoch of 3 pictures is less than a batch of 4 \(batch_size on each dev"):
        data.train_dataloader()


def test_size_must_fit_the_network():
    with pytest.raises(UsageError, match="multiple of 32"):
        TrainingDataModule([], size=100)
