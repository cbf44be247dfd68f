"""The rules of ingestion again, written in pandas from their sentences, to compare with.

Nothing here is shared with the stage but the names of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from datetime import date

TEXT = ["position_id", "book", "counterparty", "product_type", "risk_factor", "currency"]
TEXT += ["option_type", "curve_id", "currency2"]
FLOATS = ["quantity", "price", "strike", "implied_vol", "coupon"]
REQUIRED = ["position_id", "as_of", "book", "product_type", "risk_factor", "currency", "quantity"]
PRODUCTS_WITH = {
    "strike": {"EQOPT", "FXFWD"},
    "option_type": {"EQOPT"},
    "implied_vol": {"EQOPT"},
    "maturity": {"EQOPT", "BOND", "FXFWD"},
    "coupon": {"BOND"},
    "coupon_frequency": {"BOND"},
    "currency2": {"FXFWD"},
}
PRODUCTS = {"EQUITY", "EQOPT", "BOND", "FXFWD"}


@dataclass
class Market:
    """What the market data has: whole histories, and those with gaps."""

    base: str
    whole: dict[str, set[str]]
    """Of each factor type, its ids."""
    gaps: dict[str, set[str]] = field(default_factory=dict)

    def known(self, kind: str) -> set[str]:
        return self.whole.get(kind, set()) | self.gaps.get(kind, set())

    def curves(self) -> set[str]:
        return {name for name in self.whole["RATE"] if not name.endswith("-DIV")}

    def currencies(self) -> set[str]:
        pairs = {name[:3] for name in self.whole["FX"] if name.endswith(self.base)}
        return pairs | {self.base}


def read(content: bytes) -> tuple[pd.DataFrame, pd.Series]:
    """Return a file's fields as text, by line, and which lines have another count of them."""
    header, *lines = content.decode(errors="replace").split("\n")
    columns = header.split(",")
    fields, miscounted, numbers = [], [], []
    for number, line in enumerate(lines, start=2):
        own = [value.strip(' \t"') or None for value in line.removesuffix("\r").split(",")]
        if any(own):
            fields.append((own + [None] * len(columns))[: len(columns)])
            miscounted.append(len(own) != len(columns))
            numbers.append(number)
    return pd.DataFrame(fields, columns=columns, index=numbers), pd.Series(
        miscounted, index=numbers
    )


def broken_rules(content: bytes, as_of: date, market: Market) -> dict[int, set[str]]:
    """Return the rules that each refused line of a file breaks."""
    frame, miscounted = read(content)
    broken = {"field-count": miscounted, **_formal(frame, as_of), **_products(frame, as_of)}
    broken |= _market(frame, market)
    table = pd.DataFrame({name: mask.astype(bool) for name, mask in broken.items()})
    refused = table[table.any(axis=1)]
    return {
        int(line): {str(name) for name, is_broken in row.items() if is_broken}
        for line, row in zip(refused.index, refused.to_dict("records"), strict=True)
    }


def _formal(frame: pd.DataFrame, as_of: date) -> dict[str, pd.Series]:
    given = frame.notna()
    broken = {f"missing-{name}": ~given[name] for name in REQUIRED}
    broken["duplicate-id"] = frame["position_id"].duplicated() & given["position_id"]
    text = frame[TEXT].fillna("")
    broken["not-utf8"] = text.apply(lambda column: column.str.contains("\ufffd")).any(axis=1)
    controls = text.map(lambda value: any(ord(c) < 32 or 127 <= ord(c) < 160 for c in value))
    broken["control-character"] = controls.any(axis=1)
    broken["too-long"] = text.map(lambda value: len(value.encode()) > 128).any(axis=1)
    for name in FLOATS:
        value = pd.to_numeric(frame[name], errors="coerce")
        is_nan = frame[name].str.lower().isin(["nan", "-nan"])
        infinite = value.abs() == float("inf")
        broken[f"unreadable-{name}"] = given[name] & value.isna() & ~is_nan
        broken[f"not-finite-{name}"] = is_nan | infinite
        low, high = {"quantity": (-1e12, 1e12), "implied_vol": (0, 5), "coupon": (0, 1)}.get(
            name, (0, 1e9)
        )
        outside = (value < low) | (value > high)
        if name in {"price", "strike", "implied_vol"}:
            outside |= value == 0
        broken[f"{name}-range"] = outside & ~infinite
    frequency = pd.to_numeric(frame["coupon_frequency"].where(
        frame["coupon_frequency"].str.fullmatch(r"[+-]?\d{1,9}", na=False)))  # fmt: skip
    broken["unreadable-coupon_frequency"] = given["coupon_frequency"] & frequency.isna()
    broken["coupon_frequency-range"] = frequency.notna() & ~frequency.isin([0, 1, 2, 4, 12])
    broken["option_type-range"] = given["option_type"] & ~frame["option_type"].isin(
        ["C", "P", "CALL", "PUT"]
    )
    for name in ("as_of", "maturity"):
        broken[f"unreadable-{name}"] = given[name] & _dates(frame[name]).isna()
    dates = _dates(frame["as_of"])
    broken["as-of"] = dates.notna() & (dates != pd.Timestamp(as_of))
    return broken


def _products(frame: pd.DataFrame, as_of: date) -> dict[str, pd.Series]:
    product, given = frame["product_type"], frame.notna()
    broken = {"product-type": given["product_type"] & ~product.isin(PRODUCTS)}
    for name, products in PRODUCTS_WITH.items():
        broken[f"missing-{name}"] = product.isin(products) & ~given[name]
        broken[f"stray-{name}"] = product.isin(PRODUCTS - products) & given[name]
    broken["stray-curve_id"] = (product == "EQUITY") & given["curve_id"]
    maturity = _dates(frame["maturity"])
    broken["expired"] = maturity <= pd.Timestamp(as_of)
    broken["maturity-range"] = maturity > pd.Timestamp(as_of) + pd.Timedelta(days=36525)
    own_curve = frame["currency"] + "-OIS"
    curve = frame["curve_id"].fillna(own_curve)
    factor = frame["risk_factor"]
    comparable = given["risk_factor"] & curve.notna()
    broken["bond-curve"] = (product == "BOND") & comparable & (factor != curve)
    broken["discount-curve"] = (
        product.isin({"EQOPT", "FXFWD"})
        & given["curve_id"]
        & given["currency"]
        & (frame["curve_id"] != own_curve)
    )
    forward = product == "FXFWD"
    legs = frame["currency"] + frame["currency2"]
    broken["forward-pair"] = forward & given["risk_factor"] & legs.notna() & (factor != legs)
    broken["forward-same-currency"] = forward & (frame["currency"] == frame["currency2"])
    return broken


def _market(frame: pd.DataFrame, market: Market) -> dict[str, pd.Series]:
    product, factor = frame["product_type"], frame["risk_factor"]
    equity, option = product.isin({"EQUITY", "EQOPT"}), product == "EQOPT"
    bond, forward = product == "BOND", product == "FXFWD"
    currencies = market.currencies()
    gaps = {kind: market.gaps.get(kind, set()) for kind in ("EQ", "VOL", "RATE")}
    discounted = {name[:3] for name in market.curves() | gaps["RATE"] if name.endswith("-OIS")}
    broken = {
        "unknown-instrument": equity & factor.notna() & ~factor.isin(market.known("EQ")),
        "unknown-volatility": option & factor.isin(market.known("EQ") - market.known("VOL")),
        "unknown-curve": bond & factor.notna() & ~factor.isin(market.curves() | gaps["RATE"]),
        "undiscounted-currency": (option | forward)
        & frame["currency"].isin(currencies - discounted),
        "undiscounted-currency2": forward & frame["currency2"].isin(currencies - discounted),
    }
    history = (equity & factor.isin(gaps["EQ"])) | (bond & factor.isin(gaps["RATE"]))
    history |= option & factor.isin(gaps["VOL"])
    history |= option & (factor + "-DIV").isin(gaps["RATE"])
    history |= (option | forward) & (frame["currency"] + "-OIS").isin(gaps["RATE"])
    history |= forward & (frame["currency2"] + "-OIS").isin(gaps["RATE"])
    broken["factor-history"] = history
    for name in ("currency", "currency2"):
        broken[f"unknown-{name}"] = frame[name].notna() & ~frame[name].isin(currencies)
    return broken


def _dates(column: pd.Series) -> pd.Series:
    return pd.to_datetime(column, format="%Y-%m-%d", errors="coerce")
