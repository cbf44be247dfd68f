from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

from samples import generate
from samples.generate import main, write, write_large
from samples.market import EQUITIES
from samples.positions import BOOKS, MISTAKES, MISTAKES_OF

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


def test_the_committed_market_data_is_small_and_long_enough_to_backtest() -> None:
    assert MARKET.stat().st_size < 2e6
    with MARKET.open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    # 250 days before the first of at least 250 days that are tested.
    assert len({row["date"] for row in rows}) >= 501
    assert {row["factor_type"] for row in rows} == {"EQ", "FX", "RATE", "VOL"}
    assert {row["factor_id"] for row in rows} >= {
        *EQUITIES,
        "EURUSD",
        "USD-OIS",
        "EUR-GOV",
        "MERIDIAN-OIL-DIV",
    }
    assert {row["factor_id"] for row in rows if row["factor_type"] == "VOL"} == set(EQUITIES)


def test_the_committed_positions_are_small_and_of_every_product_and_book() -> None:
    assert POSITIONS.stat().st_size < 1e6
    with gzip.open(POSITIONS, "rt", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    products = Counter(row["product_type"] for row in rows)
    assert all(products[product] > 500 for product in BOOKS)
    assert {row["book"] for row in rows} == {book for books in BOOKS.values() for book in books}


def test_the_committed_positions_have_every_mistake() -> None:
    with gzip.open(POSITIONS, "rt", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    for product, own in MISTAKES_OF.items():
        for mistake in own:
            wrong = {"product_type": product} | mistake
            assert any(wrong.items() <= row.items() for row in rows), wrong
    for mistake in MISTAKES:
        assert any(mistake.items() <= row.items() for row in rows), mistake
    assert any(None in row for row in rows)  # one field too many


def test_a_large_file_begins_as_the_small_one_and_goes_on_under_new_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "BLOCK", 1000)
    small, market = write(7, 1000, 10, tmp_path / "small")
    large, same_market = write_large(7, 2345, 10, tmp_path / "large")
    header, *block = gzip.decompress(small.read_bytes()).decode().splitlines()
    assert same_market.read_bytes() == market.read_bytes()
    lines = large.read_text(encoding="utf-8").splitlines()
    assert lines[:1001] == [header, *block]
    assert len(lines) == 2346
    rest = [line.partition(",")[2] for line in lines[1:]]
    assert rest == (rest[:1000] * 3)[:2345]
    ids = Counter(line.partition(",")[0] for line in lines[1:])
    assert ids["P00002345"] == 1
    # Some rows take the first one's id, which is their mistake.
    assert set(ids.values()) == {1, ids["P00000001"]}
    assert ids["P00000001"] > 1


@pytest.mark.parametrize(
    "arguments", [["--positions", "0"], ["--rows", "0"], ["--days", "1"], ["--seed", "x"]]
)
def test_a_wrong_argument_is_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--out", str(tmp_path)])
    assert caught.value.code == 2
    assert list(tmp_path.iterdir()) == []
