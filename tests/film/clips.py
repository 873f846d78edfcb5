"""Clips made with PyAV for the tests."""

from fractions import Fraction

import numpy as np


def luma(index, width=64, height=48, depth=8):
    """A drifting texture that uses the whole of the range, (H, W)."""
    rng = np.random.default_rng(3)
    texture = rng.integers(0, 2**depth, (height, width + 200))
    return texture[:, 2 * index : 2 * index + width].astype(np.uint8 if depth == 8 else np.uint16)


def make_clip(
    path,
    frames=12,
    size=(64, 48),
    pix_fmt="yuv420p",
    codec="ffv1",
    rate=25,
    times=None,
    sound=False,
    rotation=0,
    aspect=None,
    space=1,
    full=False,
    tags=None,
    chapters=None,
    texture=luma,
    interlaced=False,
    primaries=2,
    transfer=2,
):
    """Write a clip; returns its Y planes. ``times`` are in ticks of 1/1000 of a second."""
    import av

    width, height = size
    planes = []
    with av.open(str(path), "w") as out:
        out.metadata.update(tags or {})
        stream = out.add_stream(codec, rate=rate)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, pix_fmt
        context.time_base = stream.time_base = Fraction(1, 1000) if times else Fraction(1, rate)
        context.colorspace, context.color_range = space, 2 if full else 1
        context.color_primaries, context.color_trc = primaries, transfer
        if aspect:
            context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        if codec in ("libx264", "libx265"):
            context.options = {"crf": "10"}
            if interlaced:
                context.options["x264-params"] = "tff=1"
        audio = out.add_stream("aac", rate=48000, layout="stereo") if sound else None
        if audio is not None:
            audio.metadata["language"] = "deu"
        if chapters:
            out.set_chapters(chapters)
        depth = context.format.components[0].bits
        for i in range(frames):
            frame = av.VideoFrame(width, height, pix_fmt)
            for k, plane in enumerate(frame.planes):
                kind = np.uint8 if depth == 8 else np.uint16
                array = np.frombuffer(plane, kind).reshape(plane.height, -1)
                array[:] = 2 ** (depth - 1)
                if k == 0:
                    values = texture(i, width, height, depth)
                    array[:height, :width] = values
                    planes.append(values)
            frame.pts = times[i] if times else i
            frame.time_base = context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if audio is not None:
            for i in range(max(1, frames * 48000 // rate // 1024)):
                tone = np.sin(np.arange(1024) * 0.05 + i).astype(np.float32) * 0.1
                part = av.AudioFrame.from_ndarray(np.stack((tone, tone)), format="fltp", layout="stereo")
                part.sample_rate, part.pts, part.time_base = 48000, 1024 * i, Fraction(1, 48000)
                out.mux(audio.encode(part))
            out.mux(audio.encode(None))
    return planes


def without_frames(source, path, data=None):
    """Copy a clip with its sound, but no packet of its pictures; or each with ``data`` in place of its own."""
    import av

    with av.open(str(source)) as before, av.open(str(path), "w") as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=s.type != "video") for s in before.streams}
        out.start_encoding()
        for packet in before.demux():
            if packet.size == 0:
                continue
            new = packet
            if packet.stream.type == "video":
                if data is None:
                    continue
                new = av.Packet(data)
                new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
            new.stream = streams[packet.stream.index]
            out.mux(new)


def packets(path, kind):
    """(time in seconds, bytes) of the packets of the streams of a kind."""
    import av

    with av.open(str(path)) as container:
        streams = [s for s in container.streams if s.type == kind]
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(streams) if p.size] if streams else []
