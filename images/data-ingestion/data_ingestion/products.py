"""What a position of each product must have, and which market data it depends on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.domain import DISCOUNT, DIVIDEND, Product

from data_ingestion.columns import RAW_PREFIX
from data_ingestion.rules import Rule, common_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from data_ingestion.scenarios import ScenarioSet

NAMES: Final = {
    Product.EQUITY: "equities",
    Product.EQOPT: "equity options",
    Product.BOND: "bonds",
    Product.FXFWD: "FX forwards",
}
_ON_SHARES: Final = (Product.EQUITY, Product.EQOPT)
_DISCOUNTED: Final = (Product.EQOPT, Product.FXFWD)
"""Those whose money is discounted on `<currency>-OIS`; a bond has a curve of its own."""
NEEDED_BY: Final[dict[str, tuple[Product, ...]]] = {
    "strike": (Product.EQOPT, Product.FXFWD),
    "option_type": (Product.EQOPT,),
    "implied_vol": (Product.EQOPT,),
    "maturity": (Product.EQOPT, Product.BOND, Product.FXFWD),
    "coupon": (Product.BOND,),
    "coupon_frequency": (Product.BOND,),
    "currency2": (Product.FXFWD,),
}
"""Fields that positions of these products must have, and no others may."""
MAX_DAYS: Final = 36525
IS_PREFIX: Final = "is:"
"""Before a product's name: whether a row is of that product."""


def with_products(typed: pl.LazyFrame) -> pl.LazyFrame:
    """Return a query for the rows with a column for each product, which the rules ask for."""
    return typed.with_columns(
        (pl.col("product_type") == name).fill_null(value=False).alias(IS_PREFIX + name)
        for name in NAMES
    )


def rules(
    columns: list[str], as_of: date, scenarios: ScenarioSet, *, printable: bool = False
) -> list[Rule]:
    """Return every rule for a file, in the order in which reasons are given.

    Args:
        columns: those that the file has.
        as_of: the file's date.
        scenarios: the run's.
        printable: whether the text is known to be UTF-8 without control characters, so that no
            rule needs to look.
    """
    return [
        *common_rules(columns, as_of, printable=printable),
        Rule(
            "product-type",
            f"Its product_type is not one of {', '.join(NAMES)}.",
            pl.col("product_type").is_not_null() & ~_is(*NAMES),
        ),
        *_fields(columns),
        *_maturity(as_of),
        *_consistent(),
        *_known(scenarios),
    ]


def _is(*products: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(IS_PREFIX + product) for product in products)


def _is_joined(whole: str, first: str, second: pl.Expr) -> pl.Expr:
    """Whether a column is another followed by `second`, which is quicker than to join them.

    Null where one of the two is.
    """
    text, start = pl.col(whole).str, pl.col(first)
    return pl.when(start.is_not_null() & second.is_not_null()).then(
        text.starts_with(start)
        & text.ends_with(second)
        & (text.len_bytes() == start.str.len_bytes() + second.str.len_bytes())
    )


def _is_curve_of_its_currency() -> pl.Expr:
    text, currency = pl.col("risk_factor").str, pl.col("currency")
    return text.starts_with(currency) & text.slice(currency.str.len_chars(), 1).eq("-")


def _fields(columns: list[str]) -> Iterator[Rule]:
    for name, products in NEEDED_BY.items():
        who = _listed([NAMES[product] for product in products])
        given = pl.col(RAW_PREFIX + name).is_not_null() if name in columns else pl.lit(value=False)
        yield Rule(
            f"missing-{name}",
            f"Its {name} is empty; {who} must have one.",
            _is(*products) & ~given,
        )
        others = [product for product in NAMES if product not in products]
        yield Rule(
            f"stray-{name}", f"It has a {name}, which only {who} have.", _is(*others) & given
        )
    yield Rule(
        "stray-curve_id",
        "It has a curve_id, which equities do not have.",
        _is(Product.EQUITY) & pl.col("curve_id").is_not_null(),
    )


def _maturity(as_of: date) -> Iterator[Rule]:
    yield Rule(
        "expired",
        f"Its maturity is not after {as_of}: what expires or falls due on the date of the file has "
        "done so.",
        pl.col("maturity") <= as_of,
    )
    latest = as_of + timedelta(days=MAX_DAYS)
    yield Rule(
        "maturity-range",
        f"Its maturity is after {latest}, in more than a hundred years.",
        pl.col("maturity") > latest,
    )


def _consistent() -> Iterator[Rule]:
    given, suffix = pl.col("curve_id"), pl.lit(DISCOUNT)
    yield Rule(
        "bond-curve",
        "It is a bond whose risk_factor is not the curve that discounts it: its curve_id or, where "
        "that is empty, <currency>-OIS.",
        _is(Product.BOND)
        & ~pl.when(given.is_null())
        .then(_is_joined("risk_factor", "currency", suffix))
        .otherwise(given == pl.col("risk_factor")),
    )
    yield Rule(
        "bond-currency",
        "It is a bond on a curve of another currency: its risk_factor must begin with <currency>-.",
        _is(Product.BOND) & ~_is_curve_of_its_currency(),
    )
    yield Rule(
        "unpaid-coupon",
        "It has a coupon above 0 and a coupon_frequency of 0, so that none would be paid.",
        _is(Product.BOND) & (pl.col("coupon") > 0) & (pl.col("coupon_frequency") == 0),
    )
    yield Rule(
        "discount-curve",
        "Its curve_id is not <currency>-OIS, which discounts equity options and FX forwards.",
        _is(*_DISCOUNTED) & ~_is_joined("curve_id", "currency", suffix),
    )
    yield Rule(
        "forward-pair",
        "It is an FX forward whose risk_factor is not currency followed by currency2.",
        _is(Product.FXFWD) & ~_is_joined("risk_factor", "currency", pl.col("currency2")),
    )
    yield Rule(
        "forward-same-currency",
        "It is an FX forward between a currency and itself.",
        _is(Product.FXFWD) & (pl.col("currency") == pl.col("currency2")),
    )


def _known(scenarios: ScenarioSet) -> Iterator[Rule]:
    """Every market value that the position depends on is there, on every date.

    What is not there at all is said once: an unknown equity is not said to lack a volatility too.
    """
    factor = pl.col("risk_factor")
    equity, option, bond = _is(*_ON_SHARES), _is(Product.EQOPT), _is(Product.BOND)
    equity_gaps, volatility_gaps, curve_gaps = (
        scenarios.incomplete_ids(kind) for kind in ("EQ", "VOL", "RATE")
    )
    yield Rule(
        "unknown-instrument",
        "Its risk_factor is not in the market data as an equity (EQ).",
        equity & ~_is_among(factor, [*scenarios.equities, *equity_gaps]),
    )
    equities = {*scenarios.equities, *equity_gaps}
    volatile = {*scenarios.volatilities, *volatility_gaps}
    yield Rule(
        "unknown-volatility",
        "It is an equity option, and the market data has no volatility (VOL) of its risk_factor.",
        option & _is_among(factor, equities - volatile),
    )
    yield Rule(
        "unknown-curve",
        "It is a bond, and its risk_factor is not in the market data as a curve (RATE).",
        bond & ~_is_among(factor, [*scenarios.curves, *curve_gaps]),
    )
    for name, products in (("currency", _DISCOUNTED), ("currency2", (Product.FXFWD,))):
        discounted = {*scenarios.discounted, *_without(DISCOUNT, curve_gaps)}
        yield Rule(
            f"undiscounted-{name}",
            f"It is an equity option or FX forward, and the market data has no curve <{name}>-OIS.",
            _is(*products) & _is_among(pl.col(name), {*scenarios.currencies} - discounted),
        )
        yield Rule(
            f"unknown-{name}",
            f"Its {name} is not an ISO 4217 code such as EUR for which the market data has FX "
            f"rates to {scenarios.base_currency} on every date.",
            ~_is_among(pl.col(name), scenarios.currencies),
        )
    yield Rule(
        "factor-history",
        "The equity, volatility, dividend yield or curve that it depends on lacks values on some "
        "dates of the market data.",
        (equity & _is_among(factor, equity_gaps))
        | (option & _is_among(factor, volatility_gaps))
        | (option & _is_among(factor, _without(DIVIDEND, curve_gaps)))
        | (bond & _is_among(factor, curve_gaps))
        | (_is(*_DISCOUNTED) & _is_among(pl.col("currency"), _without(DISCOUNT, curve_gaps)))
        | (_is(Product.FXFWD) & _is_among(pl.col("currency2"), _without(DISCOUNT, curve_gaps))),
    )


def _is_among(column: pl.Expr, names: Iterable[str]) -> pl.Expr:
    wanted = sorted(names)
    if len(wanted) > 12:
        return column.is_in(wanted)
    # Quicker for a few.
    return pl.any_horizontal(pl.lit(value=False), *(column == name for name in wanted))


def _without(suffix: str, names: list[str]) -> list[str]:
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
