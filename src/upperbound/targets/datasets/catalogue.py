"""The data sets there are, by name."""

import difflib

from upperbound.errors import ConfigurationError
from upperbound.targets.datasets.analytics import ANALYTICS
from upperbound.targets.datasets.dataset import DataSet
from upperbound.targets.datasets.events import EVENTS
from upperbound.targets.datasets.orders import ORDERS
from upperbound.targets.datasets.tpcb import TPCB
from upperbound.targets.datasets.ycsb import YCSB

DATA_SETS = (TPCB, YCSB, ORDERS, EVENTS, ANALYTICS)


def find_data_set(name: str) -> DataSet:
    """Return the data set of this name.

    Raises:
        ConfigurationError: there is none.
    """
    names = [data_set.name for data_set in DATA_SETS]
    if name in names:
        return DATA_SETS[names.index(name)]
    near = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise ConfigurationError(f"there is no data set {name!r}", hint=hint)
