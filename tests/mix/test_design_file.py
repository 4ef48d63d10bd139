import json
from dataclasses import replace

import numpy as np
import pytest

from gemix.mix.design_file import FILE_NAME, Design, read_design, refuse_other_partition, write_design
from gemix.mix.groups import with_groups
from gemix.mix.partition import Partition
from gemix.runtime.errors import GemixError

PARTITION = Partition(
    ["domain-00", "domain-01", "domain-02"],
    None,
    np.array([600, 300, 100]),
    np.array([0.1, 0.0, 0.0]),
    np.array([0.9, 0.5, 0.2]),
    counter="bpe",
    identity="abc",
)
DESIGN = Design.of("dirichlet", PARTITION, PARTITION.box(), 7, (0.1, 5.0))


def test_a_design_survives_the_round_trip(tmp_path):
    assert read_design(tmp_path) is None
    write_design(tmp_path, DESIGN)
    back = read_design(tmp_path)
    assert back == DESIGN
    assert back.box.cap.tolist() == [0.9, 0.5, 0.2]
    assert (back.prior, back.partition, back.counter) == ([0.6, 0.3, 0.1], "abc", "bpe")
    assert json.loads((tmp_path / FILE_NAME).read_text())["schema"] == 1


def test_bounds_on_groups_are_kept(tmp_path):
    box = with_groups(PARTITION.box(), ["1,2<=0.4"])
    write_design(tmp_path, Design.of("uniform", PARTITION, box, 0, (0.1, 5.0)))
    found = read_design(tmp_path)
    assert found.groups[0].domains == ["domain-01", "domain-02"]
    assert found.box.groups == box.groups
    changed = json.loads(found.to_json())
    changed["groups"][0]["domains"] = ["law"]
    (tmp_path / FILE_NAME).write_text(json.dumps(changed))
    with pytest.raises(GemixError, match=r"design.json: .*'law', which is none of the design"):
        read_design(tmp_path)


def test_runs_of_another_partition_are_refused(tmp_path):
    assert refuse_other_partition(tmp_path, PARTITION) is None
    write_design(tmp_path, DESIGN)
    assert refuse_other_partition(tmp_path, PARTITION) == DESIGN
    assert refuse_other_partition(tmp_path, replace(PARTITION, identity=None)) == DESIGN
    with pytest.raises(ValueError, match=r"design.json: the runs were designed for another partition"):
        refuse_other_partition(tmp_path, replace(PARTITION, identity="abd"))
    other = replace(PARTITION, identity=None, keys=["a", "b", "c"])
    with pytest.raises(ValueError, match="3 domains that are not the 3 of this partition"):
        refuse_other_partition(tmp_path, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cap": [0.1, 0.1, 0.1]}, "caps sum to 0.3 < 1"),
        ({"floor": [0.1]}, "3 domains need 3 floors, not 1"),
        ({"prior": [0.6, 0.3, 0.2]}, "prior sums to 1.1"),
        ({"strength": [5, 0.1]}, "do not ascend"),
        ({"domains": ["a", "a", "b"]}, "appears twice"),
        ({"seed": -1}, "seed"),
        ({"schema": 2}, "written by a newer gemix"),
    ],
)
def test_a_damaged_design_names_the_file_and_the_fault(tmp_path, change, message):
    (tmp_path / FILE_NAME).write_text(json.dumps(json.loads(DESIGN.to_json()) | change))
    with pytest.raises(GemixError, match=rf"design.json: .*{message}"):
        read_design(tmp_path)
