"""The rules in DuckDB's SQL; reads files that are plain.

It cannot tell a line with too few fields from one that ends with empty ones.
"""

# ruff: noqa: S608 - the SQL is made of names that are written here and of the benchmark's own paths

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import duckdb

from benchmarks.peers.task import (
    AS_OF,
    COLUMNS,
    DATES,
    DECIMALS,
    FREQUENCIES,
    GROUP_ROWS,
    LATEST,
    MAX_TEXT,
    NEEDED_BY,
    OPTION_TYPES,
    PRODUCTS,
    RANGES,
    REQUIRED,
    SHARD_ROWS,
    TEXT,
    require_plain,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from benchmarks.peers.task import Known

_TYPES: Final = (
    dict.fromkeys(DECIMALS, "DOUBLE") | dict.fromkeys(DATES, "DATE") | {"coupon_frequency": "INT"}
)


def convert(path: Path, known: Known, out: Path, *, plain: bool = False) -> None:
    """Write the shards and the quarantine of a positions file.

    Raises:
        ValueError: the file is not plain.
    """
    require_plain(plain=plain)
    with duckdb.connect(out / "scratch.duckdb") as database:
        _work(database, path, known, out)
    (out / "scratch.duckdb").unlink()


def _work(database: duckdb.DuckDBPyConnection, path: Path, known: Known, out: Path) -> None:
    names = dict.fromkeys((*COLUMNS, "_extra"), "VARCHAR")
    typed = ", ".join(f"TRY_CAST({name} AS {dtype}) AS t_{name}" for name, dtype in _TYPES.items())
    database.execute(
        f"""
        CREATE TABLE lines AS SELECT row_number() OVER () + 1 AS line, *, {typed}
        FROM read_csv('{path}', columns={names}, header=false, skip=1, delim=',', quote='',
                      escape='', null_padding=true, strict_mode=false, auto_detect=false)
        """
    )
    database.execute(
        """
        CREATE TABLE repeated AS SELECT position_id, min(line) AS first_line
        FROM lines WHERE position_id IS NOT NULL GROUP BY position_id HAVING count(*) > 1
        """
    )
    cases = ", ".join(f"CASE WHEN {broken} THEN '{rule}' END" for rule, broken in _rules(known))
    database.execute(
        f"""
        CREATE TABLE refused AS
        SELECT * FROM (
            SELECT line, list_filter([{cases}], lambda rule: rule IS NOT NULL) AS rules,
                   {", ".join(COLUMNS)}
            FROM lines LEFT JOIN repeated USING (position_id)
        ) WHERE len(rules) > 0
        """
    )
    database.execute(f"COPY refused TO '{out}/quarantine.parquet' (FORMAT parquet)")
    good = {name: f"t_{name}" if name in _TYPES else name for name in COLUMNS}
    good["option_type"] = "left(option_type, 1)"
    chosen = ", ".join(f"{value} AS {name}" for name, value in good.items())
    database.execute(
        f"""
        COPY (SELECT {chosen} FROM lines WHERE line NOT IN (SELECT line FROM refused))
        TO '{out}/shards' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1,
            ROW_GROUP_SIZE {GROUP_ROWS}, ROW_GROUPS_PER_FILE {SHARD_ROWS // GROUP_ROWS})
        """
    )


def _rules(known: Known) -> Iterator[tuple[str, str]]:
    """Yield each rule's id and what is true where it is broken."""
    yield "duplicate-id", "line > first_line"
    yield "field-count", "_extra IS NOT NULL"
    # Characters are bytes in a plain file.
    yield "too-long", " OR ".join(f"length({name}) > {MAX_TEXT}" for name in TEXT)
    for name in _TYPES:
        yield f"unreadable-{name}", f"{name} IS NOT NULL AND t_{name} IS NULL"
    for name in DECIMALS:
        yield f"not-finite-{name}", f"NOT isfinite(t_{name})"
    for name in REQUIRED:
        yield f"missing-{name}", f"{name} IS NULL"
    yield "as-of", f"t_as_of <> DATE '{AS_OF}'"
    yield "quantity-range", "isfinite(t_quantity) AND abs(t_quantity) > 1e12"
    for name, (least, most) in RANGES.items():
        value = f"t_{name}"
        yield f"{name}-range", f"isfinite({value}) AND {value} NOT BETWEEN {least} AND {most}"
    yield "coupon-range", "isfinite(t_coupon) AND t_coupon NOT BETWEEN 0 AND 1"
    yield "coupon_frequency-range", f"t_coupon_frequency NOT IN {FREQUENCIES}"
    yield "option_type-range", f"option_type NOT IN {OPTION_TYPES}"
    yield "product-type", f"product_type NOT IN {PRODUCTS}"
    yield from _products()
    yield from _market(known)


def _products() -> Iterator[tuple[str, str]]:
    for name, products in NEEDED_BY.items():
        others = [product for product in PRODUCTS if product not in products]
        yield f"missing-{name}", f"{_is(*products)} AND {name} IS NULL"
        yield f"stray-{name}", f"{_is(*others)} AND {name} IS NOT NULL"
    yield "stray-curve_id", f"{_is('EQUITY')} AND curve_id IS NOT NULL"
    yield "expired", f"t_maturity <= DATE '{AS_OF}'"
    yield "maturity-range", f"t_maturity > DATE '{LATEST}'"
    yield (
        "bond-curve",
        f"{_is('BOND')} AND risk_factor <> coalesce(curve_id, currency || '-OIS')",
    )
    yield (
        "bond-currency",
        f"{_is('BOND')} AND NOT starts_with(risk_factor, currency || '-')",
    )
    yield "unpaid-coupon", f"{_is('BOND')} AND t_coupon > 0 AND t_coupon_frequency = 0"
    yield "discount-curve", f"{_is('EQOPT', 'FXFWD')} AND curve_id <> currency || '-OIS'"
    yield "forward-pair", f"{_is('FXFWD')} AND risk_factor <> currency || currency2"
    yield "forward-same-currency", f"{_is('FXFWD')} AND currency = currency2"


def _market(known: Known) -> Iterator[tuple[str, str]]:
    shares, option, bond = _is("EQUITY", "EQOPT"), _is("EQOPT"), _is("BOND")
    forward, discounted = _is("FXFWD"), _is("EQOPT", "FXFWD")
    yield "unknown-instrument", f"{shares} AND NOT {_among('risk_factor', known.equities)}"
    missing = _among("risk_factor", known.without_volatility)
    yield "unknown-volatility", f"{option} AND {missing}"
    yield "unknown-curve", f"{bond} AND NOT {_among('risk_factor', known.curves)}"
    for name, users in (("currency", discounted), ("currency2", forward)):
        yield f"undiscounted-{name}", f"{users} AND {_among(name, known.undiscounted)}"
        yield f"unknown-{name}", f"NOT {_among(name, known.currencies)}"
    gappy, curves = known.gappy, known.gappy_with("-OIS")
    dividends = known.gappy_with("-DIV")
    dependent = (
        (shares, "risk_factor", gappy["EQ"]),
        (option, "risk_factor", [*gappy["VOL"], *dividends]),
        (bond, "risk_factor", gappy["RATE"]),
        (discounted, "currency", curves),
        (forward, "currency2", curves),
    )
    yield (
        "factor-history",
        " OR ".join(f"({users} AND {_among(name, names)})" for users, name, names in dependent),
    )


def _is(*products: str) -> str:
    return _among("product_type", products)


def _among(column: str, names: Iterable[str]) -> str:
    """SQL for a column being one of some names; unknown where it is null."""
    listed = ", ".join(f"'{name}'" for name in names)
    return f"({column} IN ({listed}))" if listed else "(false)"
