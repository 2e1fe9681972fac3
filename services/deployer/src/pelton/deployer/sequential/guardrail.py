"""Does the challenger fail more often than it may? Watched after every answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Self

from pelton.deployer.sequential.mixture import log_mean_exp, reaches, significant
from pelton.deployer.sequential.observations import UnfitObservationsError, require_inside
from pelton.exact import EXACT

_ALTERNATIVES: Final = 24


class GuardrailVerdict(StrEnum):
    """Whether the ceiling still holds."""

    OK = "ok"
    BREACHED = "breached"


@lru_cache(maxsize=64)
def _log_ratios(ceiling: float) -> tuple[tuple[Decimal, Decimal], ...]:
    """For each higher rate q: ln(q / ceiling) for a failure, ln((1 - q) / (1 - ceiling)) for a success.

    The odds of the rates are the ceiling's times 1 + 2**(k/2) / 10: from 1.1 times to about 290 times.
    """
    with localcontext(EXACT):
        allowed = Decimal(repr(ceiling))
        ratios = []
        for k in range(_ALTERNATIVES):
            odds = allowed / (1 - allowed) * (1 + Decimal(2**k).sqrt() / 10)
            rate = odds / (1 + odds)
            ratios.append(((rate / allowed).ln(), ((1 - rate) / (1 - allowed)).ln()))
        return tuple(ratios)


@dataclass(frozen=True, slots=True)
class RateGuardrail:
    """Failures among answers against a ceiling of their rate.

    The e-value is an equal mixture of likelihood ratios (q / c)**failures ((1 - q) / (1 - c))**successes over rates q
    above the ceiling c: betting on a Bernoulli rate. While every answer fails with a chance of at most c given those
    before it, the chance that the verdict is ever BREACHED is at most `alpha` (Ville's inequality). The counts are
    all the state there is, so the order of the answers does not matter.

    Waudby-Smith & Ramdas (2024), section 4; the ratios are those of Wald (1945), Sequential tests of hypotheses.
    """

    ceiling: float
    alpha: float
    answers: int = 0
    failures: int = 0

    def __post_init__(self) -> None:
        require_inside("alpha", self.alpha, 0.0, 1.0)
        require_inside("ceiling", self.ceiling, 0.0, 1.0)

    def update(self, *, answers: int, failures: int) -> Self:
        """The evidence with `answers` more, `failures` of them failed.

        Raises:
            UnfitObservationsError: fewer answers than failures, or a negative count.
        """
        if not 0 <= failures <= answers:
            raise UnfitObservationsError(f"{failures} failures among {answers} answers: count each answer once")
        return replace(self, answers=self.answers + answers, failures=self.failures + failures)

    @property
    def log_e(self) -> float:
        """Logarithm of the e-value against "the rate is at most the ceiling", to 12 digits."""
        with localcontext(EXACT):
            successes = self.answers - self.failures
            logs = [self.failures * fail + successes * succeed for fail, succeed in _log_ratios(self.ceiling)]
        return significant(log_mean_exp(logs))

    @property
    def verdict(self) -> GuardrailVerdict:
        """BREACHED once the e-value has reached 1 / alpha."""
        return GuardrailVerdict.BREACHED if reaches(self.log_e, self.alpha) else GuardrailVerdict.OK

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON can say it; `from_dict` gives the same state back."""
        return {
            "ceiling": self.ceiling,
            "alpha": self.alpha,
            "answers": self.answers,
            "failures": self.failures,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The state that `to_dict` wrote."""
        return cls(**state)
