"""The named stress scenarios of stress.toml, which users edit: read, checked, and applied."""

from __future__ import annotations

import logging
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
from batchkit.domain import CURRENCY_CODE, DIVIDEND
from batchkit.errors import BadEnvironmentError

from data_ingestion.historical import SHOCKS

FILE: Final = Path(__file__).with_name("stress.toml")

_FIELDS: Final = (
    "equity_percent",
    "volatility_percent",
    "fx_percent",
    "rates_bp",
    "dividends_bp",
)
_CURRENCY_FIELDS: Final = ("fx_percent", "rates_bp")
"""A price in the market data has no currency, so an equity is overridden by its id alone."""
_FIELD_OF: Final = {"EQ": "equity_percent", "VOL": "volatility_percent", "FX": "fx_percent"}
_MAX_NAME: Final = 60
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stress:
    """One scenario. What is not said does not move."""

    name: str
    quoted_in: str | None
    """The currency whose fx_percent is 0 by definition; None for the base currency."""
    moves: dict[str, float]
    """By field, for every factor that has no move of its own."""
    currencies: dict[str, dict[str, float]]
    factors: dict[str, dict[str, float]]

    def shock(self, factor_type: str, factor_id: str, base_currency: str) -> float:
        """Return a ratio, or for RATE a difference.

        Raises:
            BadEnvironmentError: the base currency is told to move against itself.
        """
        field = _field_of(factor_type, factor_id)
        if factor_type == "RATE":
            currency, dash, _ = factor_id.partition("-")
            return self._move(field, factor_id, currency if dash else None) / 10_000
        if factor_type == "FX" and field not in self.factors.get(factor_id, {}):
            first, second = factor_id[:3], factor_id[3:]
            return self._worth(first, base_currency) / self._worth(second, base_currency)
        return 1 + self._move(field, factor_id, None) / 100

    def _move(self, field: str, factor_id: str | None, currency: str | None) -> float:
        """Return the most particular move there is."""
        for moves in (
            self.factors.get(factor_id or "", {}),
            self.currencies.get(currency or "", {}),
            self.moves,
        ):
            if field in moves:
                return moves[field]
        return 0.0

    def _worth(self, currency: str, base_currency: str) -> float:
        """Return the ratio of a currency's price in the currency that all are quoted in."""
        if currency != (self.quoted_in or base_currency):
            return 1 + self._move("fx_percent", None, currency) / 100
        if "fx_percent" in self.currencies.get(currency, {}):
            raise BadEnvironmentError(
                f"{FILE.name}, scenario {self.name!r}, currencies.{currency}: fx_percent cannot "
                f'stand there, for moves are quoted in {currency}. Say quoted_in = "...".'
            )
        return 1.0


def applied(factors: pl.DataFrame, base_currency: str, stresses: list[Stress]) -> pl.Series:
    """Return each factor's shocks, a list of one a scenario.

    Args:
        factors: with factor_type and factor_id.
        base_currency: of the run.
        stresses: the scenarios.

    Raises:
        BadEnvironmentError: a scenario cannot be applied in this base currency, or moves a factor
            by what is another kind's.
    """
    names = factors.select("factor_type", "factor_id").rows()
    fields: dict[str, set[str]] = {}
    for kind, factor in names:
        # A share whose volatility is not known is a share all the same.
        both = (_FIELD_OF["EQ"], _FIELD_OF["VOL"]) if kind in {"EQ", "VOL"} else ()
        fields.setdefault(factor, set()).update((_field_of(kind, factor), *both))
    for scenario in stresses:
        _check_factors(scenario, fields)
    shocks = [
        [scenario.shock(kind, factor, base_currency) for scenario in stresses]
        for kind, factor in names
    ]
    return pl.Series(SHOCKS, shocks, dtype=pl.List(pl.Float64))


def _field_of(factor_type: str, factor_id: str) -> str:
    """Return the field that moves a factor."""
    if factor_type == "RATE":
        return "dividends_bp" if factor_id.endswith(DIVIDEND) else "rates_bp"
    return _FIELD_OF[factor_type]


def _check_factors(scenario: Stress, fields: dict[str, set[str]]) -> None:
    """Look whether each factor's own moves would do something.

    Args:
        scenario: with its moves.
        fields: those that move a factor, by its id.

    Raises:
        BadEnvironmentError: a field does not move its factor.
    """
    for factor, moves in scenario.factors.items():
        stray = sorted(moves.keys() - fields.get(factor, moves.keys()))
        if stray:
            raise BadEnvironmentError(
                f"{FILE.name}, scenario {scenario.name!r}, factors.{factor}: {stray[0]} does not "
                f"move it, but {' and '.join(sorted(fields[factor]))} would."
            )
    # Not wrong, for the file serves every day's market data; but it may be a slip.
    unknown = sorted(scenario.factors.keys() - fields.keys())
    if unknown:
        listed = ", ".join(unknown)
        where = f"{FILE.name}, scenario {scenario.name!r}"
        _log.warning("%s: the market data has no factors %s.", where, listed)


def read(path: Path = FILE) -> list[Stress]:
    """Read the scenarios.

    Raises:
        BadEnvironmentError: the file is wrong; names the file, the scenario and the field.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadEnvironmentError(f"{path.name} is no TOML file: {error}") from error
    given = content.pop("scenario", [])
    if content or not _tables(given):
        raise BadEnvironmentError(
            f"{path.name} may hold [[scenario]] tables only"
            + (f", and it has {', '.join(content)}." if content else ".")
        )
    scenarios = [_scenario(table, index, path) for index, table in enumerate(given, start=1)]
    names = [scenario.name for scenario in scenarios]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadEnvironmentError(f"{path.name} has more than one scenario {twice[0]!r}.")
    return scenarios


def _scenario(table: dict[str, Any], index: int, path: Path) -> Stress:
    name = table.get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= _MAX_NAME:
        raise BadEnvironmentError(
            f"{path.name}, scenario number {index}: its name must be text of at most {_MAX_NAME} "
            f"characters, and is {name!r}."
        )
    where = f"{path.name}, scenario {name!r}"
    quoted_in = table.get("quoted_in")
    if quoted_in is not None:
        _check_currency(quoted_in, f"{where}: quoted_in")
    currencies = _overrides(table, "currencies", _CURRENCY_FIELDS, where)
    for code in currencies:
        _check_currency(code, f"{where}: what stands after currencies.")
    own = ("name", "quoted_in", "currencies", "factors")
    return Stress(
        name=name,
        quoted_in=quoted_in,
        moves=_moves({k: v for k, v in table.items() if k not in own}, (*_FIELDS, *own), where),
        currencies=currencies,
        factors=_overrides(table, "factors", _FIELDS, where),
    )


def _check_currency(code: Any, what: str) -> None:
    if not (isinstance(code, str) and CURRENCY_CODE.fullmatch(code)):
        raise BadEnvironmentError(f"{what} must be a currency such as EUR, and is {code!r}.")


def _overrides(
    table: dict[str, Any], field: str, allowed: tuple[str, ...], where: str
) -> dict[str, dict[str, float]]:
    given = table.get(field, {})
    if not isinstance(given, dict) or not _tables(list(given.values())):
        raise BadEnvironmentError(
            f"{where}: {field} must hold tables such as [scenario.{field}.NAME]."
        )
    return {
        name: _moves(moves, allowed, f"{where}, {field}.{name}") for name, moves in given.items()
    }


def _moves(given: dict[str, Any], allowed: tuple[str, ...], where: str) -> dict[str, float]:
    for field, value in given.items():
        if field not in allowed:
            raise BadEnvironmentError(f"{where}: {field} is not one of {', '.join(allowed)}.")
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise BadEnvironmentError(f"{where}: {field} must be a number, and is {value!r}.")
        if field.endswith("_percent") and value <= -100:
            raise BadEnvironmentError(
                f"{where}: {field} is {value}; nothing can fall by 100% or more."
            )
    return {field: float(value) for field, value in given.items()}


def _tables(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(table, dict) for table in given)
