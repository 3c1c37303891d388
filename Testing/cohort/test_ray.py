"""The Ray executor on a real Ray runtime: two nodes on this machine, of which a worker and a node are killed."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from cohort_files import done_keys, manifest_lines, quick_settings, read_table, varied_radiographs, without_times

from Xray2MRILib.cohort import run_cohort

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="this Ray has no cluster for tests")

pytestmark = pytest.mark.slow
COUNT = 6
NODE = {"num_cpus": 2, "object_store_memory": 80_000_000}
HEAD = {"num_cpus": 0, "object_store_memory": 80_000_000, "include_dashboard": False}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    varied_radiographs(folder, COUNT)
    (folder / "torn.png").write_bytes((folder / "radiograph_000.png").read_bytes()[:3000])
    return folder


@pytest.fixture(scope="module")
def cluster():
    """A head node that has no room for workers, and two nodes that have room for one each."""
    made = cluster_utils.Cluster(initialize_head=True, head_node_args=HEAD)
    nodes = [made.add_node(**NODE) for _ in range(2)]
    made.wait_for_nodes()
    yield made, nodes
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def local_table(films, tiny_model, tmp_path_factory) -> str:
    """The table of a run on one machine, without a cluster."""
    out = tmp_path_factory.mktemp("local") / "out"
    run_cohort(films, out, quick_settings(tiny_model, slices=2))
    return without_times(out)


def test_a_cluster_gives_the_table_of_one_machine(films, tiny_model, tmp_path, cluster, local_table):
    made, _ = cluster
    out = tmp_path / "out"
    result = run_cohort(films, out, quick_settings(tiny_model, slices=2), executor="ray", address=made.address)
    assert result.exit_code == 0
    assert without_times(out) == local_table
    workers = {line["worker"] for line in manifest_lines(out)}
    assert workers == {"ray-1", "ray-2"}, "both nodes worked"
    assert len(done_keys(out)) == COUNT


def test_nothing_is_lost_when_a_worker_and_a_node_are_killed(films, tiny_model, tmp_path, cluster, local_table):
    made, nodes = cluster
    out = tmp_path / "out"
    happened = []

    def disturb() -> None:
        """Kill an actor after the first result, and a node after the third."""
        until(lambda: len(manifest_lines(out)) >= 1)
        victims = [pid for pid in ray_workers() if pid != os.getpid()]
        if victims:
            os.kill(victims[0], signal.SIGKILL)
            happened.append("worker")
        until(lambda: len(manifest_lines(out)) >= 3)
        made.remove_node(nodes[1], allow_graceful=False)
        happened.append("node")

    def until(condition) -> None:
        limit = time.monotonic() + 300
        while not condition() and time.monotonic() < limit:
            time.sleep(0.05)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    settings = quick_settings(tiny_model, slices=2)
    result = run_cohort(films, out, settings, executor="ray", address=made.address, retries=4)
    disturber.join()
    assert happened == ["worker", "node"]
    assert result.exit_code == 0, result.rows
    assert without_times(out) == local_table
    assert sorted(done_keys(out)) == sorted({row["key"] for row in read_table(out) if row["state"] == "done"})
    assert len(done_keys(out)) == COUNT


def ray_workers() -> list[int]:
    """Processes of actors of this package, as the system shows them."""
    from pathlib import Path

    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if command.read_bytes().startswith(b"ray::GeneratorActor"):
                found.append(int(command.parent.name))
        except OSError:
            continue
    return found


def test_a_cluster_that_is_not_there_is_a_sentence(films, tiny_model, tmp_path):
    from Xray2MRILib.errors import ProcessingError

    with pytest.raises(ProcessingError, match="Ray cluster cannot be reached") as caught:
        run_cohort(films, tmp_path / "out", quick_settings(tiny_model, slices=2), executor="ray", address="127.0.0.1:1")
    assert caught.value.code == "no-cluster"


def test_four_workers_of_a_quarter_share_a_gpu():
    """A GPU in Ray's books; no actor computes here. A cluster that was there before is left alone."""
    ray.init(
        "local", num_cpus=2, num_gpus=1, include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False
    )
    try:
        from Xray2MRILib.cohort.ray_executor import RayExecutor

        executor = RayExecutor(None, 0.25, None)
        assert len(executor._actors) == 4
        executor.close()
        assert ray.is_initialized()
    finally:
        ray.shutdown()
