"""Sequential tests of a rollout: valid however often they are looked at, and the same to the byte when replayed.

Every state here is a sum of integers over the observations, so that it depends on the multiset of them alone: neither
the order of arrival nor the cut into batches changes one bit of it. Three tests decide a rollout:

* shadow: `NonInferiority.paired`, both versions score every row;
* canary: `NonInferiority.split`, each unit is answered by one version, drawn with a known probability;
* both: `RateGuardrail`, the share of failed answers against a ceiling.
"""

from pelton.deployer.sequential.guardrail import GuardrailVerdict, RateGuardrail
from pelton.deployer.sequential.noninferiority import NonInferiority, Verdict
from pelton.deployer.sequential.observations import SplitDesign, UnfitObservationsError, paired_gains

__all__ = [
    "GuardrailVerdict",
    "NonInferiority",
    "RateGuardrail",
    "SplitDesign",
    "UnfitObservationsError",
    "Verdict",
    "paired_gains",
]
