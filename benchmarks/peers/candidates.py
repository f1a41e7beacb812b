"""Who takes part, and in which pinned virtual environment.

Plain data: the workers import this file too, in environments that have nothing else of ours.
"""

from dataclasses import dataclass

OPENAI_3 = "openai==3.52.0"
OPENAI_2 = "openai==2.54.0"
SDK = "opentelemetry-sdk==1.45.1"


@dataclass(frozen=True)
class Candidate:
    """One way to watch a call."""

    name: str
    title: str
    requirements: tuple[str, ...]
    """What its environment holds. The repository itself stands for Spanledger."""
    bare: str = "bare"
    """The candidate that uses the same client with no instrumentation at all."""
    streams: bool = True
    """Whether it touches streams."""
    product: str = ""
    """The distribution whose version is reported."""


_OFFICIAL = (OPENAI_3, SDK, "opentelemetry-instrumentation-genai-openai==1.3b0")

CANDIDATES = (
    Candidate("bare", "no instrumentation", _OFFICIAL, product="openai"),
    Candidate(
        "bare2",
        "no instrumentation, openai 2",
        (OPENAI_2, "openlit==1.45.0"),
        bare="bare2",
        product="openai",
    ),
    Candidate("span", "one span by hand, 15 attributes", _OFFICIAL, streams=False),
    Candidate(
        "official",
        "OpenTelemetry genai-openai",
        _OFFICIAL,
        product="opentelemetry-instrumentation-genai-openai",
    ),
    Candidate(
        "spanledger",
        "Spanledger, 4 limits in memory",
        (OPENAI_3, SDK, "."),
        product="spanledger",
    ),
    Candidate(
        "spanledger-file",
        "Spanledger, 4 limits in the file",
        (OPENAI_3, SDK, "."),
        product="spanledger",
    ),
    Candidate("langfuse", "Langfuse", (OPENAI_3, SDK, "langfuse==5.0.4"), product="langfuse"),
    Candidate(
        "openlit",
        "OpenLIT, openai only",
        (OPENAI_2, "openlit==1.45.0"),
        bare="bare2",
        product="openlit",
    ),
    Candidate(
        "openinference",
        "OpenInference",
        (OPENAI_3, SDK, "openinference-instrumentation-openai==0.1.66"),
        product="openinference-instrumentation-openai",
    ),
    Candidate(
        "openllmetry",
        "OpenLLMetry",
        (OPENAI_3, SDK, "opentelemetry-instrumentation-openai==0.62.4"),
        product="opentelemetry-instrumentation-openai",
    ),
    Candidate(
        "logfire",
        "Logfire with genai-prices",
        (OPENAI_3, SDK, "logfire==5.2.0", "genai-prices==0.2.3"),
        product="logfire",
    ),
)

BY_NAME = {candidate.name: candidate for candidate in CANDIDATES}
#: They are what others are compared with, not products.
REFERENCES = frozenset({"bare", "bare2", "span"})
