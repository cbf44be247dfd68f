from __future__ import annotations

import gzip
import io
import re
import time
import tracemalloc
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl
import pytest
from batchkit.claims import claim_key
from batchkit.errors import BadEnvironmentError
from batchkit.runs import RunKeys
from data_ingestion import csv_text, source

from tests.images.data_ingestion.conftest import (
    FORWARD,
    GOOD,
    OPTION,
    market_csv,
    market_rows,
    positions_csv,
)

if TYPE_CHECKING:
    from batchkit.events import S3Event

    from tests.images.conftest import Place

STAGE = "data-ingestion"
MARKET = "market-data/2026-01-30.csv"
MARKET_GZIP = gzip.compress(market_csv(market_rows()))


def good_rows(count: int) -> list[dict[str, str]]:
    return [GOOD | {"position_id": f"P{number}"} for number in range(count)]


@pytest.fixture
def market(place: Place) -> S3Event:
    return place.upload(MARKET, market_csv(market_rows()))


def ingested(place: Place, content: bytes, key: str = "positions/a.csv") -> RunKeys:
    event = place.upload(key, content)
    place.work(STAGE, event)
    return RunKeys(place.run_id(event))


def reason(place: Place, keys: RunKeys) -> str:
    """Why the run was rejected; both records must say the same, and nothing was started."""
    record = place.ledger.get(keys.run_id)
    assert record["state"] == "rejected"
    assert place.read_json(keys.rejected)["reason"] == record["reason"]
    assert not place.output_keys(f"{keys.prefix}shards/")
    assert uploads_left(place) == []
    return str(record["reason"])


def uploads_left(place: Place) -> list[str]:
    answer = place.session.client("s3").list_multipart_uploads(Bucket=place.output_bucket)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


@pytest.mark.usefixtures("market")
def test_a_file_becomes_shards_a_quarantine_and_a_manifest(place: Place) -> None:
    place.options["SHARD_ROWS"] = "8"
    bad = GOOD | {"position_id": "PX", "quantity": "many"}
    rows = [*good_rows(10), bad, *(FORWARD | {"position_id": f"F{n}"} for n in range(9))]
    keys = ingested(place, positions_csv(*rows))
    manifest = place.read_json(keys.manifest)
    assert (manifest["rows_in"], manifest["rows_refused"]) == (20, 1)
    assert manifest["refused_by_rule"] == {"unreadable-quantity": 1}
    assert manifest["rules"] == {"unreadable-quantity": "Its quantity is not a number."}
    assert [shard["rows"] for shard in manifest["shards"]] == [8, 8, 3]
    assert manifest["books"] == {"B1": {"rows": 19, "quantity": 1900.0}}
    blocks = manifest["scenarios"]["blocks"]
    assert (blocks[0]["kind"], blocks[0]["count"]) == ("historical", 259)
    assert manifest["scenarios"]["count"] == sum(block["count"] for block in blocks)
    assert manifest["scenarios"]["sha256"] == sha256(place.read(keys.scenarios)).hexdigest()
    assert manifest["market_data"]["key"] == MARKET
    assert manifest["factors_without_history"] == {"GAPPY": 1}
    for shard in manifest["shards"]:
        assert shard["sha256"] == sha256(place.read(keys.shard(shard["name"]))).hexdigest()
    shards = [place.read_frame(keys.shard(shard["name"])) for shard in manifest["shards"]]
    ids = [row["position_id"] for row in rows if row is not bad]
    assert pl.concat(shards)["position_id"].to_list() == ids
    (refused,) = place.read_frame(keys.quarantine).rows(named=True)
    assert (refused["line"], refused["position_id"]) == (12, "PX")
    record = place.ledger.get(keys.run_id)
    assert (record["state"], record["shards"], record["rows_in"]) == ("calculating", 3, 20)
    assert record["stages"][STAGE]["seconds"] >= 0


@pytest.mark.parametrize("last", [MARKET, MARKET + ".gz"])
def test_of_market_data_in_several_files_the_last_one_counts(place: Place, last: str) -> None:
    content = {MARKET: market_csv(market_rows()), MARKET + ".gz": MARKET_GZIP}
    first = next(key for key in content if key != last)
    place.upload(first, content[first])
    time.sleep(1.1)  # S3 tells the time of a write to the second
    place.upload(last, content[last])
    keys = ingested(place, positions_csv(*good_rows(3)))
    assert place.read_json(keys.manifest)["market_data"]["key"] == last


@pytest.mark.usefixtures("market")
def test_csv_gzip_and_parquet_make_the_same_shards(place: Place) -> None:
    content = positions_csv(*good_rows(5), FORWARD | {"position_id": "F"})
    frame = pl.read_csv(content, try_parse_dates=True)
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    files = {"a.csv": content, "a.csv.gz": gzip.compress(content), "a.parquet": buffer.getvalue()}
    runs = [ingested(place, body, f"positions/{name}") for name, body in files.items()]
    shards = {place.read(keys.shard("00000")) for keys in runs}
    assert len(shards) == 1
    assert len({place.read(keys.scenarios) for keys in runs}) == 1


@pytest.mark.usefixtures("market")
def test_everything_else_is_there_before_the_first_shard(place: Place) -> None:
    written: list[str] = []
    place.options["SHARD_ROWS"] = "2"
    hooks = [
        f"before-parameter-build.s3.{call}" for call in ("PutObject", "CompleteMultipartUpload")
    ]
    events = place.session.client("s3").meta.events
    for hook in hooks:
        events.register(hook, lambda params, **_: written.append(params["Key"]), hook)
    keys = ingested(place, positions_csv(*good_rows(5)))
    for hook in hooks:
        events.unregister(hook, unique_id=hook)
    of_run = [key for key in written if key.startswith(keys.prefix)]
    assert of_run == [
        keys.quarantine,
        keys.scenarios,
        keys.manifest,
        *(keys.shard(f"0000{n}") for n in range(3)),
    ]


@pytest.mark.parametrize("meanwhile", ["overwritten", "deleted"])
def test_an_attempt_that_was_cut_off_is_finished_by_the_next_with_the_same_bytes(
    place: Place, market: S3Event, meanwhile: str
) -> None:
    event = place.upload("positions/a.csv", positions_csv(*good_rows(5)))
    place.work(STAGE, event)
    keys = RunKeys(place.run_id(event))
    before = {key: place.written(key).version_id for key in place.output_keys()}
    lost = place.written(keys.shard("00000"))
    place.session.client("s3").delete_object(
        Bucket=place.output_bucket, Key=lost.key, VersionId=str(lost.version_id)
    )
    # New market data must not mix into a run that began with the old.
    if meanwhile == "deleted":
        place.session.client("s3").delete_object(Bucket=place.input_bucket, Key=MARKET)
    else:
        rows = [(*row[:4], "7") if row[1] == "ACME" else row for row in market_rows()]
        assert place.upload(MARKET, market_csv(rows)).version_id != market.version_id
    claim = claim_key(STAGE, event)
    place.session.client("dynamodb").delete_item(TableName=place.table, Key={"id": {"S": claim}})
    place.work(STAGE, event)
    after = {key: place.written(key).version_id for key in place.output_keys()}
    assert after.keys() == before.keys()
    assert {key for key in after if after[key] != before[key]} == {lost.key}


def test_what_an_attempt_that_crashed_had_under_way_is_taken_back(
    place: Place, market: S3Event
) -> None:
    event = place.upload("positions/a.csv", positions_csv(*good_rows(5)))
    keys = RunKeys(place.run_id(event))
    for key in (keys.shard("00000"), keys.shard("00007")):
        place.session.client("s3").create_multipart_upload(Bucket=place.output_bucket, Key=key)
    place.work(STAGE, event)
    assert market.version_id
    assert uploads_left(place) == []
    assert place.output_keys(f"{keys.prefix}shards/") == [keys.shard("00000")]


@pytest.mark.usefixtures("market")
def test_what_breaks_after_shards_were_sent_starts_no_calculation(place: Place) -> None:
    place.options["SHARD_ROWS"] = "1"
    content = gzip.compress(positions_csv(*good_rows(50)))
    broken = gzip.compress(b"P\n" * 50)[:-9]
    sent: list[str] = []
    hook = "before-parameter-build.s3.UploadPart"
    events = place.session.client("s3").meta.events
    events.register(hook, lambda params, **_: sent.append(params["Key"]), hook)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "_BLOCK_BYTES", 1000)
        patch.setattr(csv_text, "READ_BYTES", 500)
        patch.setattr(source, "READ_BYTES", 500)
        keys = ingested(place, content + broken, "positions/a.csv.gz")
    events.unregister(hook, unique_id=hook)
    assert sent
    assert "in the middle of its gzip stream" in reason(place, keys)


@pytest.mark.usefixtures("market")
def test_a_line_of_two_gigabytes_is_rejected_in_little_memory(place: Place) -> None:
    member = gzip.compress(b"x" * (128 << 20))
    tracemalloc.start()
    keys = ingested(place, MINIMAL_GZIP + member * 16, "positions/a.csv.gz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "A line is longer than 1 MiB" in reason(place, keys)
    assert peak < 40 << 20


@pytest.mark.usefixtures("market")
def test_rows_in_another_encoding_are_refused_and_the_others_kept(place: Place) -> None:
    place.options["MAX_REFUSED_SHARE"] = "0.5"
    utf8 = positions_csv(GOOD | {"book": "Z\u00fcrich"}, GOOD | {"position_id": "P2"})
    latin1 = ",".join((GOOD | {"position_id": "P3", "book": "M\u00fcnchen"}).values())
    keys = ingested(place, utf8 + latin1.encode("latin-1"))
    assert place.read_frame(keys.shard("00000"))["book"].to_list() == ["Z\u00fcrich", "B1"]
    (refused,) = place.read_frame(keys.quarantine).rows(named=True)
    assert (refused["line"], refused["rules"], refused["book"]) == (4, ["not-utf8"], "M\ufffdnchen")


MINIMAL = "position_id,as_of,book,product_type,risk_factor,currency,quantity\n"
MINIMAL_GZIP = gzip.compress(MINIMAL.encode())


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "The file is empty."),
        ("a.csv", MINIMAL.encode(), "a header and no positions"),
        ("a.csv", MINIMAL.strip().encode(), "a header and no positions"),
        ("a.csv", b"x,y\n1,2\n", "lacks the columns"),
        ("a.csv", positions_csv(GOOD).decode().encode("utf-16"), "not UTF-8 text"),
        ("a.csv", positions_csv(GOOD).decode().encode("utf-16-le"), "not UTF-8 text"),
        ("a.csv", positions_csv(GOOD | {"quantity": "1e18"}), r"quantity-range \(1\)"),
        ("a.csv", positions_csv(OPTION | {"maturity": "2026-01-30"}), r"expired \(1\)"),
        ("a.csv", positions_csv(OPTION | {"implied_vol": "0"}), r"implied_vol-range \(1\)"),
        ("a.csv", b"\xff" * 5000, "not UTF-8 text"),
        ("a.csv", b"x" * 3_000_000, "A line is longer than 1 MiB"),
        (
            "a.csv.gz",
            gzip.compress(positions_csv(*good_rows(50)), mtime=0)[:-30],
            "its gzip stream",
        ),
        ("a.csv.gz", b"", "The file is empty."),
        ("a.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
        ("a.parquet", b"", "The file is empty."),
        ("a.xlsx", b"PK", r"its name must end in \.csv, \.csv\.gz, \.parquet"),
        ("a.csv", positions_csv(GOOD | {"as_of": "today"}), "No row has an as_of"),
        (
            "a.csv",
            positions_csv(GOOD | {"as_of": "2026-01-29"}),
            r"no market data for 2026-01-29.*Upload market-data/2026-01-29\.csv",
        ),
        (
            "a.csv",
            positions_csv(*good_rows(8), GOOD | {"position_id": "X", "risk_factor": "NOBODY"}),
            r"1 of 9 rows were refused, and 10% .*unknown-instrument \(1\).*GAPPY \(1 dates\)",
        ),
        (
            "a.csv",
            positions_csv(*(row | {"risk_factor": "NOBODY"} for row in good_rows(3))),
            "3 of 3 rows were refused",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_rejected_with_its_reason(
    place: Place, name: str, content: bytes, message: str
) -> None:
    keys = ingested(place, content, f"positions/{name}")
    assert re.search(message, reason(place, keys))


@pytest.mark.usefixtures("market")
def test_parquet_with_other_columns_or_types_is_rejected(place: Place) -> None:
    frame = pl.read_csv(positions_csv(*good_rows(3)), infer_schema=False)
    for changed, message in (
        (frame.drop("book"), "lacks the columns book"),
        (frame.with_columns(pl.lit(20260130).alias("as_of")), "Int32 and must hold dates"),
        (
            frame.with_columns(pl.concat_list("quantity").alias("quantity")),
            "type List(String) and must hold numbers",
        ),
    ):
        buffer = io.BytesIO()
        changed.write_parquet(buffer)
        keys = ingested(place, buffer.getvalue(), "positions/a.parquet")
        assert message in reason(place, keys)


def test_market_data_that_lacks_the_date_is_said(place: Place) -> None:
    rows = [row for row in market_rows() if row[0] != "2026-01-30"]
    place.upload(MARKET, market_csv(rows))
    keys = ingested(place, positions_csv(GOOD))
    assert "has no values for 2026-01-30" in reason(place, keys)
    assert "its last date before is 2026-01-29" in reason(place, keys)


@pytest.mark.usefixtures("market")
def test_refused_rows_up_to_the_allowed_share_do_not_stop_a_run(place: Place) -> None:
    bad = GOOD | {"position_id": "X", "currency": ""}
    keys = ingested(place, positions_csv(*good_rows(9), bad))
    assert place.ledger.get(keys.run_id)["state"] == "calculating"
    place.options["MAX_REFUSED_SHARE"] = "0.05"
    keys = ingested(place, positions_csv(*good_rows(9), bad), "positions/b.csv")
    assert "1 of 10 rows" in reason(place, keys)
    assert place.read_frame(keys.quarantine).height == 1


@pytest.mark.usefixtures("market")
def test_a_deleted_object_is_recorded(place: Place) -> None:
    event = place.upload("positions/a.csv", positions_csv(GOOD))
    place.session.client("s3").delete_object(
        Bucket=event.bucket, Key=event.key, VersionId=str(event.version_id)
    )
    place.work(STAGE, event)
    assert "was deleted" in reason(place, RunKeys(place.run_id(event)))


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_overwritten_object_is_read_in_the_version_of_its_event(
    place: Place, suffix: str
) -> None:
    def upload(rows: int) -> S3Event:
        content = positions_csv(*good_rows(rows))
        if suffix == "parquet":
            buffer = io.BytesIO()
            pl.read_csv(content, infer_schema=False).write_parquet(buffer)
            content = buffer.getvalue()
        return place.upload(f"positions/a.{suffix}", content)

    first, second = upload(3), upload(4)
    for event, rows in ((second, 4), (first, 3)):
        place.work(STAGE, event)
        assert place.ledger.get(place.run_id(event))["rows_in"] == rows


def test_a_folders_placeholder_makes_no_run(place: Place) -> None:
    place.work(STAGE, place.upload("positions/", b""))
    assert list(place.ledger.all()) == []
    assert place.output_keys() == []


@pytest.mark.parametrize(
    ("name", "value"), [("SHARD_ROWS", "2.5"), ("SHARD_ROWS", "0"), ("BASE_CURRENCY", "usd")]
)
def test_a_wrong_option_is_named(place: Place, name: str, value: str) -> None:
    place.options[name] = value
    event = place.upload("positions/a.csv", positions_csv(GOOD))
    with pytest.raises(BadEnvironmentError, match=f"{name} is '{value}'"):
        place.work(STAGE, event)
