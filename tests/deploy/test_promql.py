from __future__ import annotations

import pytest

from tests.deploy.promql import metrics, selectors


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up", {"up"}),
        ('up{job="a or b"} == 0', {"up"}),
        ("sum by (a, b) (rate(x_total[5m] offset 1w)) > 1e3", {"x_total"}),
        ("a * on (project) group_left (team) b:c:d", {"a", "b:c:d"}),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[$__rate_interval])))", {"x_bucket"}),
        ("time() - max(a) or b unless c and on () d offset 2h", {"a", "b", "c", "d"}),
        ("vector(3 * 86400)", set()),
    ],
)
def test_the_metrics_of_an_expression_are_found_among_functions_labels_and_keywords(
    expression: str, found: set[str]
) -> None:
    assert metrics(expression) == found


def test_the_labels_that_select_a_metric_are_told() -> None:
    assert list(selectors('x{project=~"$project", window!="a=b"} / y')) == [("x", ("project", "window")), ("y", ())]
