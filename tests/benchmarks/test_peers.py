"""The peers do the stage's work: they refuse the same rows for the same reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from benchmarks.convert import OWN, prepared
from benchmarks.peers.task import Known, is_plain
from samples import generate

if TYPE_CHECKING:
    from pathlib import Path

RULES = ("pyarrow_rules", "duckdb_rules", "pandas_rules")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return generate.write_large(3, 20_000, 300, tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def own(sample: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(OWN, sample, tmp_path_factory.mktemp("own"))


def converted(who: str, sample: tuple[Path, Path], out: Path) -> Path:
    prepared(who, *sample, out)()
    return out


def quarantine(out: Path) -> dict[int, list[str]]:
    table = pl.read_parquet(out / "quarantine.parquet", columns=["line", "rules"])
    return dict(table.with_columns(pl.col("rules").list.sort()).iter_rows())


def good(out: Path) -> pl.DataFrame:
    """The good rows; pandas knows no dates without a time."""
    found = [path for path in out.rglob("*.parquet") if path.name != "quarantine.parquet"]
    rows = pl.concat([pl.read_parquet(path) for path in sorted(found)])
    return rows.cast({pl.Datetime: pl.Date}).sort("position_id")


@pytest.mark.parametrize("who", RULES)
def test_a_peer_refuses_and_keeps_what_the_stage_does(
    who: str, sample: tuple[Path, Path], own: Path, tmp_path: Path
) -> None:
    out = converted(who, sample, tmp_path)
    assert len(quarantine(own)) > 100
    assert quarantine(out) == quarantine(own)
    assert good(out).rows() == good(own).rows()
    assert good(out).columns == good(own).columns


def test_the_copy_holds_every_row(sample: tuple[Path, Path], tmp_path: Path) -> None:
    assert good(converted("polars_copy", sample, tmp_path)).height == 20_000


def test_factors_with_gaps_are_known_as_such(tmp_path: Path) -> None:
    path = tmp_path / "market.csv"
    path.write_text(
        "date,factor_id,factor_type,tenor,value\n"
        "2026-01-29,ACME,EQ,,1\n2026-01-30,ACME,EQ,,1\n2026-01-30,LATE,EQ,,1\n"
        "2026-01-29,EUR-OIS,RATE,1Y,0\n2026-01-30,EUR-OIS,RATE,1Y,0\n2026-01-30,EUR-OIS,RATE,5Y,0\n"
        "2026-01-29,EURUSD,FX,,1\n2026-01-30,EURUSD,FX,,1\n"
    )
    known = Known.of(path)
    assert (known.complete["EQ"], known.gappy["EQ"]) == (["ACME"], ["LATE"])
    assert known.gappy_with("-OIS") == ["EUR"]
    assert known.currencies == ["USD", "EUR"]
    assert known.undiscounted == ["USD"]
    assert known.without_volatility == ["ACME", "LATE"]


def plain(content: bytes, folder: Path) -> bool:
    path = folder / "a.csv"
    path.write_bytes(content)
    return is_plain(path)


def test_a_blank_within_a_field_is_plain(tmp_path: Path) -> None:
    assert plain(b"a,b\r\n1,a b\r\n", tmp_path)


@pytest.mark.parametrize("field", [b" b", b"b ", b'"b"', b"\x07", b"\xc3\xa9", b"b\rc"])
def test_what_must_be_stripped_or_looked_for_is_not_plain(field: bytes, tmp_path: Path) -> None:
    assert not plain(b"a,b\n1," + field + b"\n", tmp_path)
    assert not plain(b"a,b\n" + field + b",1\n", tmp_path)
