"""The rules in pyarrow's compute functions, block by block; reads files that are plain."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

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

    Rows = dict[str, Any]
    """Columns by name; pyarrow's functions are made at run time and have no types."""

_BLOCK_BYTES: Final = 8 << 20
_SCHEMA: Final = pa.schema(
    [
        (name, pa.float64() if name in DECIMALS else pa.date32() if name in DATES else pa.string())
        for name in COLUMNS
    ]
).set(COLUMNS.index("coupon_frequency"), pa.field("coupon_frequency", pa.int32()))
_NUMBER: Final = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|(?i:inf|infinity|nan))$"
_WHOLE: Final = r"^[+-]?\d{1,9}$"


def convert(path: Path, known: Known, out: Path, *, plain: bool = False) -> None:
    """Write the shards and the quarantine of a positions file.

    Raises:
        ValueError: the file is not plain.
    """
    require_plain(plain=plain)
    reader = _Reader(path)
    shards, quarantine = _Shards(out), []
    for raw, again, miscounted in reader.batches():
        typed = _typed(raw)
        broken = {
            "duplicate-id": again,
            "field-count": miscounted,
            **dict(_rules(raw, typed, known)),
        }
        bad = pc.fill_null(reduce(pc.or_kleene, broken.values()), False)
        good = typed.set_column(
            COLUMNS.index("option_type"),
            "option_type",
            pc.utf8_slice_codeunits(typed["option_type"], 0, 1),
        )
        shards.add(good.filter(pc.invert(bad)))
        quarantine.append(_refused(raw, broken, bad))
    shards.finish()
    pq.write_table(
        pa.concat_tables(quarantine).sort_by("line"),
        out / "quarantine.parquet",
        compression="zstd",
    )


def _refused(raw: pa.Table, broken: Rows, bad: Any) -> pa.Table:
    rows = raw.filter(bad)
    flags = [pc.fill_null(flag, False).filter(bad).to_pylist() for flag in broken.values()]
    names = list(broken)
    rules = [
        [name for name, flag in zip(names, row, strict=True) if flag]
        for row in zip(*flags, strict=True)
    ]
    return rows.append_column("rules", pa.array(rules, pa.list_(pa.string())))


@dataclass
class _Shards:
    """Good rows, written a million at a time."""

    out: Path
    waiting: list[pa.Table] = field(default_factory=list)
    rows: int = 0
    written: int = 0

    def add(self, good: pa.Table) -> None:
        self.waiting.append(good)
        self.rows += good.num_rows
        if self.rows >= SHARD_ROWS:
            table = pa.concat_tables(self.waiting)
            self._write(table.slice(0, SHARD_ROWS))
            self.waiting = [table.slice(SHARD_ROWS)]
            self.rows -= SHARD_ROWS

    def finish(self) -> None:
        if self.rows:
            self._write(pa.concat_tables(self.waiting))

    def _write(self, table: pa.Table) -> None:
        pq.write_table(
            table,
            self.out / f"{self.written:05d}.parquet",
            compression="zstd",
            compression_level=1,
            row_group_size=GROUP_ROWS,
            write_statistics=False,
        )
        self.written += 1


class _Reader:
    """Reads blocks of a file, and aside the lines with more or fewer fields than the header."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._miscounted: dict[int, str] = {}
        self._first: dict[str, int] = {}

    def batches(self) -> Iterator[tuple[pa.Table, Any, Any]]:
        """Yield raw rows with their line, whether their id came before, and wrong field counts."""
        repeated = self._repeated()
        line = 2
        options = csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMNS, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        )
        # Only without threads does it tell where a wrong line stood.
        reading = csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
        with csv.open_csv(self._path, reading, self._parsing(self._set_aside), options) as reader:
            for batch in reader:
                lines = self._lines(line, batch.num_rows)
                line = lines[-1] + 1 if lines else line
                raw = pa.Table.from_batches([batch]).append_column("line", pa.array(lines))
                yield raw, self._again(raw, repeated), pa.repeat(value=False, size=len(lines))
        raw = self._aside()
        yield raw, self._again(raw, repeated), pa.repeat(value=True, size=raw.num_rows)

    def _repeated(self) -> Any:
        """Return the ids that stand in more than one line."""
        wrong: list[str] = []

        def keep(row: Any) -> str:
            wrong.append(row.text.split(",", 1)[0])
            return "skip"

        options = csv.ConvertOptions(
            include_columns=["position_id"], column_types={"position_id": pa.string()}
        )
        ids = csv.read_csv(
            self._path, csv.ReadOptions(block_size=_BLOCK_BYTES), self._parsing(keep), options
        )
        both = pa.concat_tables([ids, pa.table({"position_id": pa.array(wrong, pa.string())})])
        counts = both.group_by("position_id").aggregate([([], "count_all")])
        return counts.filter(pc.field("count_all") > 1)["position_id"].combine_chunks()

    @staticmethod
    def _parsing(handler: Any) -> csv.ParseOptions:
        return csv.ParseOptions(
            quote_char=False, ignore_empty_lines=False, invalid_row_handler=handler
        )

    def _set_aside(self, row: Any) -> str:
        self._miscounted[row.number] = row.text
        return "skip"

    def _lines(self, first: int, count: int) -> list[int]:
        """The numbers of `count` right lines from `first` on; the handler is always ahead."""
        lines: list[int] = []
        while len(lines) < count:
            wanted = range(first, first + count - len(lines))
            lines += [line for line in wanted if line not in self._miscounted]
            first = wanted.stop
        return lines

    def _again(self, raw: pa.Table, repeated: Any) -> Any:
        """Whether each row's id came before; the lines set aside among these are looked at too."""
        suspect = pc.is_in(raw["position_id"], repeated)
        if not pc.any(suspect).as_py():
            return pa.repeat(value=False, size=raw.num_rows)
        rows = raw.select(["line", "position_id"]).filter(suspect)
        lines, ids = (rows[name].to_pylist() for name in ("line", "position_id"))
        last = lines[-1]
        aside = [(n, text.split(",", 1)[0]) for n, text in self._miscounted.items() if n < last]
        for line, name in sorted([*zip(lines, ids, strict=True), *aside]):
            self._first.setdefault(name, line)
        again = [line for line, name in zip(lines, ids, strict=True) if line > self._first[name]]
        return pc.is_in(raw["line"], pa.array(again, pa.int64()))

    def _aside(self) -> pa.Table:
        rows = [text.split(",") for text in self._miscounted.values()]
        columns = {
            name: pa.array(
                [(row[n] or None) if n < len(row) else None for row in rows], pa.string()
            )
            for n, name in enumerate(COLUMNS)
        }
        return pa.table({**columns, "line": pa.array([*self._miscounted], pa.int64())})


def _typed(raw: pa.Table) -> pa.Table:
    """Return the columns with their types; null where they cannot be read."""
    columns = {}
    for name, dtype in zip(_SCHEMA.names, _SCHEMA.types, strict=True):
        column = raw[name]
        if name in DATES:
            days = pc.strptime(column, format="%Y-%m-%d", unit="s", error_is_null=True)
            column = days.cast(dtype)
        elif dtype != pa.string():
            column = _number(column, dtype)
        columns[name] = column
    return pa.table(columns)


def _number(column: Any, dtype: Any) -> Any:
    try:
        return column.cast(dtype)
    except pa.ArrowInvalid:
        # A cast cannot pass over what it cannot read, so that is taken away first.
        pattern = _WHOLE if dtype == pa.int32() else _NUMBER
        fits = pc.match_substring_regex(column, pattern)
        return pc.if_else(fits, column, None).cast(dtype)


def _rules(raw: pa.Table, typed: pa.Table, known: Known) -> Iterator[tuple[str, Any]]:
    column: Rows = {name: typed[name] for name in COLUMNS}
    given: Rows = {name: pc.is_valid(raw[name]) for name in COLUMNS}
    is_of: Rows = {
        name: pc.fill_null(pc.equal(column["product_type"], name), False) for name in PRODUCTS
    }
    # Characters are bytes in a plain file.
    yield "too-long", _any(pc.greater(pc.binary_length(raw[name]), MAX_TEXT) for name in TEXT)
    for name in (*DECIMALS, *DATES, "coupon_frequency"):
        yield f"unreadable-{name}", pc.and_(given[name], pc.is_null(column[name]))
    for name in DECIMALS:
        yield f"not-finite-{name}", pc.invert(pc.is_finite(column[name]))
    for name in REQUIRED:
        yield f"missing-{name}", pc.invert(given[name])
    yield "as-of", pc.not_equal(column["as_of"], pa.scalar(AS_OF))
    quantity = column["quantity"]
    yield "quantity-range", _finite(quantity, pc.greater(pc.abs(quantity), 1e12))
    for name, (least, most) in RANGES.items():
        value = column[name]
        outside = pc.or_(pc.less(value, least), pc.greater(value, most))
        yield f"{name}-range", _finite(value, outside)
    coupon = column["coupon"]
    outside = pc.or_(pc.less(coupon, 0), pc.greater(coupon, 1))
    yield "coupon-range", _finite(coupon, outside)
    frequency = column["coupon_frequency"]
    yield "coupon_frequency-range", _unlisted(frequency, pa.array(FREQUENCIES, pa.int32()))
    yield "option_type-range", _unlisted(column["option_type"], pa.array(OPTION_TYPES))
    yield "product-type", _unlisted(column["product_type"], pa.array(PRODUCTS))
    yield from _products(column, given, is_of)
    yield from _market(column, is_of, known)


def _products(column: Rows, given: Rows, is_of: Rows) -> Iterator[tuple[str, Any]]:
    for name, products in NEEDED_BY.items():
        users = _any(is_of[product] for product in products)
        others = _any(is_of[product] for product in PRODUCTS if product not in products)
        yield f"missing-{name}", pc.and_(users, pc.invert(given[name]))
        yield f"stray-{name}", pc.and_(others, given[name])
    factor, curve, forward = column["risk_factor"], column["curve_id"], is_of["FXFWD"]
    yield "stray-curve_id", pc.and_(is_of["EQUITY"], given["curve_id"])
    yield "expired", pc.less_equal(column["maturity"], pa.scalar(AS_OF))
    yield "maturity-range", pc.greater(column["maturity"], pa.scalar(LATEST))
    discount = pc.binary_join_element_wise(column["currency"], "-OIS", "")
    own = pc.coalesce(curve, discount)
    yield "bond-curve", pc.and_(is_of["BOND"], pc.not_equal(factor, own))
    before = pc.list_element(pc.split_pattern(factor, "-", max_splits=1), 0)
    whole = pc.equal(factor, before)
    foreign = pc.or_(whole, pc.not_equal(before, column["currency"]))
    yield "bond-currency", pc.and_(is_of["BOND"], foreign)
    unpaid = pc.and_(pc.greater(column["coupon"], 0), pc.equal(column["coupon_frequency"], 0))
    yield "unpaid-coupon", pc.and_(is_of["BOND"], unpaid)
    discounted = pc.or_(is_of["EQOPT"], forward)
    yield "discount-curve", pc.and_(discounted, pc.not_equal(curve, discount))
    pair = pc.binary_join_element_wise(column["currency"], column["currency2"], "")
    yield "forward-pair", pc.and_(forward, pc.not_equal(factor, pair))
    same = pc.equal(column["currency"], column["currency2"])
    yield "forward-same-currency", pc.and_(forward, same)


def _market(column: Rows, is_of: Rows, known: Known) -> Iterator[tuple[str, Any]]:
    option, bond, forward = is_of["EQOPT"], is_of["BOND"], is_of["FXFWD"]
    shares, discounted = pc.or_(is_of["EQUITY"], option), pc.or_(option, forward)
    factor = column["risk_factor"]
    yield "unknown-instrument", pc.and_(shares, _unlisted(factor, _names(known.equities)))
    missing = _names(known.without_volatility)
    yield "unknown-volatility", pc.and_(option, pc.is_in(factor, missing))
    yield "unknown-curve", pc.and_(bond, _unlisted(factor, _names(known.curves)))
    for name, users in (("currency", discounted), ("currency2", forward)):
        codes = column[name]
        undiscounted = pc.is_in(codes, _names(known.undiscounted))
        yield f"undiscounted-{name}", pc.and_(users, undiscounted)
        yield f"unknown-{name}", _unlisted(codes, _names(known.currencies))
    gappy, curves = known.gappy, known.gappy_with("-OIS")
    dependent = (
        (shares, "risk_factor", gappy["EQ"]),
        (option, "risk_factor", [*gappy["VOL"], *known.gappy_with("-DIV")]),
        (bond, "risk_factor", gappy["RATE"]),
        (discounted, "currency", curves),
        (forward, "currency2", curves),
    )
    yield (
        "factor-history",
        _any(
            pc.and_(users, pc.is_in(column[name], _names(names)))
            for users, name, names in dependent
        ),
    )


def _any(flags: Iterable[Any]) -> Any:
    return reduce(pc.or_kleene, flags)


def _finite(value: Any, outside: Any) -> Any:
    return pc.and_(pc.is_finite(value), outside)


def _unlisted(column: Any, listed: Any) -> Any:
    return pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, listed)))


def _names(names: Iterable[str]) -> Any:
    return pa.array([*names], pa.string())
