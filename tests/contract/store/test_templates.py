"""Templates keep every version as it was saved, and of two who save on the same base one is told so."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.contract.store.test_many_processes import PROCESSES, set_off

from upperbound.errors import ScenarioError, TemplateConflict, TemplateNotFound
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.model import Scenario
from upperbound.store.engine import Store
from upperbound.store.runs import NewRun
from upperbound.store.tables import template_versions
from upperbound.store.templates import TemplateRow

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

TEXT = """
name: {name}
target: {{kind: postgres, url: "postgresql://app@db.example.com/shop", table: {table}}}
load: {{threads: {threads}, duration_seconds: 20}}
workload:
  operations:
    - {{kind: GENERIC_SQL, name: top customers, operation_type: READ, weight_pct: 100, sql: SELECT 1}}
tags: {tags}
"""


def scenario(name: str = "Orders", *, threads: int = 8, table: str = "public.orders", tags: str = "{}") -> Scenario:
    return parse_scenario(TEXT.format(name=name, threads=threads, table=table, tags=tags)).scenario


def create(store: Store, name: str = "Orders", **fields: Any) -> TemplateRow:
    return store.templates.create(scenario(name, **fields), saved_by="ann")


def names(store: Store, text: str = "", tags: dict[str, str | None] | None = None, **page: int) -> list[str]:
    return [template.name for template in store.templates.search(text, tags, **page).templates]


# Versions


def test_a_template_begins_with_its_scenario_as_version_1(clocked_store: Store, clock: "SetClock") -> None:
    given = scenario(tags="{team: shop, cost: '1'}")
    made = clocked_store.templates.create(given, saved_by="ann", note="imported from orders.yaml")
    assert (made.name, made.latest_version, made.load_mode, made.table_type) == ("Orders", 1, "CONCURRENCY", "POSTGRES")
    assert made.tags == {"team": "shop", "cost": "1"}
    assert (made.created_by, made.created_at, made.updated_by, made.updated_at) == ("ann", clock.moment) * 2
    assert clocked_store.templates.get(made.template_id) == made
    kept = clocked_store.templates.version(made.template_id)
    assert kept.scenario == given
    assert (kept.version, kept.note, kept.saved_by, kept.saved_at) == (
        1,
        "imported from orders.yaml",
        "ann",
        clock.moment,
    )


def test_every_version_stays_as_it_was_saved(clocked_store: Store, clock: "SetClock") -> None:
    template_id = create(clocked_store).template_id
    first, began = clocked_store.templates.version(template_id), clock.moment
    for threads in (16, 32):
        clock.advance(60)
        base = clocked_store.templates.get(template_id).latest_version
        saved = clocked_store.templates.save(
            template_id, scenario(threads=threads), base_version=base, saved_by="bob", note=f"{threads} threads"
        )
        assert saved.latest_version == base + 1
        assert (saved.created_by, saved.created_at, saved.updated_by, saved.updated_at) == (
            "ann",
            began,
            "bob",
            clock.moment,
        )
    assert clocked_store.templates.version(template_id, 1) == first
    found = [clocked_store.templates.version(template_id, version).scenario for version in (1, 2, 3)]
    assert found == [scenario(threads=threads) for threads in (8, 16, 32)]
    assert [(row.version, row.note) for row in clocked_store.templates.versions(template_id)] == [
        (3, "32 threads"),
        (2, "16 threads"),
        (1, ""),
    ]


def test_saving_the_same_again_makes_no_version(store: Store) -> None:
    made = create(store)
    assert store.templates.save(made.template_id, scenario(), base_version=1, saved_by="bob") == made
    assert len(store.templates.versions(made.template_id)) == 1


def test_a_stale_base_is_refused_with_both_versions_named(store: Store) -> None:
    template_id = create(store).template_id
    store.templates.save(template_id, scenario(threads=16), base_version=1, saved_by="bob")
    with pytest.raises(TemplateConflict, match=r"'Orders' is at version 2, saved by bob, .* made to version 1"):
        store.templates.save(template_id, scenario(threads=32), base_version=1, saved_by="ann")
    with pytest.raises(TemplateConflict, match=r"at version 2, .* version 3"):
        store.templates.save(template_id, scenario(threads=32), base_version=3, saved_by="ann")
    assert store.templates.version(template_id).scenario == scenario(threads=16)


def test_of_many_threads_that_save_on_one_base_exactly_one_wins(store: Store) -> None:
    template_id = create(store).template_id
    together = Barrier(6)

    def save(number: int) -> bool:
        together.wait(30)
        try:
            store.templates.save(template_id, scenario(threads=100 + number), base_version=1, saved_by=f"user {number}")
        except TemplateConflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(save, range(6)))
    assert won.count(True) == 1
    winner = won.index(True)
    latest = store.templates.version(template_id)
    assert (latest.version, latest.saved_by) == (2, f"user {winner}")
    assert latest.scenario == scenario(threads=100 + winner)
    assert [row.version for row in store.templates.versions(template_id)] == [2, 1]


def test_of_many_processes_that_save_on_one_base_exactly_one_wins(
    store: Store,
    store_url: str,
    start_writer: Callable[..., subprocess.Popen[str]],
    repeats: Callable[[int, int], int],
) -> None:
    processes = repeats(PROCESSES, 3)
    template_id = create(store).template_id
    printed = set_off([start_writer("save", store_url, template_id, str(number)) for number in range(processes)])
    assert sorted(word for words in printed for word in words) == ["refused"] * (processes - 1) + ["saved"]
    winner = next(number for number, words in enumerate(printed) if words == ["saved"])
    assert store.templates.version(template_id).scenario.tags == {"writer": str(winner)}
    assert store.templates.get(template_id).tags == {"writer": str(winner)}


def test_of_many_threads_that_take_one_name_exactly_one_gets_it(store: Store) -> None:
    together = Barrier(4)

    def take(number: int) -> bool:
        together.wait(30)
        try:
            create(store, threads=number + 1)
        except TemplateConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(take, range(4))).count(True) == 1
    assert names(store) == ["Orders"]


# Names and tags


def test_a_template_is_renamed_in_a_new_version(store: Store) -> None:
    template_id = create(store).template_id
    renamed = store.templates.rename(template_id, "Orders, old", saved_by="bob")
    assert (renamed.template_id, renamed.name, renamed.latest_version) == (template_id, "Orders, old", 2)
    assert [store.templates.version(template_id, version).scenario.name for version in (1, 2)] == [
        "Orders",
        "Orders, old",
    ]
    assert store.templates.versions(template_id)[0].note == "renamed from Orders"
    assert create(store).name == "Orders", "its old name is free again"


@pytest.mark.parametrize("name", ["Taken", "demo"])
def test_a_name_that_is_taken_is_refused_and_nothing_changes(store: Store, name: str) -> None:
    create(store, "Taken")
    template_id = create(store).template_id
    with pytest.raises(TemplateConflict, match=name):
        create(store, name)
    with pytest.raises(TemplateConflict, match=name):
        store.templates.rename(template_id, name, saved_by="bob")
    with pytest.raises(TemplateConflict, match=name):
        store.templates.duplicate(template_id, name, saved_by="bob")
    with pytest.raises(TemplateConflict, match=name):
        store.templates.save(template_id, scenario(name), base_version=1, saved_by="bob")
    assert names(store) == ["Orders", "Taken"]
    assert [row.version for row in store.templates.versions(template_id)] == [1]


def test_a_name_that_is_none_is_refused(store: Store) -> None:
    template_id = create(store).template_id
    for name in ("", "  ", "two\nlines", "x" * 201):
        with pytest.raises(ScenarioError, match="name"):
            store.templates.rename(template_id, name, saved_by="bob")
    assert store.templates.get(template_id).latest_version == 1


def test_tags_are_set_replaced_and_removed_and_others_stay(store: Store) -> None:
    template_id = create(store, tags="{team: shop, stage: draft}").template_id
    tagged = store.templates.tag(template_id, {"stage": "final", "team": None, "größe": "a=b c"}, saved_by="bob")
    assert (tagged.tags, tagged.latest_version) == ({"stage": "final", "größe": "a=b c"}, 2)
    assert store.templates.version(template_id).scenario.tags == tagged.tags
    assert store.templates.version(template_id, 1).scenario.tags == {"team": "shop", "stage": "draft"}
    again = store.templates.tag(template_id, {"stage": "final", "none": None}, saved_by="bob")
    assert again == tagged, "nothing to change makes no version"


# Finding


def test_a_template_is_found_by_name_or_id_and_a_name_goes_first(store: Store) -> None:
    made = create(store)
    other = create(store, made.template_id)
    assert store.templates.find("Orders") == made
    assert store.templates.find(made.template_id) == other
    assert store.templates.find(other.template_id) == other


def test_a_misspelt_name_is_refused_with_what_was_meant(store: Store) -> None:
    create(store, "Hybrid point reads")
    for name in ("hybrid point reads", "Hybrid pint reads", "point"):
        with pytest.raises(TemplateNotFound, match=f"no template '{name}'") as caught:
            store.templates.find(name)
        assert caught.value.hint == "did you mean 'Hybrid point reads'?"
    with pytest.raises(TemplateNotFound) as caught:
        store.templates.find("zzz")
    assert "upperbound template list" in caught.value.hint


def test_a_search_finds_every_word_in_names_tags_tables_and_operations(store: Store) -> None:
    create(store, "Orders, mostly READS", tags="{team: Größe}")
    create(store, "Events 100%_done", table="public.events", tags="{team: data}")
    assert names(store) == ["Events 100%_done", "Orders, mostly READS"]
    assert names(store, "reads orders") == ["Orders, mostly READS"]
    assert names(store, "GRÖSSE") == ["Orders, mostly READS"]
    assert names(store, "public.events") == names(store, "100%_") == ["Events 100%_done"]
    assert len(names(store, "TOP customers")) == 2
    assert names(store, "reads events") == names(store, "%")[1:] == []


def test_a_search_follows_the_newest_version(store: Store) -> None:
    template_id = create(store, tags="{team: shop}").template_id
    store.templates.save(template_id, scenario("Bills", tags="{team: data}"), base_version=1, saved_by="bob")
    assert names(store, "orders", {"team": "shop"}) == names(store, "", {"team": "shop"}) == []
    assert names(store, "bills", {"team": "data"}) == ["Bills"]


def test_a_search_by_tags_wants_every_one_of_them(store: Store) -> None:
    create(store, "A", tags="{team: shop, stage: final}")
    create(store, "B", tags="{team: shop}")
    create(store, "C", tags='{"quote\\"d": final}')
    assert names(store, "", {"team": "shop"}) == ["A", "B"]
    assert names(store, "", {"team": "shop", "stage": None}) == ["A"]
    assert names(store, "", {"team": "Shop"}) == []
    assert names(store, "", {'quote"d': "final"}) == ["C"]


def test_what_is_found_comes_in_pages_without_gap_or_repeat(store: Store) -> None:
    for number in range(7):
        create(store, f"T{number}", tags="{team: shop}")
    pages = [store.templates.search("t", {"team": "shop"}, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [[row.name for row in page.templates] for page in pages] == [
        ["T0", "T1", "T2"],
        ["T3", "T4", "T5"],
        ["T6"],
        [],
    ]
    assert [page.total for page in pages] == [7] * 4
    assert all(row.tags == {"team": "shop"} for page in pages for row in page.templates)


# Copies and ends


def test_a_duplicate_goes_its_own_way(store: Store) -> None:
    made = create(store, tags="{team: shop}")
    store.templates.save(made.template_id, scenario(threads=16), base_version=1, saved_by="bob")
    copy = store.templates.duplicate(made.template_id, "Copy", saved_by="bob", version=1)
    assert (copy.name, copy.latest_version, copy.created_by, copy.tags) == ("Copy", 1, "bob", {"team": "shop"})
    assert store.templates.version(copy.template_id).scenario == scenario("Copy", tags="{team: shop}")
    assert store.templates.versions(copy.template_id)[0].note == "duplicated from Orders, version 1"
    store.templates.tag(copy.template_id, {"x": "y"}, saved_by="bob")
    assert store.templates.get(made.template_id).latest_version == 2
    newest = store.templates.duplicate(made.template_id, "Newest", saved_by="bob")
    assert store.templates.version(newest.template_id).scenario == scenario("Newest", threads=16)


def test_a_deleted_template_is_gone_and_its_runs_keep_what_they_ran(
    store: Store, new_run: Callable[..., NewRun]
) -> None:
    template_id = create(store, tags="{team: shop}").template_id
    snapshot = {"scenario": store.templates.version(template_id).document}
    store.runs.create(new_run(template_id=template_id, template_version=1, scenario=snapshot))
    store.templates.delete(template_id)
    run = store.runs.get("run-1")
    assert (run.template_id, run.template_version, run.scenario_config) == (template_id, 1, snapshot)
    assert names(store, "", {"team": "shop"}) == names(store) == []
    assert create(store).template_id != template_id


def test_what_does_not_exist_is_told(store: Store) -> None:
    template_id = create(store).template_id
    with pytest.raises(TemplateNotFound, match="'Orders' has no version 2") as caught:
        store.templates.version(template_id, 2)
    assert caught.value.hint == "it has versions 1 to 1"
    templates = store.templates
    for call in (
        lambda: templates.get("t-none"),
        lambda: templates.version("t-none"),
        lambda: templates.version("t-none", 1),
        lambda: templates.versions("t-none"),
        lambda: templates.delete("t-none"),
        lambda: templates.tag("t-none", {"a": "b"}, saved_by="x"),
        lambda: templates.rename("t-none", "X", saved_by="x"),
        lambda: templates.duplicate("t-none", "X", saved_by="x"),
        lambda: templates.save("t-none", scenario(), base_version=1, saved_by="x"),
    ):
        with pytest.raises(TemplateNotFound, match="t-none"):
            call()


def test_what_a_store_cannot_hold_does_not_keep_a_template_out(store: Store) -> None:
    given = parse_scenario(
        TEXT.format(name="Odd", threads=1, table="t", tags='{"a\\0b": "c\\0d", "e\\u2028": "🙂"}')
    ).scenario
    made = store.templates.create(given, saved_by="ann")
    assert store.templates.version(made.template_id).scenario == given
    assert made.tags["e\u2028"] == "🙂"


def test_a_scenario_that_an_older_version_kept_without_the_keys_of_this_one_is_the_same(
    store: Store, engine: Any
) -> None:
    template_id = create(store).template_id
    older = store.templates.version(template_id).document
    for operation in older["workload"]["operations"]:
        for later in ("expect", "statements", "retry"):
            del operation[later]
    with engine.begin() as connection:
        connection.execute(sa.update(template_versions).values(scenario=older))
    assert store.templates.version(template_id).document == older
    assert store.templates.save(template_id, scenario(), base_version=1, saved_by="bob").latest_version == 1
    assert store.templates.tag(template_id, {}, saved_by="bob").latest_version == 1
    assert store.templates.tag(template_id, {"team": "shop"}, saved_by="bob").latest_version == 2


def test_a_scenario_that_is_not_accepted_any_more_can_still_be_read_and_says_what_is_wrong(
    store: Store, engine: Any
) -> None:
    template_id = create(store).template_id
    with engine.begin() as connection:
        statement = 'UPDATE template_versions SET scenario = \'{"name": "Orders", "tags": {}, "old": 1}\''
        connection.exec_driver_sql(statement)
    kept = store.templates.version(template_id)
    assert kept.document["old"] == 1
    with pytest.raises(ScenarioError, match="old"):
        _ = kept.scenario
    with pytest.raises(ScenarioError):
        store.templates.rename(template_id, "X", saved_by="bob")
