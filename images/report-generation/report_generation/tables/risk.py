"""VaR and ES of the portfolio and its books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from report_generation.formats import Kind, percent
from report_generation.measures import over_days
from report_generation.tables.model import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from report_generation.charts import Bin


HISTORICAL: Final = "Historical"
MONTE_CARLO: Final = "Monte Carlo"


def simulations(summary: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the names of the simulations of a summary with their risk and books."""
    monte_carlo = summary["monte_carlo"]
    return [(HISTORICAL, summary), *([(MONTE_CARLO, monte_carlo)] if monte_carlo else [])]


def portfolio(summary: Mapping[str, Any]) -> Table:
    """VaR and ES of the portfolio, by simulation, horizon and level."""
    return Table(
        "VaR and expected shortfall",
        [
            Column("Simulation"),
            Column("Days", Kind.COUNT),
            Column("Level", Kind.LEVEL),
            Column("VaR", Kind.MONEY),
            Column("ES", Kind.MONEY),
            Column("Rank of VaR", Kind.COUNT),
        ],
        [
            [name, days, row["level"], over["var"], over["es"], row["rank"]]
            for name, part in simulations(summary)
            for place, days in enumerate(summary["horizons"]["days"])
            for row in part["risk"]
            for over in [row["horizons"][place]]
        ],
    )


def books(summary: Mapping[str, Any]) -> Table:
    """Every book's value, and its risk by simulation, level and horizon."""
    return Table(
        "Books",
        [
            Column("Book"),
            Column("Simulation"),
            Column("Level", Kind.LEVEL),
            Column("Days", Kind.COUNT),
            *(
                Column(title, Kind.MONEY)
                for title in ("VaR", "ES", "Component ES", "Incremental VaR")
            ),
        ],
        [
            # Component and incremental figures scale with the horizon as the portfolio's do.
            [book["book"], name, row["level"], over["days"], over["var"], over["es"],
             over_days(row["component_es"], over["days"]),
             over_days(row["incremental_var"], over["days"])]
            for name, part in simulations(summary)
            for book in part["books"]
            for row in book["risk"]
            for over in row["horizons"]
        ],
    )  # fmt: skip


def by_book(summary: Mapping[str, Any], simulation: str, var_at: int, es_at: int) -> Table:
    """Every book's one-day risk at the headline levels: the places of VaR's and ES's."""
    part = dict(simulations(summary))[simulation]
    var, es = part["risk"][var_at], part["risk"][es_at]
    var_level, es_level = percent(var["level"]), percent(es["level"])
    facts = {book["book"]: book for book in summary["books"]}
    return Table(
        f"Books, {simulation.lower() if simulation == HISTORICAL else simulation} simulation",
        [
            Column("Book"),
            Column("Positions", Kind.COUNT),
            Column("Present value", Kind.MONEY),
            Column(f"VaR {var_level}", Kind.MONEY),
            Column(f"ES {es_level}", Kind.MONEY),
            Column("Component ES", Kind.MONEY),
            Column("Incremental VaR", Kind.MONEY),
        ],
        [
            [
                book["book"],
                facts[book["book"]]["positions"],
                facts[book["book"]]["present_value"],
                book["risk"][var_at]["var"],
                book["risk"][es_at]["es"],
                book["risk"][es_at]["component_es"],
                book["risk"][var_at]["incremental_var"],
            ]
            for book in part["books"]
        ],
        [
            "Portfolio",
            sum(book["positions"] for book in facts.values()),
            summary["present_value"],
            var["var"],
            es["es"],
            es["es"],
            None,
        ],
    )


def bins(title: str, drawn: Sequence[Bin]) -> Table:
    """The bars of a histogram."""
    return Table(
        title,
        [Column("From", Kind.MONEY), Column("To", Kind.MONEY), Column("Scenarios", Kind.COUNT)],
        [[each.low, each.high, each.count] for each in drawn if each.count],
    )
