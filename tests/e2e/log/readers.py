# Reads exports with DuckDB and pandas without naming types, and prints what they found as JSON: readers.py FOLDER
import json
import sys

import duckdb
import pandas

folder = sys.argv[1]
TIMES = ["startAccess", "stopAccess"]


def with_duckdb(file):
    rows = duckdb.sql(f"SELECT * FROM '{folder}/{file}'")
    counts = duckdb.sql(
        """SELECT count(*), count(exitCode), count(error), count(stopAccess), count(DISTINCT model), sum(stdoutBytes)::BIGINT,
        sum(runMs)::DOUBLE, epoch_us(min(startAccess)), epoch_us(max(startAccess)) FROM rows"""
    ).fetchall()[0]
    errors = duckdb.sql("SELECT error FROM rows ORDER BY requestUid, attempt").fetchall()
    tails = duckdb.sql("SELECT stderrTail FROM rows ORDER BY requestUid, attempt").fetchall()
    types = dict(zip(rows.columns, map(str, rows.types)))
    return {"counts": counts, "types": types, "errors": [e for (e,) in errors], "tails": [t for (t,) in tails]}


def with_pandas(rows):
    rows = rows.sort_values(["requestUid", "attempt"])
    micros = rows.startAccess.dt.tz_localize(None).astype("datetime64[us]").astype("int64")
    counts = [len(rows), rows.exitCode.count(), rows.error.count(), rows.stopAccess.count(), rows.model.nunique()]
    counts += [rows.stdoutBytes.sum(), rows.runMs.sum(), micros.min(), micros.max()]
    texts = {name: [None if pandas.isna(text) else text for text in rows[name]] for name in ["error", "stderrTail"]}
    types = {name: str(dtype) for name, dtype in rows.dtypes.items()}
    counts = [count.item() if hasattr(count, "item") else count for count in counts]
    return {"counts": counts, "types": types, "errors": texts["error"], "tails": texts["stderrTail"]}


csv = pandas.read_csv(
    f"{folder}/log.csv", parse_dates=TIMES, keep_default_na=False, na_values=[""], dtype_backend="numpy_nullable"
)
lines = pandas.read_json(f"{folder}/log.jsonl", lines=True, dtype_backend="numpy_nullable")
lines[TIMES] = lines[TIMES].apply(pandas.to_datetime, utc=True, format="ISO8601")
print(
    json.dumps(
        {
            "duckdb csv": with_duckdb("log.csv"),
            "duckdb jsonl": with_duckdb("log.jsonl"),
            "pandas csv": with_pandas(csv),
            "pandas jsonl": with_pandas(lines),
        }
    )
)
