"""Which jobs run when."""

import pytest

from zipmo_ros.training import schedule
from zipmo_ros.training.recipe import Job
from zipmo_ros.training.schedule import run_all

DATA = Job("data", ("collect", "out=d"), ())
MORE = Job("more", ("collect", "out=m"), ())
VAE = Job("vae", ("train", "vae", "out=v"), (DATA, MORE))
ENCODER = Job("encoder", ("train", "grounding", "out=e"), (DATA, MORE))
PLANNER = Job("planner", ("train", "planner", "out=p"), (DATA, VAE, ENCODER))
CLONE = Job("clone", ("train", "bc", "out=b"), (DATA, ENCODER))
JOBS = [DATA, MORE, VAE, ENCODER, PLANNER, CLONE]


class Machine:
    """Processes that last as many looks as they are told, and what ran beside what."""

    def __init__(self, lasting, failing=()):
        self.lasting, self.failing = dict(lasting), failing
        self.beside, self.over, self.signals = [], [], {}

    def start(self, job):
        return Running(self, job)

    def run(self, jobs=JOBS, workers=2, watch=None):
        def look(running):
            self.beside.append({job.name for job in running})
            if watch:
                watch()

        return run_all(jobs, workers, self.start, lambda job: self.over.append(job.name), look, interrupt=2)


class Running:
    def __init__(self, machine, job):
        self.machine, self.job = machine, job
        self.left = machine.lasting.get(job.name, 1)

    def poll(self):
        self.left -= 1
        return None if self.left > 0 else int(self.job.name in self.machine.failing)

    def send_signal(self, number):
        self.machine.signals[self.job.name] = number

    def wait(self):
        return 0


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(schedule, "PERIOD", 0)


def test_side_by_side_where_they_do_not_need_each_other():
    machine = Machine({"vae": 3, "clone": 5})
    assert machine.run() is None
    looks = [running for number, running in enumerate(machine.beside) if running not in machine.beside[:number]]
    assert looks == [{"data"}, {"more"}, {"vae", "encoder"}, {"vae", "clone"}, {"planner", "clone"}, {"clone"}]
    assert machine.over == ["data", "more", "encoder", "vae", "planner", "clone"]


def test_nothing_overtakes_what_waits_to_spread():
    shared = Job("planner", ("train", "planner", "train.shards=2", "out=p"), (DATA, ENCODER))
    machine = Machine({"vae": 5})
    assert machine.run([DATA, VAE, ENCODER, shared, CLONE]) is None
    assert machine.over == ["data", "encoder", "vae", "planner", "clone"]
    assert all(running == {"planner"} for running in machine.beside if "planner" in running)


def test_one_after_another_with_one_worker():
    machine = Machine({})
    machine.run(workers=1)
    assert machine.over == [job.name for job in JOBS]
    assert max(map(len, machine.beside)) == 1


def test_what_is_done_already_is_waited_for_by_nobody():
    machine = Machine({})
    assert machine.run([PLANNER, CLONE]) is None
    assert machine.over == ["planner", "clone"]


def test_a_failure_ends_what_runs_beside_it():
    machine = Machine({"vae": 9}, failing=("encoder",))
    assert machine.run() == (ENCODER, 1)
    assert machine.over == ["data", "more"]
    assert machine.signals == {"vae": 2}


def test_ctrl_c_ends_what_runs():
    machine = Machine({"vae": 9, "encoder": 9})

    def interrupt():
        if len(machine.beside) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine.run(watch=interrupt)
    assert machine.signals == {"vae": 2, "encoder": 2}
