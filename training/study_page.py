"""The tables of a study: as Markdown, CSV and one HTML page with its contact sheets."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np

from training import page
from training.config import Task
from training.distribution import jackknife_error
from training.evaluate import COLOUR_KID, DETAIL_KID, Metric, main_score, mean_metric
from training.evaluation_folder import csv_text
from training.files import write_text
from training.published import AB_UNIT, COLOUR, SOURCE, SUPERRES
from training.study import Result, parts_of

Table = tuple[str, list[str], list[list[str]]]

# the columns of the comparison: title and name of the figure
_COLUMNS: dict[Task, tuple[tuple[str, str], ...]] = {
    "colorizer": (
        ("a*b* MAE, strength 0", "mae_ab_faithful"),
        ("over all-gray", "mae_ab_faithful_ratio_to_all_gray"),
        ("CIEDE2000, strength 0", "ciede2000_faithful"),
        ("a*b* MAE, strength 1", "mae_ab"),
        ("over all-gray", "mae_ab_ratio_to_all_gray"),
        ("colourfulness over truth's", "colourfulness_ratio"),
        ("KID of a*b* histograms", COLOUR_KID),
    ),
    "superres": (
        ("PSNR-Y, strength 0", "psnr_y_crop{n}_faithful"),
        ("SSIM-Y, strength 0", "ssim_y_crop{n}_faithful"),
        ("completeness", "completeness_faithful"),
        ("purity", "purity_faithful"),
        ("purity, same depth", "purity_same_depth_faithful"),
        ("purity, uncleaned", "purity_uncleaned_faithful"),
        ("flux ratio", "flux_ratio_faithful"),
        ("LR consistency", "lr_consistency_faithful"),
        ("PSNR-Y, strength 1", "psnr_y_crop{n}"),
        ("invented per Mpx, strength 1", "invented_per_mpx"),
        ("KID of band histograms", DETAIL_KID),
    ),
}
_BASELINES = {"colorizer": ("all_gray", "mean_colour", "median_colour"), "superres": ("nearest", "bicubic", "lanczos")}


def write_study(folder: Path, title: str, results: Sequence[Result]) -> str:
    """Write `study.md`, `study.csv` and `index.html` into the study's folder, and return the Markdown."""
    tables = study_tables(results)
    text = f"# {title}\n\n" + "\n\n".join(
        f"## {name}\n\n{page.markdown_table(head, rows)}" for name, head, rows in tables
    )
    write_text(folder / "study.md", text + "\n")
    head = ["recipe", "task", "split", "steps", "seconds", *asdict(Metric("", 0, 0, 0, 0))]
    rows = [
        [one.recipe, one.task, one.split, one.steps, one.seconds, *asdict(metric).values()]
        for one in results
        for metric in one.metrics
    ]
    write_text(folder / "study.csv", csv_text(head, rows))
    blocks = [block for name, head, rows in tables for block in (page.heading(name), page.table(head, rows))]
    for one in results:
        blocks.append(page.heading(f"{one.recipe}: {one.source}"))
        for part in parts_of(Path(one.recipe), one.recipe, one.folds):
            which = f" of fold {part.fold + 1}" if part.folds else ""
            blocks += [
                page.picture(f"{part.place}/evaluation/samples.png", f"frames{which} by {one.recipe}"),
                page.link(f"{part.place}/evaluation/index.html", f"All figures{which}, curves and the worst ten"),
            ]
    write_text(folder / "index.html", page.page(title, blocks))
    return text


def study_tables(results: Sequence[Result]) -> list[Table]:
    """The comparison of each task, the paired differences in it, and the published table beside ours.

    Differences are those of neighbours, and of the task's default recipe, or where it is not there the best, from each
    other one.
    """
    tables: list[Table] = []
    tasks: tuple[Task, ...] = ("colorizer", "superres")
    for task in tasks:
        # PSNRs at different scales cannot stand in one order
        scales = {_main(one)[0] for one in results if one.task == task}
        for name in sorted(scales):
            ranked = _ranked([one for one in results if one.task == task and _main(one)[0] == name])
            what = "Colouring" if task == "colorizer" else f"Enlarging {name.removeprefix('psnr_y_crop')} times"
            tables.append(_comparison(what, task, ranked, name))
            if len(ranked) > 1:
                tables += [_neighbours(what, ranked, name), _against_each(what, task, ranked, name)]
    colour = [one for one in results if one.task == "colorizer"]
    superres = [one for one in results if one.task == "superres"]
    return tables + ([_published_colour(colour)] if colour else []) + ([_published_sr(superres)] if superres else [])


def _main(result: Result) -> tuple[str, bool]:
    name, _, higher = main_score(list(result.rows[0]))
    return name, higher


def _ranked(results: Sequence[Result]) -> list[Result]:
    """Best first, by the main score at strength 0."""

    def key(one: Result) -> float:
        name, higher = _main(one)
        value = _by_name(one)[f"{name}_faithful"].value
        return -value if higher else value

    return sorted(results, key=key)


def _by_name(result: Result) -> dict[str, Metric]:
    return {metric.name: metric for metric in result.metrics}


def _comparison(what: str, task: Task, ranked: Sequence[Result], main: str) -> Table:
    columns = [(title, name.format(n=main.removeprefix("psnr_y_crop"))) for title, name in _COLUMNS[task]]
    head = ["recipe", "weights", "steps", "minutes", *(title for title, _ in columns)]
    rows = []
    for one in ranked:
        known = _by_name(one)
        cells = [_cell(known.get(name)) for _, name in columns]
        rows.append([one.recipe, f"{one.parameters / 1e6:.2f} M", str(one.steps), f"{one.seconds / 60:.1f}", *cells])
    for baseline in _BASELINES[task]:
        known = _by_name(ranked[0])
        # a baseline has no strength: the same figure would stand twice
        ratios = ("ratio_to_all_gray", "colourfulness_ratio")
        names = ["" if name.endswith(ratios) else name.removesuffix("_faithful") for _, name in columns]
        cells = [_cell(known.get(f"{name}_{baseline}")) if name else "" for name in names]
        rows.append([baseline.replace("_", " "), "", "", "", *cells])
    first = ranked[0]
    held_out = f"each held out once, in {first.folds} folds" if first.folds else f"of the {first.split} split"
    return f"{what}: {len(first.rows)} frames {held_out}, {len(set(first.groups))} field groups", head, rows


def _neighbours(what: str, ranked: Sequence[Result], main: str) -> Table:
    name = f"{main}_faithful"
    rows = [
        [f"{better.recipe} − {next_one.recipe}", *_order(_difference(better, next_one, name))]
        for better, next_one in pairwise(ranked)
    ]
    return f"{what}: paired differences of neighbours, {name}", ["pair", "mean difference", "order"], rows


def _against_each(what: str, task: Task, ranked: Sequence[Result], main: str) -> Table:
    """At strength 0 by the main score, at strength 1 by the distance of sets that needs no weights."""
    name, kid = f"{main}_faithful", COLOUR_KID if task == "colorizer" else DETAIL_KID
    ours = next((one for one in ranked if one.recipe == f"default_{task}"), ranked[0])
    rows = [
        [
            f"{ours.recipe} − {other.recipe}",
            *_order(_difference(ours, other, name)),
            *_order(_vivid_difference(ours, other, kid)),
        ]
        for other in ranked
        if other is not ours
    ]
    head = ["pair", f"mean difference, {name}", "order", f"difference, {kid} at strength 1", "order"]
    return f"{what}: paired differences of {ours.recipe} from each other recipe", head, rows


def _difference(one: Result, other: Result, name: str) -> Metric | None:
    """None where they were not scored on the same frames: degraded in another way fewer may be fit to be scored."""
    if one.groups != other.groups:
        return None
    pairs = zip(one.rows, other.rows, strict=True)
    return mean_metric(name, np.array([row[name] - row_of_other[name] for row, row_of_other in pairs]), one.groups)


def _vivid_difference(one: Result, other: Result, kid: str) -> Metric | None:
    """With 1.96 standard errors of a jackknife to both sides; None where a result does not hold what it needs."""
    if not one.without_blocks or not other.without_blocks or one.groups != other.groups:
        return None
    value = _by_name(one)[kid].value - _by_name(other)[kid].value
    margin = 1.96 * jackknife_error(np.subtract(one.without_blocks, other.without_blocks))
    return Metric(kid, value, value - margin, value + margin, len(one.rows))


def _order(difference: Metric | None) -> list[str]:
    """A difference and whether it settles which of two is better."""
    if difference is None:
        return ["", "not measured"]
    settled = difference.low > 0 or difference.high < 0
    return [_cell(difference), "settled" if settled else "not settled: the interval holds 0"]


def _published_colour(results: Sequence[Result]) -> Table:
    """Their columns under honest names: signed bias and mean absolute error of a* and b*, divided by 110."""
    head = ["", "bias a*/110", "bias b*/110", "MAE a*/110", "MAE b*/110", "FID"]
    rows = []
    for published in COLOUR:
        bias, mae = (
            [f"{value:.5f}" for value in pair] if pair else ["", ""] for pair in (published.bias, published.mae)
        )
        rows.append([f"published: {published.what}", *bias, *mae, f"{published.fid:g}"])
    for one in results:
        known = _by_name(one)
        for end, suffix in (("strength 1", ""), ("strength 0", "_faithful")):
            rows.append([f"ours: {one.recipe}, {end}", *_over_110(known, suffix), _fid(known, suffix)])
    for baseline in _BASELINES["colorizer"]:
        known = _by_name(results[0])
        rows.append(
            [f"ours: {baseline.replace('_', ' ')}", *_over_110(known, f"_{baseline}"), _fid(known, f"_{baseline}")]
        )
    return f"The study's table of colourings ({SOURCE}; its test frames share objects with its training)", head, rows


def _over_110(known: dict[str, Metric], suffix: str) -> list[str]:
    names = ("bias_a", "bias_b", "mae_a", "mae_b")
    return [f"{known[f'{name}{suffix}'].value / AB_UNIT:.5f}" for name in names]


def _fid(known: dict[str, Metric], suffix: str) -> str:
    found = next((known[name] for name in known if name in (f"fid_{kind}{suffix}" for kind in _INCEPTIONS)), None)
    return _cell(found) if found else "left out: no weights of Inception"


_INCEPTIONS = ("inception2015", "inception_tv")


def _published_sr(results: Sequence[Result]) -> Table:
    """Their sums are in no stated unit, so only the order can be compared."""
    head = ["", "published L1 sum", "published L2 sum", "our MAE, RGB of 255", "our RMSE, RGB of 255"]
    known = {one.recipe: _by_name(one) for one in results}
    listed = {published.recipe for published in SUPERRES}
    rows = [
        [published.what, f"{published.l1:g}", f"{published.l2:g}", *_rgb_errors(known.get(published.recipe))]
        for published in SUPERRES
    ]
    rows += [[f"ours: {name}", "", "", *_rgb_errors(found)] for name, found in known.items() if name not in listed]
    return f"The study's table of enlargements ({SOURCE}); its sums are in no stated unit", head, rows


def _rgb_errors(known: dict[str, Metric] | None) -> list[str]:
    if known is None:
        return ["", ""]
    means = (np.mean([known[f"{kind}_{channel}"].value for channel in ("red", "green", "blue")]) for kind in _KINDS)
    return [f"{value:.3f}" for value in means]


_KINDS = ("mae", "rmse")


def _cell(metric: Metric | None) -> str:
    return f"{metric.value:.4g} [{metric.low:.4g}, {metric.high:.4g}]" if metric else ""
