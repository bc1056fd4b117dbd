"""The picture is the result as a terminal shows it, and the same for the same summary."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.unit.views.rows import completed, figures, kind, run_row

from upperbound.report.picture import main, picture
from upperbound.views.run_summary import RunSummary, build_summary


@pytest.fixture
def summary() -> RunSummary:
    parent, children = completed([figures({"POINT_LOOKUP": kind([100] * 600)})] * 2)
    return build_summary(run_row(), parent, children)


def test_the_picture_is_svg_and_shows_the_result(summary: RunSummary) -> None:
    text = picture(summary)
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "POINT_LOOKUP" in text


def test_the_picture_fetches_nothing(summary: RunSummary) -> None:
    assert set(re.findall(r"https?://[^\s\"')]+", picture(summary))) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }


def test_the_same_summary_gives_the_same_picture(summary: RunSummary) -> None:
    assert picture(summary) == picture(summary)


def test_the_command_reads_a_summary_and_writes_the_picture(summary: RunSummary, tmp_path: Path) -> None:
    source, target = tmp_path / "demo.json", tmp_path / "demo.svg"
    source.write_text(summary.model_dump_json())
    assert main([str(source), str(target)]) == 0
    # The planned share is that of the demo, which looks up more points than anything else.
    assert "60.00&#160;%" in target.read_text()


def test_a_file_that_is_no_summary_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "demo.json"
    source.write_text("{}")
    assert main([str(source), str(tmp_path / "demo.svg")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
