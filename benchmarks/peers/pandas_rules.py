"""The rules in pandas, written independently of the stage; reads whatever CSV the stage reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

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
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from benchmarks.peers.task import Known

    Broken = dict[str, pd.Series]

_MISCOUNTED: Final = "_miscounted"
_CONTROL: Final = "[\x00-\x1f\x7f-\x9f]"


def convert(path: Path, known: Known, out: Path, *, plain: bool = False) -> None:
    """Write the shards and the quarantine of a positions file.

    Args:
        path: the file.
        known: what the market data has.
        out: an empty folder.
        plain: what `task.is_plain` says of the file.
    """
    raw = read(path, plain=plain)
    typed = parsed(raw)
    rules = pd.DataFrame(broken_rules(raw, typed, known, printable=plain))
    bad = rules.any(axis=1)
    good = typed.loc[~bad]
    good = good.assign(option_type=good["option_type"].str[:1])
    for number, start in enumerate(range(0, len(good), SHARD_ROWS)):
        good.iloc[start : start + SHARD_ROWS].to_parquet(
            out / f"{number:05d}.parquet",
            index=False,
            compression="zstd",
            compression_level=1,
            row_group_size=GROUP_ROWS,
            write_statistics=False,
        )
    refused = raw.loc[bad, list(COLUMNS)]
    names = np.array(rules.columns)
    refused.insert(0, "rules", [list(names[row]) for row in rules.loc[bad].to_numpy()])
    refused.insert(0, "line", refused.index + 2)
    refused.to_parquet(out / "quarantine.parquet", index=False, compression="zstd")


def refused(path: Path, known: Known) -> dict[int, set[str]]:
    """Return the lines that are refused, with the rules that each breaks."""
    raw = read(path)
    rules = broken_rules(raw, parsed(raw), known, printable=False)
    broken: dict[int, set[str]] = {}
    for name, rows in rules.items():
        for index in rows.index[rows]:
            broken.setdefault(int(index) + 2, set()).add(name)
    return broken


def read(path: Path, *, plain: bool = False) -> pd.DataFrame:
    """Return a file's fields as text, stripped, and `_miscounted`; the index is line - 2."""
    with path.open(encoding="utf-8-sig") as file:
        header = [name.strip(' \t\r\n"') for name in next(file).split(",")]
    counts = _field_counts(path)
    beyond = [f"_{number}" for number in range(max(counts, default=0) - len(header))]
    raw = pd.read_csv(
        path,
        names=[*header, *beyond],
        usecols=header,
        skiprows=1,
        dtype=str,
        quoting=3,
        keep_default_na=False,
        na_values=[""],
        skip_blank_lines=False,
        encoding_errors="replace",
        low_memory=False,
    )
    if not plain:
        raw = raw.apply(lambda column: column.str.strip(' \t"').replace("", pd.NA))
    raw = raw.reindex(columns=[*COLUMNS])
    raw[_MISCOUNTED] = counts != len(header)
    return raw.loc[raw[list(COLUMNS)].notna().any(axis=1)]


def _field_counts(path: Path) -> npt.NDArray[np.int64]:
    """Return how many fields each line after the first has."""
    content = np.fromfile(path, dtype=np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    if content[-1] != ord("\n"):
        ends = np.append(ends, content.size)
    before = np.searchsorted(np.flatnonzero(content == ord(",")), ends)
    counts: npt.NDArray[np.int64] = np.diff(before) + 1
    return counts


def parsed(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the columns with their types; missing where they cannot be read."""
    typed = {name: raw[name] for name in TEXT}
    typed |= {name: pd.to_numeric(raw[name], errors="coerce") for name in DECIMALS}
    whole = raw["coupon_frequency"]
    number = pd.to_numeric(whole.where(whole.str.fullmatch(r"[+-]?\d{1,9}").fillna(value=False)))
    typed["coupon_frequency"] = number.astype("Int32")
    for name in DATES:
        typed[name] = pd.to_datetime(raw[name], format="%Y-%m-%d", errors="coerce")
    return pd.DataFrame({name: typed[name] for name in COLUMNS})


def broken_rules(
    raw: pd.DataFrame, typed: pd.DataFrame, known: Known, *, printable: bool
) -> Broken:
    """Return, a rule, the rows that break it, in the order in which the stage names them.

    Args:
        raw: of `read`.
        typed: of `parsed`.
        known: what the market data has.
        printable: whether no field can hold a control character or what is not UTF-8.
    """
    is_of = {product: typed["product_type"].eq(product) for product in PRODUCTS}
    rules = [
        ("duplicate-id", raw["position_id"].notna() & raw["position_id"].duplicated()),
        ("field-count", raw[_MISCOUNTED]),
        *_text(raw, printable=printable),
        *_readable(raw, typed),
        *((f"missing-{name}", raw[name].isna()) for name in REQUIRED),
        ("as-of", typed["as_of"].notna() & typed["as_of"].ne(pd.Timestamp(AS_OF))),
        *_ranges(typed),
        ("product-type", raw["product_type"].notna() & ~_any(is_of.values())),
        *_products(raw, typed, is_of),
        *_market(typed, is_of, known),
    ]
    return {name: _flags(rows) for name, rows in rules}


def _flags(rows: pd.Series) -> pd.Series:
    """What is unknown breaks nothing."""
    return rows if rows.dtype == bool else rows.fillna(value=False).astype(bool)


def _any(flags: Iterable[pd.Series]) -> pd.Series:
    return pd.Series(np.any(np.stack([_flags(rows).to_numpy() for rows in flags]), axis=0))


def _text(raw: pd.DataFrame, *, printable: bool) -> Iterator[tuple[str, pd.Series]]:
    columns = [raw[name] for name in TEXT]
    if not printable:
        yield "not-utf8", _any(column.str.contains("\ufffd", regex=False) for column in columns)
        yield "control-character", _any(column.str.contains(_CONTROL) for column in columns)
        lengths = [column.str.encode("utf-8").map(len, na_action="ignore") for column in columns]
    else:
        # Characters are bytes in ASCII.
        lengths = [column.str.len() for column in columns]
    yield "too-long", _any(length > MAX_TEXT for length in lengths)


def _readable(raw: pd.DataFrame, typed: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    for name in DECIMALS:
        is_nan = raw[name].where(typed[name].isna()).str.fullmatch("(?i)[+-]?nan")
        yield f"unreadable-{name}", raw[name].notna() & typed[name].isna() & ~_flags(is_nan)
        yield f"not-finite-{name}", _any([is_nan, typed[name].abs() == np.inf])
    for name in ("coupon_frequency", *DATES):
        yield f"unreadable-{name}", raw[name].notna() & typed[name].isna()


def _ranges(typed: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    quantity = typed["quantity"].abs()
    yield "quantity-range", (quantity > 1e12) & (quantity < np.inf)
    for name, (least, most) in RANGES.items():
        value = typed[name].where(typed[name].abs() < np.inf)
        yield f"{name}-range", (value < least) | (value > most)
    coupon = typed["coupon"].where(typed["coupon"].abs() < np.inf)
    yield "coupon-range", (coupon < 0) | (coupon > 1)
    for name, allowed in (("coupon_frequency", FREQUENCIES), ("option_type", OPTION_TYPES)):
        yield f"{name}-range", typed[name].notna() & ~typed[name].isin(allowed)


def _products(
    raw: pd.DataFrame, typed: pd.DataFrame, is_of: Broken
) -> Iterator[tuple[str, pd.Series]]:
    for name, products in NEEDED_BY.items():
        others = [is_of[product] for product in PRODUCTS if product not in products]
        yield f"missing-{name}", _any(is_of[one] for one in products) & raw[name].isna()
        yield f"stray-{name}", _any(others) & raw[name].notna()
    curve, factor = typed["curve_id"], typed["risk_factor"]
    currency, second = typed["currency"], typed["currency2"]
    yield "stray-curve_id", is_of["EQUITY"] & curve.notna()
    yield "expired", typed["maturity"] <= pd.Timestamp(AS_OF)
    yield "maturity-range", typed["maturity"] > pd.Timestamp(LATEST)
    discount, forward = currency + "-OIS", is_of["FXFWD"]
    yield "bond-curve", is_of["BOND"] & _differs(factor, curve.fillna(discount))
    begins = [str(one).startswith(f"{two}-") for one, two in zip(factor, currency, strict=True)]
    named = factor.notna() & currency.notna()
    yield "bond-currency", is_of["BOND"] & named & ~pd.Series(begins, index=factor.index)
    yield "unpaid-coupon", is_of["BOND"] & (typed["coupon"] > 0) & typed["coupon_frequency"].eq(0)
    yield "discount-curve", (is_of["EQOPT"] | forward) & _differs(curve, discount)
    yield "forward-pair", forward & _differs(factor, currency + second)
    yield "forward-same-currency", forward & _flags(currency == second)


def _differs(one: pd.Series, other: pd.Series) -> pd.Series:
    return one.notna() & other.notna() & _flags(one != other)


def _market(typed: pd.DataFrame, is_of: Broken, known: Known) -> Iterator[tuple[str, pd.Series]]:
    option, bond, forward = is_of["EQOPT"], is_of["BOND"], is_of["FXFWD"]
    equity, discounted = is_of["EQUITY"] | option, option | forward
    factor, currency, second = typed["risk_factor"], typed["currency"], typed["currency2"]
    given = factor.notna()
    yield "unknown-instrument", equity & given & ~factor.isin(known.equities)
    yield "unknown-volatility", option & factor.isin(known.without_volatility)
    yield "unknown-curve", bond & given & ~factor.isin(known.curves)
    for name, users in (("currency", discounted), ("currency2", forward)):
        codes = typed[name]
        yield f"undiscounted-{name}", users & codes.isin(known.undiscounted)
        yield f"unknown-{name}", codes.notna() & ~codes.isin(known.currencies)
    gappy_curves, gappy = known.gappy_with("-OIS"), known.gappy
    yield (
        "factor-history",
        _any(
            [
                equity & factor.isin(gappy["EQ"]),
                option & factor.isin([*gappy["VOL"], *known.gappy_with("-DIV")]),
                bond & factor.isin(gappy["RATE"]),
                discounted & currency.isin(gappy_curves),
                forward & second.isin(gappy_curves),
            ]
        ),
    )
