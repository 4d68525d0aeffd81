import subprocess
import sys
import threading

from pipeline.running.spawning import without_the_script
from tests.command import ROOT

SCRIPT = """
print("the script runs", flush=True)
from pipeline.running.jobs import Job, run_jobs
from pipeline.benchmark.process import seat
from tests.pipeline.running.test_jobs import {function}
jobs = [Job(name=f"job {{n}}", function={function}, arguments={arguments}) for n in range(2)]
for outcome in run_jobs(jobs, max_parallel=2):
    print("got", outcome.get(), flush=True)
with seat("a seat") as own:
    print("peak", own.peak_rss_bytes() > 0, flush=True)
"""


def test_script_without_a_guard_is_not_run_again_by_its_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(function="add", arguments='{"left": 1, "right": 2}'))
    done = subprocess.run(
        [sys.executable, script], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, timeout=120,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["the script runs", "got 3", "got 3", "peak True"], done
    assert done.returncode == 0


def test_threads_at_once_leave_the_script_in_its_place():
    script = sys.modules["__main__"]

    hidden = []

    def hide() -> None:
        for _ in range(200):
            with without_the_script():
                hidden.append(sys.modules["__main__"] is not script)

    threads = [threading.Thread(target=hide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.modules["__main__"] is script
    assert hidden == [True] * 800
