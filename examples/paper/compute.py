"""What each step needs, as the table of README.md: measured rates of gemix, and 6 N D for training.

(. examples/paper/settings.sh && python examples/paper/compute.py)
"""

import os

from gemix.proxy.transformer.config import PRESETS

# The corpus is the user's; the paper does not say how large its own was.
CORPUS, SEED, CHARACTERS = 100e9, 3e9, 4  # tokens, tokens, bytes of text a token
DOCUMENT = 3178 / CHARACTERS  # tokens of a web page: docs/tables/labelling.md
CLUSTERS = 24

# Measured: docs/embedders.md, docs/tables/speed.md (1,000,000 x 384, K = 24), docs/tables/labelling.md (15T tokens).
EMBED = 47  # documents a second and core
FIT = 6.0 * 2 / 1e6  # core-seconds a row
LABEL = 142 / 15e12  # core-hours a token

# Assumed: bfloat16 without sparsity, and the share of it that training reaches.
PEAK, LARGE, SMALL = 989e12, 0.4, 0.2  # of an H100

# Questions, choices and tokens of a question with its five examples, about.
QUESTIONS = {
    "arc_challenge": (1172, 4, 200),
    "arc_easy": (2376, 4, 200),
    "sciq": (1000, 4, 700),
    "openbookqa": (500, 4, 120),
    "hellaswag": (10042, 4, 600),
    "piqa": (1838, 2, 250),
    "commonsense_qa": (1221, 5, 120),
    "winogrande": (1267, 2, 150),
    "copa": (100, 2, 120),
}


def number(name: str) -> float:
    """Return a number of settings.sh."""
    return float(os.environ[name])


def multiplied(preset: str) -> int:
    """Return N, the parameters that a token is multiplied with: all but the rows of an embedding that it looks up."""
    config, _ = PRESETS[preset]
    vocabulary = int(number("VOCABULARY"))
    return config.parameters(vocabulary) - (0 if config.tied else vocabulary * config.width)


def training(preset: str, tokens: float, models: float, utilisation: float) -> tuple[float, float]:
    """Return FLOPs, 6 N D of each model, and hours of a GPU."""
    flops = 6 * multiplied(preset) * tokens * models
    return flops, flops / (PEAK * utilisation) / 3600


def rows() -> list[tuple[str, str, str, str]]:
    """Return step, what is done, the formula with its numbers, and the hours."""
    documents = SEED / DOCUMENT
    out = [
        (
            "1",
            f"embed {documents / 1e6:.1f} million documents",
            f"{documents:.3g} / {EMBED} a second and core",
            f"{documents / EMBED / 3600:.0f} core-h",
        ),
        ("1", "fit the teacher", f"{documents:.3g} x {FIT:.2g} core-s", f"{documents * FIT / 3600:.2f} core-h"),
        (
            "1",
            f"label {CORPUS / 1e9:.0f}B tokens",
            f"{CORPUS:.3g} x {LABEL:.3g} core-h",
            f"{CORPUS * LABEL:.1f} core-h",
        ),
    ]
    swarms = [
        ("3", "RegMix", "REGMIX", number("REGMIX_RUNS") + number("REGMIX_HELD_OUT") + 2, SMALL),
        ("3", "DoReMi", "DOREMI", 2 * number("DOREMI_ROUNDS"), SMALL),
        ("3", "Perf", "PERF", 1 + CLUSTERS, SMALL),
    ]
    for step, name, key, models, utilisation in swarms:
        preset, tokens = os.environ[f"{key}_PRESET"], number(f"{key}_TOKENS")
        out.append(training_row(step, f"{name}: {models:.0f} models", preset, tokens, models, utilisation))
    out.append(training_row("5", "a model", os.environ["PRESET"], number("BUDGET"), 1, LARGE))
    # Scored with its question each choice reads the question again; alone, for PMI, it is short and left out.
    read = sum(n * choices * tokens for n, choices, tokens in QUESTIONS.values())
    flops = 2 * multiplied(os.environ["PRESET"]) * read
    hours = flops / (PEAK * SMALL) / 3600
    out.append(
        (
            "6",
            "a model",
            f"2 x {multiplied(os.environ['PRESET']):.3g} x {read:.3g} = {flops:.2g} FLOPs",
            f"{hours:.2f} GPU-h",
        )
    )
    return out


def training_row(
    step: str, what: str, preset: str, tokens: float, models: float, utilisation: float
) -> tuple[str, str, str, str]:
    """Return the row of a training."""
    flops, hours = training(preset, tokens, models, utilisation)
    formula = f"6 x {multiplied(preset):.3g} x {tokens:.3g} x {models:.0f} = {flops:.2g} FLOPs at {utilisation:.0%}"
    return step, f"{what} of {preset}, {tokens / 1e9:g}B tokens", formula, f"{hours:,.0f} GPU-h"


def main() -> None:
    """Print the table."""
    print("| step | what | computed as | hours |")
    print("|--:|---|---|--:|")
    for row in rows():
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
