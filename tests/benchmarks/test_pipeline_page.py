"""The page of the pipeline's benchmarks holds what the programs printed, and nothing else."""

import pytest
from benchmarks import pipeline_page
from benchmarks.peers.venvs import ROOT
from benchmarks.pipeline_page import PARTS, Part, page, run


def test_the_page_holds_the_parts_that_were_run_in_their_order() -> None:
    ran = {"date": "2026-01-01", "machine": "a machine", "output": ["12 spans/s"], "status": 1}
    text = page({"stack": ran, "pipeline": {**ran, "output": ["34 spans/s"]}})
    assert text.index("34 spans/s") < text.index("12 spans/s")
    assert text.count("a machine") == 2
    assert "dashboards.py" not in text


def test_every_program_of_the_page_is_there() -> None:
    assert all((ROOT / part.command[0]).is_file() for part in PARTS)
    assert len({part.name for part in PARTS}) == len(PARTS)


def test_what_a_program_prints_and_how_it_ended_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_page, "machine", lambda: "a machine")
    result = run(Part("x", "X", "", ("benchmarks/peers/worker.py", "bare", "no such mode")))
    assert (result["output"], result["status"]) == ([], 1)
    told = run(Part("x", "X", "", ("benchmarks/startup.py", "--help")))
    assert told["status"] == 0
    assert told["output"][0].startswith("usage:")
    assert "usage:" in capsys.readouterr().out
