"""The queue of a study: every candidate is trained to its end once, by one worker, whoever dies meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from fieldspec.architectures.spaces.open_spec import load_open
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.study.order import ordered
from fieldspec.search.study.storage.presence import Presence, Watch
from fieldspec.search.study.storage.question import StudyQuestion, find, join
from fieldspec.search.study.storage.queue import LostError, TrialQueue
from fieldspec.search.study.storage.urls import close, open_storage

SPACE: dict[str, Any] = {
    "name": "space",
    "input": [3, 8, 8],
    "layers": [{"conv": {"out": {"range": [2, 16, 2]}, "kernel": {"choice": [1, 3]}}}],
    "head": {"classes": 2},
    "objectives": {"minimize": ["params"], "maximize": ["macs"]},
}
SPEC = load_open(SPACE)
QUESTION = StudyQuestion("study", SPACE, {"epochs": 3}, {"name": "none"}, ("params",), ("macs",), 0)
COUNT = 12


def never(others: int) -> None:
    """Nobody is to wait."""
    raise AssertionError(f"waits for {others}")


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A storage of each kind."""
    if request.param == "postgresql":
        place: str = request.getfixturevalue("database")
        return place
    return f"journal:{tmp_path / 'study.journal'}" if request.param == "journal" else f"sqlite:///{tmp_path}/s.db"


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Iterator[Callable[[], TrialQueue]]:
    """Opens the queue anew, as another process would; the candidates are in it."""
    storages: list[BaseStorage] = []

    def again() -> TrialQueue:
        storages.append(open_storage(url, tmp_path))
        return TrialQueue(storages[-1], join(storages[-1], QUESTION, url), SPEC)

    again().add(ordered(SPEC, ("params",), ("macs",), COUNT, 0, lambda *_: None).candidates)
    yield again
    for storage in storages:
        close(storage)


def test_each_trial_is_taken_once(opened: Callable[[], TrialQueue], tmp_path: Path) -> None:
    """By four workers at the same time; when all have ended there is none. Of another question it is another study."""

    def works(_: int) -> list[int]:
        queue, places = opened(), []
        with Presence(tmp_path) as worker:
            while (trial := queue.take(worker, lambda others: None)) is not None:
                places.append(trial.candidate.place)
                queue.report(trial, {1: 0.5})
                queue.complete(trial, [trial.candidate.place / 100, 1.0])
            queue.storage.remove_session()
        return places

    with ThreadPoolExecutor(4) as pool:
        taken = Counter(place for places in pool.map(works, range(4)) for place in places)
    assert taken == Counter(range(1, COUNT + 1))
    queue = opened()
    assert [one.status for one in queue.trials()] == ["complete"] * COUNT
    queue.add([one.candidate for one in queue.trials()])
    assert len(queue.trials()) == COUNT
    other = replace(QUESTION, seed=1)
    with pytest.raises(FieldspecError, match="study 'study' has another seed"):
        join(queue.storage, other, "here")
    assert find(queue.storage, None, SPACE, "here")[1] == QUESTION


def test_the_trial_of_a_dead_worker_is_taken_up(opened: Callable[[], TrialQueue], tmp_path: Path) -> None:
    """As soon as the system has taken its lock back, with what is known of it; the dead one may not go on."""
    first, second = opened(), opened()
    with Presence(tmp_path) as alive:
        for _ in range(COUNT - 1):
            taken = first.take(alive, never)
            assert taken is not None
            first.complete(taken, [0.5, 1.0])
        mine = first.take(alive, never)
        assert mine is not None
        first.report(mine, {1: 0.25})
        with Presence(tmp_path) as other, pytest.raises(AssertionError, match="waits for 1"):
            second.take(other, never)
        alive._lock.release()  # as the system does when it is killed, with the file left where it is
        (tmp_path / "workers" / f"{alive.name}.lock").touch()
        with Presence(tmp_path) as other:
            again = second.take(other, never)
            assert again is not None
            assert again.candidate == mine.candidate
            with pytest.raises(LostError):
                first.report(mine, {1: 0.25, 2: 0.5})
            with pytest.raises(LostError):
                first.complete(mine, [0.5, 1.0])
            second.report(again, {1: 0.25, 2: 0.5})
            second.complete(again, [0.5, 1.0])
            assert second.take(other, never) is None
    assert [one.status for one in first.trials()] == ["complete"] * COUNT
    assert first.trials()[again.candidate.place - 1].accuracies == {1: 0.25, 2: 0.5}


def test_what_was_put_in_twice_is_trained_once(opened: Callable[[], TrialQueue], tmp_path: Path) -> None:
    """Two commands that fill a study at the same time."""
    queue = opened()
    for one in queue.trials():
        queue._put(one.candidate)
    with Presence(tmp_path) as worker:
        places = []
        while (trial := queue.take(worker, never)) is not None:
            places.append(trial.candidate.place)
            queue.complete(trial, [0.5, 1.0])
    assert places == list(range(1, COUNT + 1))
    states = Counter(one.state for one in queue.storage.get_all_trials(queue.study))
    assert states == {TrialState.COMPLETE: COUNT, TrialState.FAIL: COUNT}


def test_hearts_are_watched_by_ones_own_clock() -> None:
    """A beat that stays the same for too long; another beat, or another trial, starts anew."""
    now = [0.0]
    watch = Watch(grace=10, clock=lambda: now[0])
    assert not watch.has_stopped(1, "a")
    now[0] = 9
    assert not watch.has_stopped(1, "a")
    assert not watch.has_stopped(1, "b")
    now[0] = 18
    assert not watch.has_stopped(1, "b")
    now[0] = 20
    assert watch.has_stopped(1, "b")
    assert not watch.has_stopped(2, "b")


def test_a_trial_that_was_given_back_waits_again(opened: Callable[[], TrialQueue], tmp_path: Path) -> None:
    """And one that fails by itself has ended."""
    queue = opened()
    with Presence(tmp_path) as worker:
        trial = queue.take(worker, never)
        assert trial is not None
        queue.give_back(trial)
        assert queue.trials()[0].status == "waiting"
        trial = queue.take(worker, never)
        assert trial is not None
        queue.fail(trial, "the loss is nan")
    assert (queue.trials()[0].status, queue.trials()[0].attributes["failure"]) == ("failed", "the loss is nan")


def test_the_domains_may_stand_in_another_order(opened: Callable[[], TrialQueue]) -> None:
    """The same spec from another file, its keys turned round, asks the same, and means the same choices."""
    conv = SPACE["layers"][0]["conv"]
    turned = {**SPACE, "layers": [{"conv": dict(reversed(conv.items()))}]}
    queue = opened()
    there = TrialQueue(queue.storage, join(queue.storage, replace(QUESTION, spec=turned), "here"), load_open(turned))
    for one, other in zip(queue.trials(), there.trials(), strict=True):
        assert one.candidate.numbers == other.candidate.numbers[::-1]
