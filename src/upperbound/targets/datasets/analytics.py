"""Sales of a chain of stores: a table of facts with two dimensions, for reads as reports make them."""

from datetime import date
from typing import Final

from upperbound.targets.datasets.dataset import DataSet, DataTable, Recipe
from upperbound.targets.datasets.noise import noise, pick, row_numbers
from upperbound.targets.datasets.rows import binary_rows, date_cells, int4, int8, numeric_cells, text_lines

SALES: Final = 1_000_000
PRODUCTS: Final = 1_000
STORES: Final = 100
FIRST_DAY: Final = date(2024, 1, 1)
DAYS: Final = 731
"""Two years, the first of them a leap year."""
_CATEGORIES: Final = ("books", "clothing", "food", "garden", "home", "music", "office", "sports", "tools", "toys")
_REGIONS: Final = ("north", "east", "south", "west")


def _sales(recipe: Recipe, rows: range) -> bytes:
    numbers = row_numbers(rows)
    days = (numbers - 1) * DAYS // (SALES * recipe.scale)
    # The product of two uniform draws: some products sell far better than others.
    first, second = (pick(noise(recipe.seed, column, numbers), PRODUCTS) for column in (1, 2))
    product = 1 + first * second // PRODUCTS
    store = 1 + pick(noise(recipe.seed, 3, numbers), STORES)
    quantity = 1 + pick(noise(recipe.seed, 4, numbers), 5)
    cents = quantity * (99 + pick(noise(recipe.seed, 5, numbers), 20_000))
    columns = [int8(numbers), date_cells(days, FIRST_DAY), int4(product), int4(store), int4(quantity)]
    return binary_rows(len(numbers), [*columns, numeric_cells(cents)])


def _products(recipe: Recipe, rows: range) -> bytes:
    brands = pick(noise(recipe.seed, 6, row_numbers(rows)), 50).tolist()
    return text_lines(
        f"{number}\tproduct {number}\t{_CATEGORIES[number % len(_CATEGORIES)]}\tbrand {brand + 1}"
        for number, brand in zip(rows, brands, strict=True)
    )


def _stores(_recipe: Recipe, rows: range) -> bytes:
    return text_lines(f"{number}\tstore {number}\t{_REGIONS[number % len(_REGIONS)]}" for number in rows)


ANALYTICS: Final = DataSet(
    name="analytics",
    about="A fact table of sales over two years with the dimensions product and store, for reads as reports make them.",
    size="1,000,000 sales, 1,000 products, 100 stores (these two at every scale); about 102 MB",
    tables=(
        DataTable(
            "product",
            lambda _scale: (
                "CREATE TABLE product (product_id integer NOT NULL, name text NOT NULL, category text NOT NULL, "
                "brand text NOT NULL)"
            ),
            lambda _scale: PRODUCTS,
            _products,
            binary=False,
        ),
        DataTable(
            "store",
            lambda _scale: "CREATE TABLE store (store_id integer NOT NULL, name text NOT NULL, region text NOT NULL)",
            lambda _scale: STORES,
            _stores,
            binary=False,
        ),
        DataTable(
            "sales",
            lambda _scale: (
                "CREATE TABLE sales (sale_id bigint NOT NULL, sold_on date NOT NULL, product_id integer NOT NULL, "
                "store_id integer NOT NULL, quantity integer NOT NULL, amount numeric(12, 2) NOT NULL)"
            ),
            lambda scale: SALES * scale,
            _sales,
        ),
    ),
    finish=(
        "ALTER TABLE product ADD PRIMARY KEY (product_id)",
        "ALTER TABLE store ADD PRIMARY KEY (store_id)",
        "ALTER TABLE sales ADD PRIMARY KEY (sale_id)",
        "CREATE INDEX ON sales (sold_on)",
        "CREATE INDEX ON sales (product_id, sold_on)",
    ),
)
