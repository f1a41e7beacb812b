"""What an agent remembers when its context and its process are gone.

    python examples/memory.py

Runs offline. Memories go to a SQLite file in a temporary folder; with a ClickHouse
(`Memory(warehouse=connect())`) the most important ones go there, for all machines.
"""

import tempfile
from pathlib import Path

from spanledger.context.memory import Memory
from spanledger.testing.spans import capture_spans
from spanledger.track import agent, tool


def first_visit(path: Path) -> None:
    memory = Memory(path=path)
    with agent("harbour desk"):
        memory.add("Ada's parcel is number 17", importance=0.9, tags=["parcel"], user="ada")
        memory.add("Ada prefers answers by mail", importance=0.6, user="ada")
        memory.add("Ada prefers answers by mail!", importance=0.4, user="ada")
        memory.add("Ada asked about the weather", importance=0.1, user="ada")
        done = memory.consolidate(user="ada")
        print(f"first visit: {done.merged} near-duplicate merged")
    for tier, stats in memory.stats("ada").items():
        print(f"   {tier}: {stats.items} memories")
    memory.close()


def second_visit(path: Path) -> None:
    memory = Memory(path=path)

    @tool
    def recall(question: str) -> list[str]:
        """What is known about the user."""
        return [found.item.content for found in memory.search(question, user="ada")]

    with agent("harbour desk"):
        print("second visit, another process would see the same:")
        for question in ("Which parcel is it?", "How does Ada want her answers?"):
            print(f"   {question} {recall(question)}")
    print(f"Ada asks to be forgotten: {memory.forget('ada')} memories deleted")
    print(f"   {recall('Which parcel is it?')}")
    memory.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, capture_spans(as_global=True) as spans:
        path = Path(folder) / "memory.sqlite"
        first_visit(path)
        second_visit(path)
        print(f"\nThe trace:\n{spans.tree()}")


if __name__ == "__main__":
    main()
