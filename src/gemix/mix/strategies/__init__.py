"""What decides the weights; every strategy is a pure function that returns a mixture of the box."""

from gemix.mix.strategies.doremi import doremi_replay
from gemix.mix.strategies.mixmin import mixmin
from gemix.mix.strategies.perf import perf, perf_top
from gemix.mix.strategies.perf_proven import PerfDecision, perf_proven
from gemix.mix.strategies.regmix import optimise, simulate
from gemix.mix.strategies.shares import natural, temperature, uniform

__all__ = [
    "PerfDecision",
    "doremi_replay",
    "mixmin",
    "natural",
    "optimise",
    "perf",
    "perf_proven",
    "perf_top",
    "simulate",
    "temperature",
    "uniform",
]
