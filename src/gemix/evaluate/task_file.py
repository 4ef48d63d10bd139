"""A task of one's own: questions with choices, one JSON object a line."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.records import first_fault


class Question(BaseModel):
    """A row. Further keys are left alone.

    Attributes:
        question: Asked as "Question: ...", newline, "Answer:".
        choices: Two or more different answers.
        answer: Number of the right one, from 0.
        example: Not asked: shown before every question, with its answer, in the order of the file.

    """

    model_config = ConfigDict(strict=True, frozen=True)
    question: str = Field(min_length=1)
    choices: list[str] = Field(min_length=2)
    answer: int = Field(ge=0)
    example: bool = False

    @model_validator(mode="after")
    def _fits(self) -> "Question":
        if any(not choice.strip() for choice in self.choices):
            raise ValueError("a choice is empty")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("two choices are the same")
        if self.answer >= len(self.choices):
            raise ValueError(f"answer {self.answer} is none of the {len(self.choices)} choices, which count from 0")
        return self


def read_task_file(path: Path) -> list[Question]:
    """Read a task file; blank lines are passed over.

    Raises:
        GemixError: it cannot be read, rows are malformed (named by their numbers), or there is nothing to ask.

    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    questions, faults = [], []
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            questions.append(Question.model_validate_json(line))
        except ValidationError as error:
            faults.append(f"{path}, row {row}: {first_fault(error)}")
    if faults:
        raise GemixError(first_faults(faults))
    if all(question.example for question in questions):
        raise GemixError(f"{path} has no questions, only examples" if questions else f"{path} has no questions")
    return questions
