"""Put the results of a matrix into the documentation: tables, scores, the report's picture.

    python benchmarks/describe_matrix.py bench-full benchmarks/full

Writes README.md (headline scores, hardware and cost), scores.csv (all values but those of single
pairs of elements) and, where Chromium is installed, report.png: the head of the page that
`egraff report` made of the same folder.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from egraff_lmp.fileio import write_text
from egraff_lmp.report.words import score_name
from egraff_lmp.runs.machine import hardware, versions

# Title, then key, comparison, mode, part and format of a score.
TABLES = (
    ("Wright's factor of g(r) or h(r), %", "wf", "structure", "egraff", "total", ".3g"),
    ("JSD of pair distances, bit", "jsd", "structure", "egraff", "total", ".2g"),
    ("Neutron-weighted S(q), %", "sq_error", "structure", "egraff", "total", ".3g"),
    ("JSD of bond angles, bit", "angle_jsd", "structure", "egraff", "total", ".2g"),
    ("Units that stay whole, %", "units_intact", "stability", "egraff", "", ".3g"),
    ("Diffusion of Li, A^2/ps (1e-8 m^2/s)", "diffusivity", "transport", "egraff", "Li", ".3g"),
    ("FV on held-out reference frames", "fv", "rerun-reference", "egraff", "", ".2f"),
    ("Force MAE, meV/A", "force_mae", "rerun-reference", "egraff", "", ".3g"),
    ("Rollouts that reached their end", "finished_starts", "survival", "egraff", "", ".0f"),
    ("Stable for, fs", "stability", "stability", "egraff", "", ".3g"),
    ("Time of a step, ms", "ms_per_step", "cost", "egraff", "", ".3g"),
)
FLOOR = "floor"
LONG = (
    "cell",
    "forcefield",
    "window",
    "absence",
    "facts",
)  # columns that the short table leaves out
Row = Mapping[str, str]


def main() -> int:
    """Read the folder, write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="output folder of `egraff bench`")
    parser.add_argument("out", type=Path, help="folder of the documentation")
    parser.add_argument(
        "--busy", action="store_true", help="the machine had other work: no times of a step"
    )
    parser.add_argument("--remark", action="append", default=[], help="a sentence on the run")
    arguments = parser.parse_args()
    lines = (arguments.runs / "scores.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))[1:]  # the first row holds units
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.busy:
        rows = [row for row in rows if row["comparison"] != "cost"]
    text = "\n".join(document(arguments.runs, rows, arguments.remark))
    write_text(arguments.out / "README.md", text + "\n")
    write_text(arguments.out / "scores.csv", short(lines))
    return picture(arguments.runs, arguments.out / "report.png")


def document(runs: Path, rows: Sequence[Row], remarks: Sequence[str]) -> Iterator[str]:
    """The page in Markdown."""
    name = json.loads((runs / "scores.json").read_text(encoding="utf-8"))["name"]
    stages, seconds, cells = cost(runs)
    machine, found = hardware(), versions()
    models = list(dict.fromkeys(row["model"] for row in rows))
    places = list(dict.fromkeys((row["system"], row["temperature_kelvin"]) for row in rows))
    yield f"# `egraff bench {name}`: what it gave"
    yield ""
    yield (
        f"{len(models)} models on {len(places)} systems: {stages} stages (trainings, deployments, "
        f"rollouts, reruns, scores) in {cells} cells took {seconds / 3600:.1f} hours of stage time."
    )
    yield (
        f"Hardware: {machine['processor'] or machine['machine']}, {machine['cores']} cores. "
        f"Versions: {', '.join(f'{k} {found[k]}' for k in sorted(found, key=str.lower))}."
    )
    yield from remarks
    yield ""
    controls = list(dict.fromkeys(row["model"] for row in rows if row.get("control")))
    if controls:
        yield f"Negative controls: {', '.join(f'`{name}`' for name in controls)}."
    yield "`scores.csv` holds all values but those of single pairs of elements; `report.png` is the"
    yield "head of the report. An empty entry: no result, or none that is defined there."
    yield ""
    yield "![report](report.png)"
    for title, *place, form in TABLES:
        yield from table(title, place, form, rows, models, places)
    yield from verdicts(runs)
    yield from resolutions(runs)


def resolutions(runs: Path) -> Iterator[str]:
    """The weakest rung of each ladder that a score tells, by its value and in any way."""
    found = json.loads((runs / "scores.json").read_text(encoding="utf-8")).get("resolutions", [])
    found = [one for one in found if one["part"] in ("", "total") and one["kind"] == "noise"]
    if not found:
        return
    places = list(dict.fromkeys(one["cell"] for one in found))
    yield from ("", "## The weakest noise on the weights that a score tells", "")
    yield "By its value alone; in brackets by rollouts that broke, too. A dash: none of the rungs."
    yield ""
    yield "| score | claims to see | " + " | ".join(places) + " |"
    yield "|---|---|" + "---|" * len(places)
    for label, sees in dict.fromkeys((name_of(one), one["sees"]) for one in found):
        here = {one["cell"]: one for one in found if name_of(one) == label}
        entries = (resolved(here.get(place)) for place in places)
        name = label.replace("|", "\\|")
        yield f"| {name} | {sees} | " + " | ".join(entries) + " |"


def resolved(one: Mapping[str, Any] | None) -> str:
    """A resolution for a table."""
    if one is None:
        return ""
    found = (one["strength"], one["strength_seen"])
    value, seen = ("–" if rung is None else f"{100 * rung:g} %" for rung in found)
    return value if value == seen else f"{value} ({seen})"


def table(
    title: str, place: Sequence[str], form: str, rows: Sequence[Row], models: Sequence[str],
    systems: Sequence[tuple[str, str]],
) -> Iterator[str]:  # fmt: skip
    """One score of every model on every system, with the floor where there is one."""
    mine = [r for r in rows if [r["key"], r["comparison"], r["mode"], r["part"]] == list(place)]
    if not mine:
        return
    floors = any(row["floor"] for row in mine)
    heads = ["system", *models, *([FLOOR] if floors else [])]
    yield from ("", f"## {title}", "", "| " + " | ".join(heads) + " |")
    yield "|" + "---|" * len(heads)
    for system, kelvin in systems:
        here = {r["model"]: r for r in mine if (r["system"], r["temperature_kelvin"]) ==
                (system, kelvin)}  # fmt: skip
        values = [shown(here.get(model, {}).get("value", ""), form) for model in models]
        if floors:
            values.append(shown(next((r["floor"] for r in here.values()), ""), form))
        yield f"| {system}, {float(kelvin):g} K | " + " | ".join(values) + " |"


def verdicts(runs: Path) -> Iterator[str]:
    """In how many systems each score has the negative controls last."""
    found = json.loads((runs / "scores.json").read_text(encoding="utf-8")).get("controls", [])
    ranked = [entry for entry in found if entry["ranking"]["rank"] is not None]
    if not ranked:
        return
    kinds = list(dict.fromkeys(entry["control"] for entry in ranked))
    yield from ("", "## Systems in which a score has the negative control last", "")
    yield "| score | claims to see | " + " | ".join(kinds) + " |"
    yield "|---|---|" + "---|" * len(kinds)
    for label, sees in dict.fromkeys((name_of(entry), entry["sees"]) for entry in ranked):
        counts = []
        for kind in kinds:
            mine = [e["ranking"] for e in ranked if (name_of(e), e["control"]) == (label, kind)]
            counts.append(f"{sum(r['rank'] == r['of'] for r in mine)} of {len(mine)}")
        name = label.replace("|", "\\|")
        yield f"| {name} | {sees} | " + " | ".join(counts) + " |"


def name_of(entry: Mapping[str, Any]) -> str:
    """Name of the score that a verdict is on."""
    return score_name(entry["key"], entry["comparison"], entry["part"])


def shown(text: str, form: str) -> str:
    """A number for a table, whole from 1000 on, or nothing."""
    if not text:
        return ""
    number = float(text)
    return format(number, ".0f" if abs(number) >= 1000 else form)


def cost(runs: Path) -> tuple[int, float, int]:
    """Stages, their seconds in all and the number of cells; shared trainings count once."""
    seconds: dict[str, float] = {}
    cells = sorted(runs.glob("*/bench.json"))
    for path in cells:
        for stage in json.loads(path.read_text(encoding="utf-8"))["stages"]:
            seconds[stage["key"]] = float(stage["seconds"] or 0.0)
    return len(seconds), sum(seconds.values()), len(cells)


def short(lines: Sequence[str]) -> str:
    """The values of the table of scores, without those of single pairs of elements."""
    stream = io.StringIO()
    reader = csv.DictReader(lines)
    names = [name for name in reader.fieldnames or [] if name not in LONG]
    writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in reader if row["value"] and row["part"] in ("", "total"))
    return stream.getvalue()


def picture(runs: Path, path: Path) -> int:
    """The head of the report as a PNG; the exit status of the program that makes it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write("no Chromium on the PATH: the picture is left as it is\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        program = [sys.executable, "-c", "from egraff_lmp.cli import main; main()"]
        subprocess.run([*program, "report", str(runs), "-o", str(page)], check=True)
        shot = Path(folder) / "report.png"
        options: list[Any] = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-sync", "--no-first-run", "--hide-scrollbars", "--window-size=1200,2400",
            f"--user-data-dir={folder}/user", f"--screenshot={shot}", page.as_uri(),
        ]  # fmt: skip
        done = subprocess.run([chromium, *options], stderr=subprocess.DEVNULL, check=False)
        from PIL import Image

        Image.open(shot).convert("RGB").quantize(96).save(path, optimize=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
