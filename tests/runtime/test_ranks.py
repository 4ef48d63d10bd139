import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.runtime.errors import GemixError
from gemix.runtime.ranks import Rank, divide, find_rank, in_a_world

STEP = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8"}
ARRAY = {
    "SLURM_ARRAY_TASK_ID": "30",
    "SLURM_ARRAY_TASK_MIN": "10",
    "SLURM_ARRAY_TASK_MAX": "40",
    "SLURM_ARRAY_TASK_STEP": "10",
    "SLURM_ARRAY_TASK_COUNT": "4",
}


@given(sizes=st.lists(st.integers(0, 1000), max_size=60), world=st.integers(1, 9), seed=st.randoms())
def test_shares_are_a_division_whatever_the_order(sizes: list[int], world: int, seed) -> None:
    items = [(f"shard-{i:03}", size) for i, size in enumerate(sizes)]
    shuffled = items.copy()
    seed.shuffle(shuffled)

    def share(of: list[tuple[str, int]], index: int) -> list[tuple[str, int]]:
        return divide(of, [size for _, size in of], [name for name, _ in of], Rank(index, world))

    shares = [share(items, index) for index in range(world)]
    assert sorted(item for of_one in shares for item in of_one) == sorted(items)
    assert [share(shuffled, index) for index in range(world)] == shares
    mean = sum(sizes) / world
    assert all(sum(size for _, size in of_one) <= mean + max(sizes, default=0) for of_one in shares)
    counts = [len(of_one) for of_one in shares]
    if len(set(sizes)) == 1:
        assert max(counts) - min(counts) <= 1


def test_numbers_on_the_command_line() -> None:
    assert find_rank("2", 5, {}) == Rank(2, 5)
    assert find_rank("2", 5, STEP) == Rank(2, 5)
    with pytest.raises(GemixError, match="--rank 2 needs --world-size"):
        find_rank("2", None, STEP)
    for rank, size in (("5", 5), ("0", 0)):
        with pytest.raises(GemixError, match="ranks count from 0"):
            find_rank(rank, size, {})
    for rank in ("-1", "two", ""):
        with pytest.raises(GemixError, match="give a number, or auto"):
            find_rank(rank, 5, {})


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (STEP, Rank(3, 8)),
        (ARRAY, Rank(2, 4)),
        (ARRAY | STEP, Rank(2 * 8 + 3, 32)),  # srun inside every element of an array
        (ARRAY | {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, Rank(2, 4)),  # its batch script
        ({"RANK": "1", "WORLD_SIZE": "2"}, Rank(1, 2)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Rank(1, 2)),
    ],
)
def test_schedulers(environment: dict[str, str], expected: Rank) -> None:
    assert find_rank("auto", None, environment) == expected
    assert find_rank("auto", expected.size, environment) == expected
    with pytest.raises(GemixError, match=f"--world-size 77, but .* has {expected.size}"):
        find_rank("auto", 77, environment)
    assert in_a_world(environment)


def test_kubernetes_does_not_tell_its_size() -> None:
    environment = {"JOB_COMPLETION_INDEX": "4"}
    assert find_rank("auto", 20, environment) == Rank(4, 20)
    with pytest.raises(GemixError, match=r"Kubernetes Job does not say .* --world-size"):
        find_rank("auto", None, environment)
    with pytest.raises(GemixError, match="rank 4 of a world of 4"):
        find_rank("auto", 4, environment)


def test_a_batch_script_is_no_task() -> None:
    # Slurm sets these in the script of `sbatch --ntasks 8`, too, which runs once.
    with pytest.raises(GemixError, match="this is no process of srun"):
        find_rank("auto", None, {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"})
    assert in_a_world({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) is None
    assert in_a_world(STEP | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}) is None
    assert in_a_world({}) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SLURM_ARRAY_TASK_ID": "33"}, "not evenly spaced"),
        ({"SLURM_ARRAY_TASK_COUNT": "3"}, "not evenly spaced"),
        ({"SLURM_ARRAY_TASK_COUNT": "many"}, "SLURM_ARRAY_TASK_COUNT is 'many'"),
        ({"SLURM_ARRAY_TASK_MIN": ""}, "SLURM_ARRAY_TASK_MIN is ''"),
    ],
)
def test_environments_that_make_no_sense(change: dict[str, str], message: str) -> None:
    with pytest.raises(GemixError, match=message):
        find_rank("auto", None, ARRAY | change)
    assert in_a_world(ARRAY | change) is None


def test_some_elements_of_an_array_started_again_divide_everything_anew() -> None:
    environment = ARRAY | {"SLURM_ARRAY_TASK_MIN": "30", "SLURM_ARRAY_TASK_MAX": "30", "SLURM_ARRAY_TASK_COUNT": "1"}
    assert find_rank("auto", None, environment) == Rank(0, 1)
