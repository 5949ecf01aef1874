"""Turn source tables of WeChat's API facts into the compact data files of wxgate.protocol.

Usage: protocol_data.py ENDPOINTS.csv SHAPES.jsonl ERRCODES.csv OUTPUT_DIR
"""

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

_TYPES = {"string": "s", "int": "i", "float": "f", "bool": "b", "null": "n"}
_CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_LABEL_LENGTH = 24  # longer Chinese texts are explanations, not labels


def main(endpoints: Path, shapes: Path, errcodes: Path, output: Path) -> None:
    """Write the three tables."""
    _write(output / "endpoints.tsv", "path\tmethod\ttoken\tgroup\tname", _endpoint_lines(endpoints))
    _write(output / "shapes.jsonl", "m method, p path, q query, i request, o response", _shape_lines(shapes))
    _write(output / "errcodes.tsv", "errcode\terrmsg\tChinese label", _errcode_lines(errcodes))


def _write(path: Path, columns: str, lines: list[str]) -> None:
    head = f"# {columns}; as published by public SDKs and documentation, see README.md"
    path.write_text("\n".join([head, *lines]) + "\n", "utf-8")


def _endpoint_lines(source: Path) -> list[str]:
    with source.open(encoding="utf-8", newline="") as rows:
        return sorted(
            "\t".join(
                (row["path"], row["method"].replace("?", ""), row["token_kind"], row["group"], row["name"])
            )
            for row in csv.DictReader(rows)
        )


def _shape_lines(source: Path) -> list[str]:
    packed: dict[tuple[str, str], str] = {}
    for line in source.read_text("utf-8").splitlines():
        row = json.loads(line)
        short = {"m": row["method"], "p": row["path"]}
        bodies = {"q": row["query"], "i": _pack(row["req"]), "o": _pack(row["resp"])}
        short |= {key: value for key, value in bodies.items() if value}
        text = json.dumps(short, ensure_ascii=False, separators=(",", ":"))
        key = (row["path"], row["method"])
        # Some pairs come in several variants; the fullest one says most.
        packed[key] = max(packed.get(key, ""), text, key=len)
    return [packed[key] for key in sorted(packed)]


def _pack(shape: Any) -> Any:
    if isinstance(shape, dict):
        return {name: _pack(value) for name, value in shape.items()}
    if isinstance(shape, list):
        return [_pack(value) for value in shape]
    return _TYPES.get(shape, shape)


def _errcode_lines(source: Path) -> list[str]:
    with source.open(encoding="utf-8", newline="") as rows:
        table = {int(row["errcode"]): _split(row) for row in csv.DictReader(rows)}
    return ["\t".join((str(code), *table[code])).rstrip() for code in sorted(table)]


def _split(row: dict[str, str]) -> tuple[str, str]:
    """Split a documentation comment into WeChat's own errmsg and a short Chinese label."""
    comment, chinese = (" ".join(row[key].split()) for key in ("doc_comment(zh + english errmsg)", "zh"))
    if not _CHINESE.search(chinese):
        return comment, ""
    errmsg = comment.removeprefix(chinese).strip()
    return ("" if _CHINESE.search(errmsg) else errmsg), (chinese if len(chinese) <= _LABEL_LENGTH else "")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]))
