"""The pages beyond the chapter, the measured ratios, the glossary, the names and the references."""

import ast
import builtins
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pypandoc
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import utils.data
import utils.descent
import utils.gradients
import utils.optimizers
from book.config import Book
from book.proof import measure
from utils.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "chapters"
PAGES = (
    "beyond-learning-rate",
    "beyond-optimizers",
    "beyond-minibatches",
    "beyond-loading",
    "beyond-workers",
)
X, _, y, _ = utils.data.load_chapter_data()


def text_of(page: Path) -> str:
    """The Markdown of a page, code and outputs left out."""
    if page.suffix == ".qmd":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def code_of(page: Path) -> str:
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")


def printed_by(name: str) -> str:
    cells = nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4).cells
    return "".join(
        output.text
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )


def book_pages() -> list[Path]:
    return [ROOT / "index.qmd", *sorted(CHAPTERS.glob("*.qmd")), *sorted(CHAPTERS.glob("*.ipynb"))]


ALL = {page: text_of(page) for page in book_pages() if page.is_file()}


# How large may the learning rate be? -------------------------------------------------------------


@pytest.fixture(scope="module")
def curvature():
    """Smallest and largest eigenvalue from the design matrix, not from the book's Hessian."""
    A = np.column_stack([np.ones_like(X), X])
    return np.sort(2 * np.linalg.svd(A, compute_uv=False) ** 2 / X.size)


def test_the_eigenvalues_are_those_of_the_singular_values(curvature):
    assert np.allclose(np.linalg.eigvalsh(utils.gradients.mse_hessian(X)), curvature, rtol=1e-12)
    assert [f"{value:.5f}" for value in curvature] == ["0.14041", "2.46339"]
    assert f"{utils.gradients.learning_rate_limit(X):.5f}" == f"{2 / curvature[1]:.5f}" == "0.81189"


def test_the_page_prints_what_numpy_finds(curvature):
    small, large = curvature
    output = printed_by("beyond-learning-rate")
    for expected in (
        f"eigenvalues {small:.5f} and {large:.5f}, condition number {large / small:.2f}",
        f"2 / lambda_max = {2 / large:.5f}",
        f"best eta {2 / (small + large):.5f}",
        f"factor at most {(large - small) / (large + small):.5f}",
        "condition number 1.00000\nlimit 1.00000, best eta 0.50000",
    ):
        assert expected in output


@pytest.mark.parametrize("share, settles", [(0.999, True), (1.001, False)])
def test_the_limit_separates_convergence_from_divergence(share, settles):
    lr = share * utils.gradients.learning_rate_limit(X)
    losses = utils.descent.gradient_descent(X, y, lr=lr, steps=4000).losses
    assert (losses[-1] < losses[200]) == settles


def test_no_fixed_learning_rate_has_a_better_rate_than_the_best_one(curvature):
    best = 2 / curvature.sum()
    rates = np.abs(1 - np.linspace(1e-3, 1, 1000)[:, None] * curvature).max(axis=1)
    assert np.abs(1 - best * curvature).max() <= rates.min()


# The optimizers ----------------------------------------------------------------------------------

TORCH = {
    "gd": torch.optim.SGD,
    "momentum": lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
}


def test_every_optimizer_has_its_partner_in_pytorch():
    assert TORCH.keys() == OPTIMIZERS.keys()


@pytest.mark.parametrize("name", OPTIMIZERS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lr=st.floats(1e-4, 1.0),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_the_rules_are_those_of_pytorch(name, seed, lr, scale):
    """Fed the same 30 gradients, both visit the same points, up to the rounding of the longest."""
    random = np.random.default_rng(seed)
    ours = random.normal(size=2)
    theta = torch.tensor(ours, requires_grad=True)
    rule, theirs = OPTIMIZERS[name](lr), TORCH[name]([theta], lr=lr)
    size = np.abs(ours).max()
    for gradient in scale * random.normal(size=(30, 2)):
        ours = rule.step(ours, gradient)
        theta.grad = torch.from_numpy(gradient.copy())
        theirs.step()
        size = max(size, np.abs(ours).max())
        assert np.allclose(ours, theta.detach().numpy(), rtol=0, atol=1e-12 * size)


# When mini-batches pay ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minibatches():
    return measure.definitions("beyond-minibatches.ipynb")


@pytest.mark.parametrize("batch_size", [1, 8, 32, 84, 85])
def test_the_walk_of_the_page_is_that_of_utils(minibatches, batch_size):
    run = utils.descent.minibatch_gradient_descent(
        X, y, lr=0.2, epochs=3, batch_size=batch_size, order="reshuffled"
    )
    updates = len(run.path) - 1
    walk = minibatches["walk"](X, y, 0.2, batch_size)
    path = np.array([next(walk) for _ in range(updates)])
    assert np.allclose(path, run.path[1:], rtol=1e-12)


@given(n=st.integers(1, 200), batch_size=st.integers(1, 250), updates=st.integers(0, 60))
def test_points_seen_counts_the_short_batches(minibatches, n, batch_size, updates):
    sizes = [min(batch_size, n - first) for first in range(0, n, batch_size)]
    expected = sum(sizes[k % len(sizes)] for k in range(updates))
    assert minibatches["points_seen"](updates, n, batch_size) == expected


def test_the_loss_without_the_data_is_the_loss(minibatches):
    J, smallest = minibatches["loss_of"](X, y)
    assert smallest == pytest.approx(utils.gradients.mse(utils.gradients.least_squares(X, y), X, y))
    for params in ((1.0, 1.5), (2.3, 1.2), (-4.0, 7.0)):
        assert J(params) == pytest.approx(utils.gradients.mse(params, X, y), rel=1e-12)


def test_theory_and_count_of_the_noise_floor_agree():
    rows = re.findall(
        r"^ *(\d+) +(0\.\d) +(\d\.\d\d) +(\d\.\d\d)$",
        printed_by("beyond-minibatches"),
        re.MULTILINE,
    )
    assert len(rows) == 4
    for _, _, counted, predicted in rows:
        assert float(counted) == pytest.approx(float(predicted), rel=0.06)


# The recorded ratios -----------------------------------------------------------------------------

RECORD = json.loads(measure.RECORD.read_text(encoding="utf-8"))


def groups(record):
    """All ratios of a record, with a name for each."""
    for size, ways in record["loading"]["batch_sizes"].items():
        for name, way in ways.items():
            yield f"loading {size} {name}", way
    for n, runs in record["minibatches"].items():
        for run in runs:
            yield f"minibatches {n} {run['batch_size']} {run['lr']:.4f} {run['draw']}", run


def form_of(record):
    """Names of all ratios, with what depends on the size of the large dataset left out, and keys."""
    return [
        (re.sub(r"1000000|1000|0\.7\d+", "*", name), set(entry)) for name, entry in groups(record)
    ]


def test_the_record_says_how_and_where_it_was_made():
    assert RECORD["command"] == "make measure"
    assert RECORD["environment"].keys() == measure.environment().keys()
    assert all(RECORD["environment"].values())
    assert "/" not in json.dumps(RECORD["environment"]), "no paths of the machine"


def test_one_command_makes_the_record_anew(tmp_path, monkeypatch):
    """A small run of ``make measure`` writes a file of the same form."""
    output = tmp_path / "timings.json"
    monkeypatch.setattr(measure, "RECORD", output)
    monkeypatch.setattr(measure, "_seconds", lambda task: (task(), 1.0)[1])
    measure.main(
        loading={"points": 64, "rounds": 2},
        minibatches={"sizes": (85, 1000), "rounds": 2},
        workers={"sizes": (64,), "rounds": 2},
        disk={"blocks": 4, "read_blocks": 2, "size": 1000, "rounds": 2},
    )
    made = json.loads(output.read_text(encoding="utf-8"))
    assert made.keys() == RECORD.keys()
    assert form_of(made) == form_of(RECORD)


def test_the_makefile_has_the_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^measure:.*\n\t.*-m book\.proof\.measure", makefile, re.MULTILINE)


def test_every_recorded_ratio_is_printed_on_a_page():
    loading, minibatch = printed_by("beyond-loading"), printed_by("beyond-minibatches")
    for name, entry in groups(RECORD):
        page = loading if name.startswith("loading") else minibatch
        assert f"{entry['ratio']:.3g}" in page, name
        assert f"({entry['low']:.3g} to {entry['high']:.3g})" in page, name
    assert ("not recorded" in loading) == (RECORD["pinned_memory"] is None)


def test_the_recorded_updates_are_those_of_the_code(minibatches):
    large = utils.data.make_data(1_000_000)
    for n, runs in RECORD["minibatches"].items():
        points = (X, y) if n == "85" else large
        for run in runs:
            if run["batch_size"] < 1_000_000:  # the full batches take seconds
                arguments = run["lr"], run["batch_size"], run["draw"]
                assert run["updates"] == len(minibatches["losses_until"](*points, *arguments))


def test_the_page_prints_what_is_recorded_of_files():
    disk, printed = RECORD["disk"], printed_by("beyond-loading")
    grown = disk["grown_megabytes"]
    for way, megabytes in grown.items():
        assert re.search(rf"^ *{way} +peak memory grew by {megabytes} MB$", printed, re.MULTILINE)
    for n, way in disk["num_workers"].items():
        assert f"num_workers={n}: {way['ratio']:.3g} times" in printed


def test_the_peak_of_a_process_is_its_own(tmp_path):
    """A process that was started by a large one does not inherit its peak; see ``peak``."""
    page = measure.definitions("beyond-loading.ipynb")
    (tmp_path / "blocks.py").write_text(page["BLOCKS"], encoding="utf-8")
    page["write_points"](tmp_path / "points.npy", blocks=160, size=50_000)
    ballast = np.ones(60_000_000)  # 480 MB: more than PyTorch's import takes
    loaded, anew = (page["run_blocks"](tmp_path, 50_000, way) for way in ("loaded", "mapped anew"))
    assert ballast[-1] == 1
    assert loaded[1:] == anew[1:]
    assert loaded[0] > 120e6 > 3 * anew[0]


def test_only_definitions_of_a_page_are_run():
    names = measure.definitions("beyond-loading.ipynb")
    assert set(measure.LOADING) <= names.keys()
    assert "points" not in names and "batches" not in names


# The pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_the_page_says_that_it_goes_beyond_the_chapter(name):
    text = ALL[CHAPTERS / f"{name}.ipynb"]
    assert text.startswith("# ") and 'callout-note title="Beyond the chapter"' in text


@pytest.mark.parametrize("name", PAGES)
def test_stored_outputs_hold_nothing_that_changes_by_the_run(name):
    for cell in nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type in ("stream", "display_data", "execute_result")
            assert output.get("name") != "stderr"
            assert not re.search(r"0x[0-9a-f]{6,}|np\.float64|/tmp/|/home/", json.dumps(output))


# Links, the glossary, the names ------------------------------------------------------------------

GLOSSARY = ALL[CHAPTERS / "glossary.qmd"]
ENTRIES = re.findall(r"^\[(.+?)\]\{#(.+?)\}\n: +(.+)$", GLOSSARY, re.MULTILINE)
ANCHORS = [anchor for _, anchor, _ in ENTRIES]


@cache
def anchors_of(page: Path) -> set[str]:
    """Identifiers of a page as Pandoc makes them."""
    tree = json.loads(pypandoc.convert_text(ALL[page], "json", format="markdown"))
    found = set()

    def walk(node):
        if isinstance(node, dict):
            content = node.get("c")
            if node.get("t") == "Header":
                found.add(content[1][0])
            elif node.get("t") in ("Span", "Div"):
                found.add(content[0][0])
            walk(content)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(tree["blocks"])
    return found - {""}


def links_of(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s:]+\.(?:qmd|ipynb)(?:#[^)\s]*)?|#[^)\s]+)\)", ALL[page])


def test_the_glossary_is_complete_in_form():
    assert len(ENTRIES) == GLOSSARY.count("]{#") == GLOSSARY.count("\n:   ")
    assert len(ENTRIES) >= 30
    for term, anchor, definition in ENTRIES:
        assert anchor == re.sub(r"[^a-z0-9]+", "-", term.lower())
        assert re.search(r"\*First used:\* \[.+?\]\(.+?\)\.$", definition), term


def test_glossary_anchors_are_unique_and_alphabetical():
    assert len(set(ANCHORS)) == len(ANCHORS)
    terms = [term.lower() for term, _, _ in ENTRIES]
    assert terms == sorted(terms)


def test_pandoc_sees_the_glossary_anchors():
    assert set(ANCHORS) <= anchors_of(CHAPTERS / "glossary.qmd")


def test_every_glossary_link_of_the_book_resolves():
    used = set()
    for page in ALL:
        for link in links_of(page):
            if "glossary.qmd#" in link:
                anchor = link.split("#")[1]
                assert anchor in ANCHORS, f"{page.name} links to {link}"
                used.add(anchor)
    assert used


def sections():
    """(link, text) of each section of 5.1 to 5.4, of 5.5 and of each page beyond, in order."""
    for page in Book.read(ROOT).pages:
        name, text = page.source.name, ALL[ROOT / page.source]
        if page.part == "Beyond the chapter":
            title = re.match(r"# (.+)", text)[1]
            yield f"[{title}]({name})", text
        elif name.startswith("5-5-"):
            yield f"[Section 5.5]({name})", text
        elif re.match(r"5-[1-4]-", name):
            for part in re.split(r"^(?=##? )", text, flags=re.MULTILINE)[1:]:
                number, heading = re.match(r"##? (5[.\d]+) (.+)", part).groups()
                slug = re.sub(r"[^\w\s-]", "", heading).lower().replace(" ", "-")
                yield f"[Section {number}]({name}#{slug})", part


#: How the words start that share a stem with a term: the book diverges before it names divergence.
STEMS = {"Divergence": "diverg", "Standardise": "standardis"}


def first_used(term: str, anchor: str) -> str:
    """The link to the first section that uses the term, or links to its entry."""
    words = r"[\s-]".join(re.escape(word) for word in re.split("[ -]", STEMS.get(term, term)))
    pattern = re.compile(rf"(?<![\w-]){words}", re.IGNORECASE)
    return next(
        link
        for link, text in sections()
        if f"(glossary.qmd#{anchor})" in text or pattern.search(re.sub(r"\]\([^)]*\)", "]", text))
    )


@pytest.mark.parametrize("term, anchor, definition", ENTRIES, ids=ANCHORS)
def test_first_used_is_where_the_book_first_uses_the_term(term, anchor, definition):
    assert definition.endswith(f"*First used:* {first_used(term, anchor)}.")


@pytest.mark.parametrize(
    "name", [*(f"{page}.ipynb" for page in PAGES), "glossary.qmd", "names.qmd", "references.qmd"]
)
def test_every_link_of_our_pages_resolves(name):
    page = CHAPTERS / name
    for link in links_of(page):
        target, _, anchor = link.partition("#")
        other = page if not target else (page.parent / target).resolve()
        assert other in ALL, f"{name} links to {link}"
        assert not anchor or anchor in anchors_of(other), f"{name} links to {link}"


@pytest.mark.parametrize(
    "page", [CHAPTERS / f"{name}.ipynb" for name in PAGES], ids=lambda page: page.stem
)
def test_a_term_is_linked_once_on_a_page(page):
    links = [link for link in links_of(page) if "glossary.qmd#" in link]
    assert len(links) == len(set(links))


def names_in(source: str) -> set[str]:
    fields = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg", ast.keyword: "arg"}
    return {
        getattr(node, fields[type(node)])
        for node in ast.walk(ast.parse(source))
        if type(node) in fields
    }


def test_the_code_column_of_the_table_of_names_exists():
    known = set(dir(builtins))
    for source in (ROOT / "utils").glob("*.py"):
        known |= names_in(source.read_text(encoding="utf-8"))
    for page in CHAPTERS.glob("*.ipynb"):
        known |= names_in(code_of(page))
    lines = ALL[CHAPTERS / "names.qmd"].splitlines()
    codes = [line.split("|")[2] for line in lines if line.startswith("| ")][1:]
    assert len(codes) >= 15
    for name in re.findall(r"[A-Za-z_]\w*", " ".join(codes)):
        assert name in known, f"{name} in the table of names"


def test_greek_letters_are_first_used_where_the_table_of_names_says():
    """Each row names the first section whose mathematics has one of the row's symbols."""

    def plain(latex):
        return re.sub(r"[\s{}]", "", latex)

    formulas = [
        (link, plain("".join(re.findall(r"\$\$.+?\$\$|\$.+?\$", text, re.S))))
        for link, text in sections()
    ]
    rows = re.findall(r"^\| \$(.*?)\$ .*\((.+?)\) \|$", ALL[CHAPTERS / "names.qmd"], re.MULTILINE)
    greek = [(symbols.split(r",\ "), used) for symbols, used in rows if symbols.startswith("\\")]
    assert len(greek) >= 4
    for symbols, used in greek:
        bare = [re.escape(plain(symbol).removesuffix("_i")) for symbol in symbols]
        pattern = rf"({'|'.join(bare)})(?![A-Za-z])"
        first = next((link for link, maths in formulas if re.search(pattern, maths)), None)
        assert first is None or first.endswith(f"({used})"), symbols


# References --------------------------------------------------------------------------------------

BIBLIOGRAPHY = (CHAPTERS / "references.bib").read_text(encoding="utf-8")
KEYS = re.findall(r"^@\w+\{(\w+),", BIBLIOGRAPHY, re.MULTILINE)


def test_every_citation_has_an_entry_and_every_entry_a_citation():
    cited = {key for text in ALL.values() for key in re.findall(r"[\[; ]@([a-z]+\d{4})", text)}
    assert cited == set(KEYS)
    assert len(set(KEYS)) == len(KEYS) and sorted(KEYS) == KEYS


def test_pandoc_resolves_the_references_page_without_a_warning():
    done = subprocess.run(
        [pypandoc.get_pandoc_path(), "--from=markdown", "--citeproc", "--fail-if-warnings", "--bibliography",
         CHAPTERS / "references.bib", CHAPTERS / "references.qmd", "--to=html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r'id="ref-(\w+)"', done.stdout)) == set(KEYS)
