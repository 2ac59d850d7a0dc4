"""Pixel workers against real processes: whatever a codec does costs one frame (invariant 6, B-03, B-08)."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import uvloop

from dicomweb.archive.workers import PixelWorkers
from dicomweb.dicom.explicit import explicit_elements
from dicomweb.dicom.frame_index import unpack
from dicomweb.dicom.part10 import scan
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES
from dicomweb.errors import BlobMissing, DecodeFailed, InvalidDicom, Unavailable, WorkFailed
from dicomweb.pixels.frame_bytes import frame_window, join_fragments, native_frame
from dicomweb.pixels.jobs import JOBS
from tests.pixels.samples import make_layout

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"
MEMORY = 512 << 20
SIDE = 64
IMAGE = (np.arange(SIDE * SIDE) % 251).astype(np.uint8).reshape(SIDE, SIDE)
CODESTREAM = bytes(imagecodecs.jpeg2k_encode(IMAGE, level=0, reversible=True, codecformat="J2K"))
LAYOUT = make_layout(SIDE, SIDE)

Scenario = Callable[[PixelWorkers], Awaitable[None]]


def run(scenario: Scenario, *, loop: str = "asyncio", **options: float) -> None:
    async def with_workers() -> None:
        settings = {"count": 1, "seconds": 20, "memory_bytes": MEMORY, **options}
        workers = PixelWorkers(**settings)  # type: ignore[arg-type]
        try:
            await scenario(workers)
        finally:
            await workers.close()
        assert children() == []

    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(with_workers())


def children() -> list[int]:
    """Decode workers that this process has."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "pixels.worker" in line]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, however slow this machine is now."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never held")


async def good(workers: PixelWorkers) -> bytes:
    return await workers.decode(CODESTREAM, LAYOUT, JPEG_2000)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_frame_is_decoded_and_the_worker_is_kept(loop: str) -> None:
    async def scenario(workers: PixelWorkers) -> None:
        assert await good(workers) == IMAGE.tobytes()
        (first,) = children()
        assert await good(workers) == IMAGE.tobytes()
        assert children() == [first]

    run(scenario, loop=loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_worker_that_dies_while_it_rests_is_replaced(loop: str, number: int) -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        (worker,) = children()
        os.kill(worker, number)
        await until(lambda: children() == [])
        assert await good(workers) == IMAGE.tobytes()

    run(scenario, loop=loop)


def test_a_worker_that_dies_over_a_frame_costs_that_frame() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        (worker,) = children()
        os.kill(worker, signal.SIGSTOP)
        lost = asyncio.create_task(good(workers))
        await until(lambda: not workers._idle)
        os.kill(worker, signal.SIGSEGV)
        os.kill(worker, signal.SIGCONT)
        with pytest.raises(DecodeFailed, match="crashed"):
            await lost
        assert await good(workers) == IMAGE.tobytes()

    run(scenario)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_worker_that_is_killed_from_outside_costs_nothing(loop: str) -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        (worker,) = children()
        os.kill(worker, signal.SIGSTOP)
        decoded = asyncio.create_task(good(workers))
        await until(lambda: not workers._idle)
        os.kill(worker, signal.SIGKILL)
        assert await decoded == IMAGE.tobytes()

    run(scenario, loop=loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_worker_that_hangs_is_killed_at_its_deadline(loop: str) -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        (worker,) = children()
        os.kill(worker, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(DecodeFailed, match="too long"):
            await good(workers)
        assert time.monotonic() - began < 10
        assert worker not in children()
        assert await good(workers) == IMAGE.tobytes()

    run(scenario, loop=loop, seconds=3)


def test_a_frame_beyond_the_memory_is_refused_before_a_worker_is_asked() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        huge = make_layout(46341, 46341, bits=16)
        with pytest.raises(DecodeFailed, match="memory"):
            await workers.decode(CODESTREAM, huge, JPEG_2000)
        assert children() == []

    run(scenario)


def test_a_codec_that_wants_more_memory_than_it_may_have_fails_alone() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        side = 4000
        coded = bytes(imagecodecs.jpeg2k_encode(np.zeros((side, side), np.uint8), level=0, codecformat="J2K"))
        with pytest.raises(DecodeFailed):  # openjpeg holds four bytes a sample
            await workers.decode(coded, make_layout(side, side), JPEG_2000)
        assert await good(workers) == IMAGE.tobytes()

    run(scenario, memory_bytes=40 << 20)


def test_the_function_of_every_job_can_be_loaded_in_a_worker(caplog: pytest.LogCaptureFixture) -> None:
    """Loading maps libraries; that is not counted as memory of the job."""
    messages: list[str] = []

    async def scenario(workers: PixelWorkers) -> None:
        for name in JOBS:
            try:
                await workers.run(name, {"layout": None}, [])
            except DecodeFailed as refused:  # most want more than that
                messages.append(refused.message)

    run(scenario, memory_bytes=64 << 20)
    assert messages
    messages += [record.getMessage() for record in caplog.records]
    assert [text for text in messages if "Import" in text or "NotFound" in text or "memory" in text] == []


def test_a_bug_of_ours_costs_one_job_and_its_place_is_logged_without_any_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        before = children()
        with pytest.raises(WorkFailed) as failure:
            await workers.run("decode", {"layout": {"patient": "Doe"}}, [CODESTREAM])
        assert "Doe" not in failure.value.message
        assert children() == before

    run(scenario)
    (record,) = caplog.records
    assert "TypeError at " in record.getMessage()
    assert "codecs.py" in record.getMessage()
    assert "patient" not in record.getMessage()


def test_what_a_job_works_on_is_read_when_its_turn_comes() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        read = asyncio.Event()

        async def buffers() -> list[bytes]:
            read.set()
            return [CODESTREAM]

        async def missing() -> list[bytes]:
            raise BlobMissing("The bytes are not there.")

        parameters = {"layout": asdict(LAYOUT), "transfer_syntax_uid": JPEG_2000}
        first = asyncio.create_task(good(workers))
        second = asyncio.create_task(workers.run("decode", parameters, buffers))
        await asyncio.sleep(0.01)
        assert not read.is_set()
        assert await first == await second == IMAGE.tobytes()
        with pytest.raises(BlobMissing):
            await workers.run("decode", parameters, missing)
        with pytest.raises(DecodeFailed, match="memory"):
            await workers.run("decode", parameters, buffers, result_bytes=MEMORY)

    run(scenario)


def test_bytes_that_never_come_do_not_keep_the_turn_of_others() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        async def hanging() -> list[bytes]:
            await asyncio.Event().wait()
            return []

        parameters = {"layout": asdict(LAYOUT), "transfer_syntax_uid": JPEG_2000}
        stuck = asyncio.create_task(workers.run("decode", parameters, hanging))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(good(workers), 20) == IMAGE.tobytes()
        with pytest.raises(Unavailable):
            await stuck

    run(scenario, seconds=5)


def test_large_frames_pass_and_leave_nothing_in_memory() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        image = np.resize(np.arange(251, dtype=np.uint8), (6000, 4000))
        coded = bytes(imagecodecs.jpegls_encode(image))
        frame = await workers.decode(coded, make_layout(6000, 4000), "1.2.840.10008.1.2.4.80")
        assert frame == image.tobytes()
        assert await good(workers) == IMAGE.tobytes()

    run(scenario)


def test_what_a_worker_refuses_leaves_it_alive() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        before = children()
        with pytest.raises(DecodeFailed, match="rows and columns"):
            await workers.decode(CODESTREAM, make_layout(SIDE + 1, SIDE), JPEG_2000)
        with pytest.raises(DecodeFailed):
            await workers.decode(CODESTREAM[:100], LAYOUT, JPEG_2000)
        assert children() == before

    run(scenario)


def test_damaged_codestreams_never_stop_the_next_frame() -> None:
    """Deterministic fuzz: bytes of real codestreams overwritten, cut and repeated, through every codec."""
    generator = random.Random(2)

    async def scenario(workers: PixelWorkers) -> None:
        outcomes = set()
        for uid, codestream in codestreams():
            for _ in range(25):
                try:
                    await workers.decode(damaged(codestream, generator), LAYOUT, uid)
                    outcomes.add("decoded")
                except DecodeFailed:
                    outcomes.add("refused")
        assert outcomes == {"decoded", "refused"}
        assert await good(workers) == IMAGE.tobytes()

    run(scenario)


def codestreams() -> Iterator[tuple[str, bytes]]:
    yield JPEG_BASELINE, bytes(imagecodecs.jpeg8_encode(IMAGE, level=90))
    yield "1.2.840.10008.1.2.4.70", bytes(imagecodecs.jpeg8_encode(IMAGE, lossless=True, predictor=1))
    yield "1.2.840.10008.1.2.4.80", bytes(imagecodecs.jpegls_encode(IMAGE))
    yield JPEG_2000, CODESTREAM
    yield "1.2.840.10008.1.2.4.201", bytes(imagecodecs.htj2k_encode(IMAGE))
    yield "1.2.840.10008.1.2.4.110", bytes(imagecodecs.jpegxl_encode(IMAGE, lossless=True))
    header = np.array([1, 64, *[0] * 14], "<u4").tobytes()
    yield RLE, header + bytes(imagecodecs.packbits_encode(IMAGE.tobytes()))


def damaged(codestream: bytes, generator: random.Random) -> bytes:
    data = bytearray(codestream)
    for _ in range(generator.choice([1, 3, 20])):
        data[generator.randrange(len(data))] = generator.randrange(256)
    return bytes(data[: generator.randrange(len(data))]) if generator.random() < 0.3 else bytes(data)


def test_every_broken_file_gets_an_answer_and_the_next_frame_works(data_dir: Path) -> None:
    """B-03, B-08: scan, re-encode, locate and decode whatever store would take of `broken`."""
    outcomes: Counter[str] = Counter()

    async def scenario(workers: PixelWorkers) -> None:
        for path in sorted((data_dir / "broken").rglob("*")):
            if path.is_file():
                outcomes.update(await outcome_of(workers, path.read_bytes()))
        assert await good(workers) == IMAGE.tobytes()

    run(scenario)
    assert set(outcomes) == {"refused", "no frames", "native", "decoded", "not decoded"}


async def outcome_of(workers: PixelWorkers, received: bytes) -> set[str]:
    try:
        scanned = scan([received])
    except InvalidDicom:
        return {"refused"}
    syntax = TRANSFER_SYNTAXES[scanned.transfer_syntax_uid]
    dataset = received[scanned.dataset_offset :]
    for _ in explicit_elements([dataset], implicit=not syntax.explicit, little=syntax.little):
        pass
    layout = scanned.pixel_layout
    if layout is None:
        return {"no pixels"}
    if not layout.encapsulated:
        return native_outcome(received, layout)
    outcomes = set()
    for frame in unpack(scanned.frame_entries):
        try:
            codestream = join_fragments(received[frame.offset - 8 : frame.offset + frame.span], frame)
            await workers.decode(codestream, layout, scanned.transfer_syntax_uid)
            outcomes.add("decoded")
        except DecodeFailed:
            outcomes.add("not decoded")
    return outcomes


def native_outcome(received: bytes, layout: PixelLayout) -> set[str]:
    """The frames that are said to be there are there, whatever the header promises."""
    for index in {0, layout.frames - 1} if layout.frames else ():
        start, stop = (layout.value_offset + n for n in frame_window(layout, index))
        frame = native_frame(received[start:stop], layout, index)
        assert len(frame) == (layout.frame_bits + 7) // 8
    return {"native"} if layout.frames else {"no frames"}


def test_requests_for_the_same_frame_share_the_work() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        together = [workers.decode(CODESTREAM, LAYOUT, JPEG_2000, key=("frame", 1)) for _ in range(5)]
        frames = await asyncio.gather(*together)
        assert all(frame is frames[0] for frame in frames)
        later = await workers.decode(CODESTREAM, LAYOUT, JPEG_2000, key=("frame", 1))
        assert later == frames[0]
        assert later is not frames[0]

    run(scenario)


def test_one_of_several_waiters_may_leave() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        leaves = asyncio.create_task(workers.decode(CODESTREAM, LAYOUT, JPEG_2000, key=1))
        stays = asyncio.create_task(workers.decode(CODESTREAM, LAYOUT, JPEG_2000, key=1))
        await asyncio.sleep(0)
        leaves.cancel()
        assert await stays == IMAGE.tobytes()
        with pytest.raises(asyncio.CancelledError):
            await leaves

    run(scenario)


def test_a_waiter_that_leaves_as_the_server_stops_has_left() -> None:
    """Its own cancellation must not become an error of the archive: who cancelled it waits for its end."""

    async def scenario(workers: PixelWorkers) -> None:
        waiter = asyncio.create_task(good(workers))
        await asyncio.sleep(0)
        (job,) = workers._jobs.values()
        job.task.cancel()
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter

    run(scenario)


def test_a_waiter_that_leaves_before_its_turn_takes_its_work_along() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        first = asyncio.create_task(good(workers))
        await asyncio.sleep(0)
        second = asyncio.create_task(workers.decode(CODESTREAM, LAYOUT, JPEG_2000, key="second"))
        await asyncio.sleep(0.01)
        second.cancel()
        again = asyncio.create_task(workers.decode(CODESTREAM, LAYOUT, JPEG_2000, key="second"))
        assert await first == await again == IMAGE.tobytes()
        with pytest.raises(asyncio.CancelledError):
            await second

    run(scenario)


def test_too_much_waiting_is_unavailable_not_memory() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        jobs = [asyncio.create_task(good(workers)) for _ in range(300)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert {type(result) for result in results} == {bytes, Unavailable}
        assert await good(workers) == IMAGE.tobytes()

    run(scenario)


def test_workers_without_work_end() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        assert len(children()) == 1
        await until(lambda: children() == [])
        assert await good(workers) == IMAGE.tobytes()

    run(scenario, idle_seconds=0.1)


def test_closing_during_a_frame_ends_the_wait() -> None:
    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        os.kill(children()[0], signal.SIGSTOP)
        waiting = asyncio.create_task(good(workers))
        await until(lambda: not workers._idle)
        await workers.close()
        with pytest.raises(Unavailable):
            await waiting

    run(scenario)


def test_a_worker_dies_with_its_server_even_while_it_hangs(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, os, signal, subprocess
            from dicomweb.archive.workers import PixelWorkers
            from tests.archive.test_workers import children, good

            async def main():
                workers = PixelWorkers(count=1, seconds=60, memory_bytes=1 << 29)
                await good(workers)
                (worker,) = children()
                print(worker, flush=True)
                os.kill(worker, signal.SIGSTOP)
                await good(workers)

            asyncio.run(main())
            """
        )
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout is not None
        worker = int(server.stdout.readline())
        assert Path(f"/proc/{worker}").exists()
        server.kill()
        server.wait()
    deadline = time.monotonic() + 5
    while running(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running(worker)


def running(process: int) -> bool:
    """Whether a process is there and not a zombie that nobody has reaped yet."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def test_a_worker_knows_no_secret_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMWEB_DATABASE_URL", "postgresql://secret@host/archive")

    async def scenario(workers: PixelWorkers) -> None:
        await good(workers)
        (worker,) = children()
        assert b"secret" not in Path(f"/proc/{worker}/environ").read_bytes()

    run(scenario)
