# Copyright 2026 The hf_supernet authors. All rights reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
import math
import sqlite3

import pytest

from hf_supernet.search import EvaluationStore, Judgement, Objective


LOSS = Objective("loss", depends_on={"supernet": "a", "dev_data": "b"})


@pytest.fixture
def paths(space):
    return list(space)[:4]


def test_what_was_added_is_there(tmp_path, paths):
    with EvaluationStore(tmp_path / "new" / "store.sqlite") as store:
        store.add(LOSS, [(paths[0], Judgement(1 / 3)), (paths[1], Judgement(math.nan, "no room"))])
        store.add(LOSS, [(paths[2], Judgement(7))])
    with EvaluationStore(tmp_path / "new" / "store.sqlite") as store:
        assert store.get(LOSS, paths[0]) == Judgement(1 / 3)
        failed = store.get(LOSS, paths[1])
        assert math.isnan(failed.value) and failed.error == "no room"
        assert store.get(LOSS, paths[2]) == Judgement(7) and type(store.get(LOSS, paths[2]).value) is int
        assert store.get(LOSS, paths[3]) is None and len(store) == 3


def test_a_whole_number_that_is_a_float_stays_one(paths):
    store = EvaluationStore()
    store.add(LOSS, [(paths[0], Judgement(3.0))])
    assert type(store.get(LOSS, paths[0]).value) is float


@pytest.mark.parametrize(
    "other",
    [
        Objective("accuracy", depends_on=LOSS.depends_on),
        Objective("loss", depends_on={"supernet": "c", "dev_data": "b"}),
        Objective("loss", depends_on={"supernet": "a", "dev_data": "c"}),
        Objective("loss", depends_on={"supernet": "a"}),
    ],
)
def test_what_is_judged_is_kept_apart(paths, other):
    store = EvaluationStore()
    store.add(LOSS, [(paths[0], Judgement(1.0))])
    store.add(other, [(paths[0], Judgement(2.0))])
    assert store.get(LOSS, paths[0]).value == 1 and store.get(other, paths[0]).value == 2
    same = Objective("loss", depends_on={"dev_data": "b", "supernet": "a"})  # in another order
    assert store.get(same, paths[0]).value == 1


def test_the_first_value_stays(paths):
    store = EvaluationStore()
    for value in (1.0, 2.0):
        store.add(LOSS, [(paths[0], Judgement(value))])
    assert store.get(LOSS, paths[0]) == Judgement(1.0) and len(store) == 1


def test_all_rows_of_an_addition_or_none(paths):
    store = EvaluationStore()

    def interrupted():
        yield paths[0], Judgement(1.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.add(LOSS, interrupted())
    assert len(store) == 0


def test_a_copy_in_memory(tmp_path, paths):
    with EvaluationStore(tmp_path / "store.sqlite") as store:
        store.add(LOSS, [(paths[0], Judgement(1.0)), (paths[1], Judgement(math.nan, "no room"))])
        copy = EvaluationStore.in_memory(store.rows())
        copy.add(LOSS, [(paths[2], Judgement(3.0))])
        assert copy.get(LOSS, paths[0]) == Judgement(1.0) and copy.get(LOSS, paths[1]).error == "no room"
        assert len(copy) == 3 and len(store) == 2


def test_two_at_once(tmp_path, paths):
    with EvaluationStore(tmp_path / "store.sqlite") as one, EvaluationStore(tmp_path / "store.sqlite") as two:
        one.add(LOSS, [(paths[0], Judgement(1.0))])
        two.add(LOSS, [(paths[1], Judgement(2.0))])
        assert one.get(LOSS, paths[1]) == Judgement(2.0) and two.get(LOSS, paths[0]) == Judgement(1.0)


def test_what_is_no_store(tmp_path):
    with pytest.raises(ValueError, match=f"'{tmp_path}' cannot be opened as a store of evaluations: unable to open"):
        EvaluationStore(tmp_path)
    (tmp_path / "text").write_text("not a database " * 100)
    with pytest.raises(ValueError, match=r"text' is no store of evaluations, or damaged: file is not a database"):
        EvaluationStore(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    with pytest.raises(ValueError, match="is an SQLite file, but no store of evaluations that this version reads"):
        EvaluationStore(tmp_path / "other.sqlite")
