from __future__ import annotations

import gc
import gzip
import io
import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest
from batchkit.errors import Rejected
from data_ingestion import columns, conversion, csv_text, source
from data_ingestion.columns import CATEGORY, MISCOUNTED, POSITION_SCHEMA, as_text
from data_ingestion.conversion import Converted, convert
from data_ingestion.duplicates import SeenIds
from data_ingestion.products import rules
from data_ingestion.validation import QUARANTINE_SCHEMA, Validator

from benchmarks.peers import pandas_rules
from benchmarks.peers.task import Known
from tests.images.data_ingestion.conftest import AS_OF, BOND, FORWARD, GOOD, OPTION, positions_csv
from tests.images.data_ingestion.test_rules import FACTORS, GAPS, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from data_ingestion.batch import Batch

KINDS = ("EQ", "FX", "RATE", "VOL")
MARKET = Known(
    complete={kind: [name for of, name in FACTORS if of == kind] for kind in KINDS},
    gappy={kind: [name for of, name in GAPS if of == kind] for kind in KINDS},
)
NAMES = ["ACME", "CALM", "GAPPY", "GAPVOL", "GAPDIV", "NOBODY", "EURUSD", "EUR-OIS", "EUR-GOV"]
NAMES += ["JPY-OIS", "CHF-OIS", "ACME-DIV", "EURJPY", "EURCHF", "USDEUR"]
NUMBERS = ["0", "-0.5", "1", "0.25", "6", "1e13", "1e18", "NaN", "-inf", "1,5", "n/a", "1.5.2"]
CURRENCIES = ["EUR", "USD", "JPY", "CHF", "SEK", "eur", "EURO"]
VALUES = {
    "position_id": ["P7", "P8", "P9", "é" * 65],
    "as_of": ["2026-01-29", "30.01.2026", "2026-02-30"],
    "book": ["B\x07", "B \u00e9", "B\ufffd", "x" * 129, "B\x85", '"B2"'],
    "counterparty": ["x" * 128, "C\x7f"],
    "product_type": ["EQUITY", "EQOPT", "BOND", "FXFWD", "CRYPTO", "equity"],
    "risk_factor": NAMES,
    "currency": CURRENCIES,
    "currency2": CURRENCIES,
    **dict.fromkeys(("quantity", "price", "strike", "implied_vol", "coupon"), NUMBERS),
    "option_type": ["C", "PUT", "X", "call"],
    "maturity": ["2026-01-30", "2026-01-31", "2020-02-28", "2126-02-01", "soon", "2200-01-01"],
    "coupon_frequency": ["0", "1", "3", "12", "2.0", "semi"],
    "curve_id": NAMES,
}


def sample(rows: int, seed: int, *, tidy: bool = False) -> bytes:
    """Positions of every product, each with none to three fields replaced or emptied.

    Tidy ones have no quotes, so that columns are read as categories.
    """
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    made = []
    for number in range(rows):
        row = chance.choice([GOOD, OPTION, BOND, FORWARD]) | {"position_id": f"P{number}"}
        for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
            name = chance.choice([*VALUES])
            value = chance.choice(["", *VALUES[name]])
            row |= {name: value.strip('"') if tidy else value}
        if chance.random() < 0.02:
            row |= {"currency2": row["currency2"] + ",more"}
        made.append(row)
    return positions_csv(*made)


def converted(
    batches: Iterator[Batch], folder: Path, shard_rows: int = 1000
) -> tuple[Converted, Validator, pl.DataFrame]:
    """What became of the rows, and the good ones."""
    contents: dict[str, bytes] = {}
    validator = Validator(AS_OF, SCENARIOS)
    folder.mkdir()
    result = convert(batches, validator, contents.__setitem__, folder, shard_rows)
    assert [shard.name for shard in result.shards] == [*contents]
    good = [pl.read_parquet(io.BytesIO(content)) for content in contents.values()]
    return result, validator, pl.concat(good)


def refused(content: bytes, folder: Path) -> dict[int, set[str]]:
    """The lines that the same rules, written independently in pandas, refuse, and why."""
    path = folder / "positions.csv"
    path.write_bytes(content)
    return pandas_rules.refused(path, MARKET)


def in_chunks(content: bytes, size: int = 1000) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@pytest.mark.parametrize("tidy", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_quarantine_equals_the_same_rules_written_independently(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tidy: bool
) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK_BYTES", 100_000)
    monkeypatch.setattr(conversion, "_PART_ROWS", 700)
    content = sample(8000, seed, tidy=tidy)
    result, validator, good = converted(csv_text.csv_batches(in_chunks(content)), tmp_path / "a")
    quarantine = pl.read_parquet(result.quarantine)
    expected = refused(content, tmp_path)
    found = dict(quarantine.select("line", "rules").iter_rows())
    assert {line: set(names) for line, names in found.items()} == expected
    assert list(found) == sorted(found)
    assert all(len(set(names)) == len(names) for names in found.values())
    assert dict(quarantine.schema) == QUARANTINE_SCHEMA
    assert validator.counts == {
        name: sum(name in names for names in expected.values())
        for name in set().union(*expected.values())
    }
    lines = content.decode().removesuffix("\n").split("\n")
    ids = [line.split(",")[0] for line in lines[1:]]
    kept = [name for line, name in enumerate(ids, start=2) if line not in expected]
    assert good["position_id"].to_list() == kept
    assert (result.rows, result.rows_refused) == (8000, len(expected))


def test_every_rule_is_broken_by_the_sample(tmp_path: Path) -> None:
    broken = set().union(*refused(sample(8000, 0), tmp_path).values())
    assert broken == {rule.id for rule in rules([*POSITION_SCHEMA, MISCOUNTED], AS_OF, SCENARIOS)}


def test_csv_gzip_and_parquet_with_text_or_types_come_to_the_same(tmp_path: Path) -> None:
    content = positions_csv(
        *(
            row | {"position_id": f"{row['product_type']}{number}"}
            for number in range(300)
            for row in (GOOD, OPTION, BOND, FORWARD)
        )
    )
    text = pl.read_csv(content, infer_schema=False)
    columns = pl.read_csv(content, try_parse_dates=True)
    files = [
        csv_text.csv_batches(in_chunks(content)),
        csv_text.csv_batches(csv_text.gunzipped(in_chunks(gzip.compress(content)))),
        source.parquet_batches(text.lazy()),
        source.parquet_batches(columns.lazy()),
        source.parquet_batches(columns.with_columns(pl.col("book").cast(pl.Categorical)).lazy()),
    ]
    results = [
        converted(batches, tmp_path / str(number))[0] for number, batches in enumerate(files)
    ]
    assert [shard.rows for shard in results[0].shards] == [1000, 200]
    assert all(result.shards == results[0].shards for result in results)


def test_a_parquet_files_row_groups_do_not_decide_how_much_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_PARQUET_ROWS", 400)
    rows = [GOOD | {"position_id": f"P{number}"} for number in range(1000)]
    path = tmp_path / "positions.parquet"
    pl.DataFrame(rows).write_parquet(path, row_group_size=1000)
    frames = [batch.frame for batch in source.parquet_batches(pl.scan_parquet(path))]
    assert [frame.height for frame in frames] == [400, 400, 200]
    read = pl.concat(frames)
    assert read["line"].to_list() == list(range(1, 1001))
    assert read["position_id"].to_list() == [row["position_id"] for row in rows]


def from_parquet(frame: pl.DataFrame, folder: Path) -> tuple[Validator, pl.DataFrame]:
    path = folder / "positions.parquet"
    frame.write_parquet(path)
    _, validator, good = converted(source.parquet_batches(pl.scan_parquet(path)), folder / "a")
    return validator, good


@pytest.mark.parametrize("column", ["curve_id", "currency2", "option_type", "counterparty"])
def test_a_parquet_column_without_any_value_may_have_no_type(column: str, tmp_path: Path) -> None:
    frame = pl.DataFrame([GOOD]).with_columns(pl.lit(None, pl.Null).alias(column))
    validator, good = from_parquet(frame, tmp_path)
    assert (good.height, validator.counts) == (1, {})


# With 245 and 376 polars 2.1 panics.
@pytest.mark.parametrize("seed", [*range(10), 245, 376])
def test_a_parquet_file_with_wrong_bytes_is_rejected_or_read(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    path = tmp_path / "positions.parquet"
    rows = [row | {"position_id": f"P{n}"} for n in range(20) for row in (GOOD, OPTION, BOND)]
    pl.DataFrame(rows).write_parquet(path)
    content = bytearray(path.read_bytes())
    for _ in range(4):
        content[chance.randrange(4, len(content) - 8)] = chance.randrange(256)
    path.write_bytes(content)
    with suppress(Rejected):
        frames = [batch.frame for batch in source.parquet_batches(pl.scan_parquet(path))]
        assert sum(frame.height for frame in frames) == len(rows)


@pytest.mark.parametrize("column", ["book", "counterparty"])
def test_text_of_a_parquet_file_may_be_numbers(column: str, tmp_path: Path) -> None:
    _, good = from_parquet(pl.DataFrame([GOOD]).with_columns(pl.lit(7).alias(column)), tmp_path)
    assert as_text(good)[column].to_list() == ["7"]


def test_a_parquet_files_numbers_where_names_should_be_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "positions.parquet"
    rows = [OPTION | {"position_id": "P1"}, OPTION | {"position_id": "P2"}]
    pl.DataFrame(rows).with_columns(pl.lit(7).alias("currency")).write_parquet(path)
    (batch,) = source.parquet_batches(pl.scan_parquet(path))
    good, refused = Validator(AS_OF, SCENARIOS).split(batch.frame)
    assert (good.height, refused.height) == (0, 2)


def test_a_time_in_a_zone_is_the_day_that_it_is_there(tmp_path: Path) -> None:
    midnight = pl.col("maturity").str.to_datetime("%Y-%m-%d").dt.replace_time_zone("Asia/Tokyo")
    frame = pl.DataFrame([OPTION]).with_columns(midnight)
    _, good = from_parquet(frame, tmp_path)
    assert [str(day) for day in good["maturity"]] == [OPTION["maturity"]]


@pytest.mark.parametrize("value", [2.5, Decimal("2.90")])
def test_a_number_of_coupons_that_is_not_whole_is_refused(
    value: float | Decimal, tmp_path: Path
) -> None:
    path = tmp_path / "positions.parquet"
    frame = pl.DataFrame([BOND, BOND | {"position_id": "P2"}])
    values = pl.Series("coupon_frequency", [value, type(value)(2)])
    frame.with_columns(values).write_parquet(path)
    _, validator, good = converted(source.parquet_batches(pl.scan_parquet(path)), tmp_path / "a")
    assert good["coupon_frequency"].to_list() == [2]
    assert validator.counts == {"unreadable-coupon_frequency": 1}


def test_rows_that_only_look_repeated_are_kept_and_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A filter of a few words takes nearly every id for one that it has seen.
    monkeypatch.setattr(conversion, "SeenIds", lambda folder: SeenIds(folder, words=16))
    monkeypatch.setattr(csv_text, "_BLOCK_BYTES", 4000)
    monkeypatch.setattr(conversion, "_PART_ROWS", 50)
    rows = [GOOD | {"position_id": f"P{number % 900}"} for number in range(1000)]
    rows[50] |= {"book": ""}
    result, validator, good = converted(
        csv_text.csv_batches(in_chunks(positions_csv(*rows))), tmp_path / "a"
    )
    assert sorted(good["position_id"]) == sorted(f"P{n}" for n in range(900) if n != 50)
    assert validator.counts == {"duplicate-id": 100, "missing-book": 1}
    refused = pl.read_parquet(result.quarantine)
    assert refused["line"].to_list() == [52, *range(902, 1002)]


def test_columns_with_too_many_texts_to_remember_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_text, "_BLOCK_BYTES", 20_000)
    content = sample(2000, 5, tidy=True)
    found = []
    for folder, most in (("a", 200_000), ("b", 10)):
        monkeypatch.setattr(columns, "_MAX_CATEGORIES", most)
        batches = [*csv_text.csv_batches(in_chunks(content))]
        assert batches[0].frame.schema["book"] == CATEGORY
        assert batches[-1].frame.schema["book"] == (CATEGORY if most > 10 else pl.String)
        result, _, good = converted(iter(batches), tmp_path / folder)
        found.append((as_text(good).rows(), pl.read_parquet(result.quarantine).rows()))
    assert found[0] == found[1]


def test_what_categories_there_were_is_forgotten_with_their_file() -> None:
    def numbers(*books: str) -> list[int]:
        rows = [GOOD | {"book": book} for book in books]
        (batch,) = csv_text.csv_batches(iter([positions_csv(*rows)]))
        return batch.frame["book"].to_physical().to_list()

    first = numbers("B1", "B2", "B3")
    assert numbers("X") == first[:1]


def test_the_first_line_of_a_rule_is_the_first_whatever_comes_last(tmp_path: Path) -> None:
    rows = [GOOD, GOOD | {"book": ""}, GOOD | {"position_id": "P2", "book": ""}]
    batches = csv_text.csv_batches(iter([positions_csv(*rows)]))
    _, validator, _ = converted(batches, tmp_path / "a")
    assert validator.first_lines == {"duplicate-id": 3, "missing-book": 3}


def breaks(_name: str, _content: bytes) -> None:
    raise OSError("the connection was lost")


def test_a_run_that_fails_keeps_none_of_its_rows(tmp_path: Path) -> None:
    batches = csv_text.csv_batches(iter([positions_csv(GOOD)]))
    with pytest.raises(OSError, match="connection"):
        convert(batches, Validator(AS_OF, SCENARIOS), breaks, tmp_path, 1)
    del batches
    # As a worker does after each message.
    gc.collect()
    assert pl.Series(["fresh"]).cast(CATEGORY).to_physical().to_list() == [0]


def test_nothing_but_refused_rows_makes_no_shard(tmp_path: Path) -> None:
    batches = csv_text.csv_batches(iter([positions_csv(GOOD | {"book": ""})]))
    contents: dict[str, bytes] = {}
    (tmp_path / "a").mkdir()
    result = convert(
        batches, Validator(AS_OF, SCENARIOS), contents.__setitem__, tmp_path / "a", 1000
    )
    assert (result.shards, result.books, result.rows_refused, contents) == ([], {}, 1, {})


def test_what_goes_wrong_while_reading_ahead_is_raised(tmp_path: Path) -> None:
    def broken() -> Iterator[Batch]:
        yield from csv_text.csv_batches(iter([positions_csv(GOOD)]))
        raise OSError("the connection was lost")

    with pytest.raises(OSError, match="the connection was lost"):
        converted(broken(), tmp_path / "a")
