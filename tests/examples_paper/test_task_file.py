import pytest
from evaluate_data import QUESTIONS, write_tasks

from nine_tasks.asked import choose, read_task_file
from nine_tasks.fault import Fault
from nine_tasks.suite import SUITE


def test_questions_examples_and_keys_of_others_are_read(tmp_path):
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
    read = read_task_file(path)
    assert [question.question for question in read] == [row["question"] for row in QUESTIONS]
    assert [question.example for question in read] == [True, False, False, False]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "row 2: Invalid JSON"),
        ("[]", "row 2: Input should be"),
        ('{"question": "a", "choices": ["b", "c"]}', "row 2: answer: Field required"),
        ('{"question": "", "choices": ["b", "c"], "answer": 0}', "row 2: question: String should have at least 1"),
        ('{"question": "a", "choices": ["b"], "answer": 0}', "row 2: choices: List should have at least 2"),
        ('{"question": "a", "choices": ["b", 2], "answer": 0}', "row 2: choices.1: Input should be a valid string"),
        ('{"question": "a", "choices": ["b", "b"], "answer": 0}', "row 2: two choices are the same"),
        ('{"question": "a", "choices": ["b", " "], "answer": 0}', "row 2: a choice is empty"),
        ('{"question": "a", "choices": ["b", "c"], "answer": 2}', "row 2: answer 2 is none of the 2 choices"),
        ('{"question": "a", "choices": ["b", "c"], "answer": "c"}', "row 2: answer: Input should be a valid integer"),
        ('{"question": "\\ud800", "choices": ["b", "c"], "answer": 0}', "row 2: Invalid JSON"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, row, message):
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS[:1])
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(Fault, match=r"mine\.jsonl, ") as error:
        read_task_file(path)
    assert message in str(error.value)


def test_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "mine.jsonl").write_bytes(b'{"question": "\xff", "choices": ["b", "c"], "answer": 0}\n')
    with pytest.raises(Fault, match="row 1: Invalid JSON"):
        read_task_file(tmp_path / "mine.jsonl")


def test_many_malformed_rows_are_counted(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("{}\n" * 14)
    with pytest.raises(Fault, match=r"row 10: .*\n  and 4 more"):
        read_task_file(path)


@pytest.mark.parametrize("rows", [[], QUESTIONS[:1]])
def test_a_file_without_questions_is_refused(tmp_path, rows):
    with pytest.raises(Fault, match="has no questions"):
        read_task_file(write_tasks(tmp_path / "mine.jsonl", rows))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Fault, match=r"cannot read .*none\.jsonl: No such file"):
        read_task_file(tmp_path / "none.jsonl")


def test_what_is_asked(tmp_path):
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS)
    assert choose([], []).suite == SUITE
    assert [task.name for task in choose(["piqa", "sciq"], []).suite] == ["sciq", "piqa"]
    assert choose([], [path]).suite == ()
    assert [task.name for task in choose(["copa"], [path]).suite] == ["copa"]
    with pytest.raises(Fault, match="no task 'boolq'; there are arc_challenge"):
        choose(["boolq"], [])
    with pytest.raises(Fault, match=r"there is another task 'mine'"):
        choose([], [path, path])


def test_the_hash_of_what_is_asked_follows_the_questions(tmp_path):
    first = choose([], [write_tasks(tmp_path / "mine.jsonl", QUESTIONS)]).fingerprint()
    assert choose([], [tmp_path / "mine.jsonl"]).fingerprint() == first
    other = [*QUESTIONS[:-1], QUESTIONS[-1] | {"answer": 0}]
    assert choose([], [write_tasks(tmp_path / "mine.jsonl", other)]).fingerprint() != first
    assert choose([], []).fingerprint() != choose(["sciq"], []).fingerprint()
