"""The nine tasks of GEM's paper: which task of lm-evaluation-harness each is, how it is asked and what counts."""

from dataclasses import dataclass, field
from typing import Any, Literal

Metric = Literal["acc", "acc_norm", "acc_mutual_info"]
METRICS: dict[Metric, str] = {
    "acc": "accuracy",
    "acc_norm": "by length",  # log-likelihoods over the characters of the choice
    "acc_mutual_info": "by PMI",  # less the log-likelihood of the choice after "Answer:" alone
}
SHOTS = 5


@dataclass(frozen=True)
class SuiteTask:
    """One task.

    Attributes:
        name: Of the task in lm-evaluation-harness, whose data and splits it takes.
        folder: Where the harness keeps it, below its tasks; reading only these saves looking at thousands.
        group: One of the paper's three groups.
        metric: The one that counts, which is OLMES's choice for the task.
        overrides: What is asked in other words than the harness's: fields of its task configuration.

    """

    name: str
    folder: str
    group: str
    metric: Metric
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured: all, unless choices stand in the prompt and the same words are scored after each."""
        return ("acc",) if self.name == "winogrande" else tuple(METRICS)


_SCIENCE, _COMMONSENSE, _LOGIC = "Science QA", "Commonsense", "Logic & linguistics"

# Groups: those of arXiv 2605.26121. Cloze prompts and metrics: OLMES (arXiv 2406.08446), which knows no SciQ and no
# COPA; these two are asked as in the harness and scored as its authors' `sciq::olmo1` and `copa::olmo1` are.
SUITE = (
    SuiteTask("arc_challenge", "arc", _SCIENCE, "acc_mutual_info"),
    SuiteTask("arc_easy", "arc", _SCIENCE, "acc_norm"),
    SuiteTask("sciq", "sciq", _SCIENCE, "acc"),
    SuiteTask(
        "openbookqa",
        "openbookqa",
        _SCIENCE,
        "acc_mutual_info",
        {"doc_to_text": "Question: {{question_stem.strip()}}\nAnswer:"},
    ),
    SuiteTask("hellaswag", "hellaswag", _COMMONSENSE, "acc_norm"),
    SuiteTask("piqa", "piqa", _COMMONSENSE, "acc_norm", {"doc_to_text": "Goal: {{goal}}\nAnswer:"}),
    SuiteTask(
        "commonsense_qa",
        "commonsense_qa",
        _COMMONSENSE,
        "acc_mutual_info",
        {  # the harness asks for a letter, which models of this size answer by chance
            "doc_to_text": "Question: {{question.strip()}}\nAnswer:",
            "doc_to_choice": "{{choices['text']}}",
            "doc_to_target": "{{choices['label'].index(answerKey)}}",
        },
    ),
    SuiteTask("winogrande", "winogrande", _LOGIC, "acc"),
    SuiteTask("copa", "super_glue/copa", _LOGIC, "acc", {"target_delimiter": ""}),  # its choices bring their space
)
