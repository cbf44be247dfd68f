from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from samples.generate import EQUITIES, main, write

SAMPLES = Path(__file__).parents[2] / "samples"
POSITIONS, MARKET = SAMPLES / "positions.csv.gz", SAMPLES / "market-data" / "2026-01-30.csv"


def test_the_committed_sample_is_what_its_seed_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seed", "7", "--out", str(tmp_path)]) == 0
    assert "positions.csv.gz" in capsys.readouterr().out
    made = tmp_path / "positions.csv.gz"
    # zlib's own bytes differ between its versions; the text does not.
    assert gzip.decompress(made.read_bytes()) == gzip.decompress(POSITIONS.read_bytes())
    assert (tmp_path / "market-data" / MARKET.name).read_bytes() == MARKET.read_bytes()


def test_the_same_seed_makes_the_same_files_and_another_other_ones(tmp_path: Path) -> None:
    made = [write(seed, 50, 10, tmp_path / name) for seed, name in ((1, "a"), (1, "b"), (2, "c"))]
    contents = [(positions.read_bytes(), market.read_bytes()) for positions, market in made]
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[2][0]
    assert contents[0][1] != contents[2][1]


def test_the_committed_sample_is_small_and_has_what_a_run_needs() -> None:
    assert POSITIONS.stat().st_size < 1e6
    assert MARKET.stat().st_size < 1e6
    with MARKET.open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert len({row["date"] for row in rows}) >= 500
    assert {row["factor_id"] for row in rows} >= set(EQUITIES) | {"EURUSD", "USD-OIS"}
    assert {row["factor_type"] for row in rows} == {"EQ", "FX", "RATE"}
    assert all(float(row["value"]) > 0 for row in rows if row["factor_type"] != "RATE")


@pytest.mark.parametrize("arguments", [["--positions", "0"], ["--days", "1"], ["--seed", "x"]])
def test_a_wrong_argument_is_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--out", str(tmp_path)])
    assert caught.value.code == 2
    assert list(tmp_path.iterdir()) == []
