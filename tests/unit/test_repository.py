"""What holds for the repository as a whole: imports, scripts, versions, documentation."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp
import pytest

import upperbound

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "upperbound"
SCRIPTS = [ROOT / ".ci" / "run", *sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file())]
DOCUMENTS = [path for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))] if path.is_file()]
IGNORED = {".git", "__pycache__", *(ROOT / ".gitignore").read_text("utf-8").replace("/", "").split()}
BENCHMARKS = sorted((ROOT / "benchmarks").glob("[!_]*.py"))


def repository_files() -> list[Path]:
    """Return the files that are in the repository or about to be, without what the checkout's tools have made."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # no git, an unpacked archive, or a checkout of another user
        paths = [path for path in ROOT.rglob("*") if not IGNORED & set(path.relative_to(ROOT).parts)]
    else:
        paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def id_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Imports


def documented_imports() -> dict[str, set[str]]:
    """Read which packages each package may import, from the table in the documentation."""
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8").partition("<!-- imports -->")[2]
    rows: dict[str, str] = dict(re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", text, re.MULTILINE))
    del rows["package"]
    return {
        package: {"nothing": set(), "everything": set(rows) - {package}}.get(allowed, set(allowed.split(", ")))
        for package, allowed in rows.items()
    }


def forbidden_imports() -> set[tuple[str, str]]:
    """Return every pair of packages of which the first may not import the second."""
    table = documented_imports()
    return {(package, other) for package in table for other in table if other not in table[package] | {package}}


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Check the real contracts against the package ``upperbound`` in ``directory``."""
    return subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--no-logo",
            "--no-cache",
            "--config",
            ROOT / "pyproject.toml",
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def write_tree(directory: Path, imports: Mapping[str, set[str]]) -> None:
    """Write a package ``upperbound`` whose parts import what they are told to, from within a module of theirs."""
    for package, imported in imports.items():
        folder = directory / "upperbound" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "part.py").write_text("".join(f"import {name}\n" for name in sorted(imported)))
    (directory / "upperbound" / "__init__.py").touch()


def violations(output: str) -> set[tuple[str, str]]:
    return {
        (importer.removeprefix("upperbound."), imported.removeprefix("upperbound."))
        for importer, imported in re.findall(r"^([\w.]+) is not allowed to import ([\w.]+):$", output, re.MULTILINE)
    }


def test_every_package_is_in_the_table_of_imports() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__", "__main__", "testing"} == set(documented_imports())


def test_the_packages_keep_to_the_imports_they_are_allowed() -> None:
    result = lint_imports(ROOT / "src")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_contracts_permit_every_import_that_the_table_permits(tmp_path: Path) -> None:
    table = documented_imports()
    write_tree(tmp_path, {package: {f"upperbound.{other}" for other in table[package]} for package in table})
    (tmp_path / "upperbound" / "domain" / "arrays.py").write_text("import hdrh.histogram\nimport numpy\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_contracts_refuse_every_import_that_the_table_does_not_permit(tmp_path: Path) -> None:
    refused = forbidden_imports()
    table = documented_imports()
    write_tree(tmp_path, {package: {f"upperbound.{b}" for a, b in refused if a == package} for package in table})
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert violations(result.stdout) == refused


def test_the_contracts_refuse_drivers_and_io_in_the_pure_packages(tmp_path: Path) -> None:
    imports: dict[str, set[str]] = {package: set() for package in documented_imports()}
    imports |= {"domain": {"psycopg", "asyncio", "sqlalchemy.orm"}, "errors": {"rich.console"}, "clock": {"numpy"}}
    write_tree(tmp_path, imports)
    assert violations(lint_imports(tmp_path).stdout) == {
        ("domain", "psycopg"),
        ("domain", "asyncio"),
        ("domain", "sqlalchemy"),
        ("errors", "rich"),
        ("clock", "numpy"),
    }


def test_the_contracts_refuse_a_root_that_imports_and_production_code_that_imports_testing(tmp_path: Path) -> None:
    imports: dict[str, set[str]] = {package: set() for package in [*documented_imports(), "testing"]}
    write_tree(tmp_path, imports | {"store": {"upperbound.testing"}, "testing": {"upperbound.store"}})
    (tmp_path / "upperbound" / "__init__.py").write_text("import upperbound.errors\n")
    output = lint_imports(tmp_path).stdout
    assert "upperbound.store.part -> upperbound.testing" in output
    assert "upperbound -> upperbound.errors" in output
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = len(project["tool"]["importlinter"]["contracts"])
    assert f"Contracts: {contracts - 2} kept, 2 broken." in output


@pytest.mark.parametrize(
    ("package", "allowed"),
    [("errors", ()), ("clock", ()), ("domain", ("numpy", "hdrh"))],
    ids=str,
)
def test_the_pure_packages_import_no_other_third_party_package(package: str, allowed: tuple[str, ...]) -> None:
    graph = grimp.build_graph("upperbound", include_external_packages=True, cache_dir=None)
    name = f"upperbound.{package}"
    modules = {name, *graph.find_descendants(name)}
    imported = {
        other.partition(".")[0] for module in modules for other in graph.find_modules_directly_imported_by(module)
    }
    assert imported - {"upperbound"} - sys.stdlib_module_names <= set(allowed)


# Scripts


@pytest.mark.parametrize("script", SCRIPTS, ids=id_of)
def test_a_script_can_be_run_and_stops_at_the_first_error(script: Path) -> None:
    text = script.read_text("utf-8")
    assert os.access(script, os.X_OK)
    assert text.startswith(("#!/usr/bin/env bash\n", "#!/bin/sh\n"))
    assert "\nset -eu\n" in text


def test_the_scripts_have_no_findings_of_shellcheck() -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("tool missing: shellcheck is not installed")
    files = [*SCRIPTS, *(ROOT / "scripts" / "lib").glob("*.sh")]
    result = subprocess.run(
        [shellcheck, "--external-sources", "--source-path=SCRIPTDIR", *map(str, files)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


def test_the_compiled_part_of_the_loop_has_no_warnings_of_the_compiler(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("tool missing: there is no system compiler")
    source = ROOT / "src" / "upperbound" / "loadgen" / "loop.c"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fPIC"]
    result = subprocess.run(
        [compiler, *flags, "-c", str(source), "-o", str(tmp_path / "loop.o")], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_a_python_that_is_too_old_is_refused_with_a_way_out(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    environment = os.environ | {"UPPERBOUND_PYTHON": str(old)}
    result = subprocess.run([ROOT / "scripts" / "bench"], env=environment, capture_output=True, text=True, timeout=30)
    assert result.returncode == 2
    assert f"UPPERBOUND_PYTHON={old} is not a Python of version 3.11 or newer" in result.stderr


def test_every_benchmark_says_in_one_line_what_it_compares() -> None:
    docstrings = {path: ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "" for path in BENCHMARKS}
    assert [id_of(path) for path, text in docstrings.items() if not text.partition("\n")[0].endswith(".")] == []


# Versions


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / lock).read_text("utf-8")
    return dict(re.findall(r"^([\w.\-\[\]]+)==([\w.+!]+)", text, re.MULTILINE))


def test_the_tests_run_with_the_versions_that_users_get() -> None:
    assert pins("runtime.lock").items() <= pins("dev.lock").items()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=~! ]", requirement, maxsplit=1)[0].lower() for requirement in wanted}
    assert names <= {name.partition("[")[0] for name in pins("dev.lock")}


def test_the_changelog_tells_what_is_in_this_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == upperbound.__version__


# Sources and documentation


def test_every_package_says_what_it_holds() -> None:
    silent = [
        id_of(path)
        for path in PACKAGE.rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    pattern = re.compile(rb"(?<![\w.~>)}\]-])/(?:home/[a-z]|Users/[A-Za-z]|root/|work/)")
    found = [
        f"{id_of(path)}:{number}: {line.decode(errors='replace').strip()}"
        for path in repository_files()
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def prose(path: Path) -> str:
    """Return a document without its code blocks, in which brackets are not links and hashes not headings."""
    return re.sub(r"^( *)```.*?^\1```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the fragments that a document's headings can be linked by, as code hosts form them."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def internal_links(document: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(<?([^)\s>]+)", prose(document)):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("document", DOCUMENTS, ids=id_of)
def test_the_internal_links_of_a_document_lead_somewhere(document: Path) -> None:
    broken = []
    for link in internal_links(document):
        name, _, fragment = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (fragment and target.suffix == ".md" and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_of_the_documentation_leads_to_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in internal_links(index)}
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {index.resolve()}
    assert sorted(map(id_of, pages - linked)) == []
