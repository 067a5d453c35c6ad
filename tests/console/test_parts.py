"""The parts that pages are made of: templates, charts, times, and the files that go with them."""

import gzip
import hashlib
import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment, TemplateError, UndefinedError

from knownas.console.assets import Assets
from knownas.console.charts import HEIGHT, WIDTH, Chart, Series, bar_chart, line_chart, number_text
from knownas.console.moments import ago, moment
from knownas.console.rendering import Rendering
from tests.console.stage import running

CONSOLE = Path(str(files("knownas.console")))
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))
NOW_MS = 1_800_000_000_000


def rendered(source: str, **values: Any) -> str:
    """Render a template that has the parts at hand."""
    rendering = Rendering(Assets())
    environment: Environment = rendering._environment
    template = environment.from_string('{% import "parts.html" as parts with context %}' + source)
    return template.render({"now_ms": NOW_MS, "csrf": "token", "path": "/here", **values})


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_every_template_is_sound(template: Path) -> None:
    """It compiles, writes nothing unescaped, and has no script, style or handler inline, which the policy forbids."""
    text = template.read_text()
    Rendering(Assets())._environment.get_template(template.name)
    for forbidden in (
        r"\|\s*safe\b",
        r"autoescape",
        r"<style",
        r"\sstyle=",
        r"\son\w+=",
        r"hx-on",
        r"hx-vals",
        r"javascript:",
    ):
        assert re.search(forbidden, text) is None, forbidden
    assert re.search(r"<script(?![^>]*\ssrc=)", text) is None
    assert re.search(r"(?:src|href|action|hx-get|hx-post)=\"(?:https?:)?//", text) is None


def test_a_name_that_is_not_there_is_a_fault() -> None:
    """Nothing is shown as empty because somebody has mistyped it."""
    with pytest.raises(UndefinedError):
        rendered("{{ nothing }}")
    with pytest.raises(TemplateError):
        rendered("{{ Right.NOTHING }}")
    with pytest.raises(KeyError):
        rendered("{{ asset('nothing.css') }}")


@given(st.text())
def test_whatever_stands_in_a_page_is_text(value: str) -> None:
    """In an element and in an attribute: no mark-up comes of it."""
    shown = rendered("<p>{{ value }}</p>{{ parts.copied(value) }}", value=value)
    bare = re.sub(r"</?(?:p|span|code|button)(?: [\w-]+=\"[^\"<>]*\")*>", "", shown)
    assert "<" not in bare
    assert ">" not in bare


def test_times_are_in_utc_and_say_how_long_ago() -> None:
    """To the second, with the rest for machines; of Unix milliseconds and RFC 3339 alike."""
    one = moment(NOW_MS - 90_061_500, NOW_MS)
    assert (one.machine, one.shown, one.ago) == ("2027-01-14T06:58:58.500Z", "2027-01-14 06:58:58 UTC", "1 day ago")
    assert moment("2027-01-14T07:58:58.5+01:00", NOW_MS) == one
    assert "not known" in rendered("{{ parts.time(none) }}")
    assert '<time datetime="2027-01-14T06:58:58.500Z" title="1 day ago">2027-01-14 06:58:58 UTC</time>' in rendered(
        "{{ parts.time(at) }}", at=NOW_MS - 90_061_500
    )


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0, "now"),
        (4, "now"),
        (5, "5 seconds ago"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (-7_200, "in 2 hours"),
        (86_400 * 40, "1 month ago"),
        (31_557_600 * 1_200, "1,200 years ago"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_unit(seconds: float, says: str) -> None:
    """In whole ones."""
    assert ago(seconds) == says


COUNTS = st.lists(st.none() | st.floats(0, 1e12), min_size=1, max_size=50)


def drawn(chart: Chart) -> list[tuple[float, float]]:
    """Return every point that is drawn."""
    lines = [found for one in chart.series for found in re.findall(r"[ML](\S+) (\S+)", one.path)]
    bars = [(bar.x, bar.y) for one in chart.series for bar in one.bars]
    ends = [(bar.x + bar.width, bar.y + bar.height) for one in chart.series for bar in one.bars]
    return [(float(x), float(y)) for x, y in (*lines, *bars, *ends)]


@given(COUNTS, st.integers(1, 3))
@example([5e-324], 3)
@example([9.9e-7, None], 1)
def test_charts_stay_in_their_frame(values: list[float | None], count: int) -> None:
    """Every point of a line and every bar, whatever the numbers are; a point for each that is known."""
    labels = [str(place) for place in range(len(values))]
    series = [Series(f"s{number}", values) for number in range(count)]
    known = sum(value is not None for value in values)
    line, bars = line_chart("t", "d", labels, series), bar_chart("t", "d", labels, series)
    for chart in (line, bars):
        assert all(-0.2 <= x <= WIDTH + 0.2 and -0.2 <= y <= HEIGHT + 0.2 for x, y in drawn(chart))
    assert len(drawn(line)) == known * count
    assert sum(len(one.bars) for one in bars.series) == sum(bool(value) for value in values) * count
    tops = {}
    for one in bars.series:
        for bar in one.bars:
            assert abs(bar.y + bar.height - tops.get(bar.x, bars.base)) < 0.5
            tops[bar.x] = bar.y


@given(COUNTS, st.integers(1, 3))
@example([5e-324], 3)
def test_bars_side_by_side_stand_beside_each_other(values: list[float | None], count: int) -> None:
    """Each on the axis, within the frame, and none before another."""
    labels = [str(place) for place in range(len(values))]
    series = [Series(f"s{number}", values) for number in range(count)]
    chart = bar_chart("t", "d", labels, series, side_by_side=True)
    assert all(-0.2 <= x <= WIDTH + 0.2 and -0.2 <= y <= HEIGHT + 0.2 for x, y in drawn(chart))
    bars = sorted((bar for one in chart.series for bar in one.bars), key=lambda bar: bar.x)
    assert all(abs(bar.y + bar.height - chart.base) < 0.2 for bar in bars)
    assert all(one.x + one.width <= other.x + 0.3 for one, other in pairwise(bars))
    assert len(bars) == sum(bool(value) for value in values) * count


def test_an_axis_ends_at_a_round_number() -> None:
    """Not below the highest value, with its marks written for people."""
    chart = line_chart("t", "d", ["a", "b"], [Series("s", [0, 3_700])])
    assert [row.says for row in chart.rows] == ["0", "1,000", "2,000", "3,000", "4,000"]
    assert [row.says for row in line_chart("t", "d", [], []).rows] == ["0", "0.25", "0.5", "0.75", "1"]
    assert number_text(None) == "not known"
    assert number_text(0.123456) == "0.123"


@pytest.mark.parametrize(
    ("labels", "values"),
    [(["a"], [1.0, 2.0]), (["a"], [-1.0]), (["a"] * 401, [1.0] * 401)],
    ids=["many", "low", "long"],
)
def test_what_can_not_be_drawn_is_refused(labels: list[str], values: list[float]) -> None:
    """A fault of the page."""
    with pytest.raises(ValueError, match=r"chart|series"):
        line_chart("t", "d", labels, [Series("s", values)])
    with pytest.raises(ValueError, match=r"chart|series"):
        bar_chart("t", "d", labels, [Series("s", values)] * 9)


def test_what_is_to_be_typed_stands_out_in_a_sentence() -> None:
    """It is escaped as the rest is; a lone backtick is one."""
    said = rendered("{{ parts.said(sentence) }}", sentence="Run `a <b>`, or `c`.")
    assert said == "Run <code>a &lt;b&gt;</code>, or <code>c</code>."
    assert rendered("{{ parts.said(sentence) }}", sentence="a ` & b") == "a ` &amp; b"


def test_a_chart_has_words_and_a_table() -> None:
    """For whoever does not see it."""
    chart = bar_chart("Known", "How many are known.", ["Mon", "Tue"], [Series("web", [1, 2]), Series("app", [None, 4])])
    shown = rendered("{{ parts.chart(chart, 'c') }}", chart=chart)
    assert '<title id="c-title">Known</title>' in shown
    assert '<desc id="c-description">How many are known.</desc>' in shown
    assert re.search(r'<th scope="row">Tue</th><td class="number">2</td><td class="number">4</td>', shown)
    assert '<td class="number">not known</td>' in shown


def test_lists_are_paged_and_may_be_empty() -> None:
    """A table says what it is of; the next page is a link; where there is nothing, that is said."""
    source = "{% call(one) parts.table('Things', ('A',), rows, next, 'Nothing yet.') %}<td>{{ one }}</td>{% endcall %}"
    full = rendered(source, rows=["<x>"], next="/here?next=abc")
    assert "<caption>Things</caption>" in full
    assert "<td>&lt;x&gt;</td>" in full
    assert '<a class="button" href="/here?next=abc" rel="next">Next page</a>' in full
    none = rendered(source, rows=[], next="")
    assert "Nothing yet." in none
    assert "<table" not in none


def test_what_changes_something_carries_its_token() -> None:
    """Each form, and each that asks first, with what it is about and a way back."""
    for source in (
        "{% call parts.form('/do', 'Do') %}{{ parts.field('name', 'Name', hint='h') }}{% endcall %}",
        "{% call parts.confirm('/do', 'Sure?', 'Do', '/back', {'id': '<1>'}) %}<p>It will.</p>{% endcall %}",
    ):
        shown = rendered(source)
        assert 'method="post" action="/do"' in shown
        assert '<input type="hidden" name="csrf" value="token">' in shown
    assert '<input type="hidden" name="id" value="&lt;1&gt;">' in shown
    assert 'href="/back"' in shown


def test_what_is_under_way_is_looked_at_again_until_it_is_done() -> None:
    """By a script where there is one, by a link where there is none; not any more when it is done."""
    source = "{% call parts.progress('job', '/job', 'Working', 1, 4, done) %}<p>1 of 4</p>{% endcall %}"
    going, over = rendered(source, done=False), rendered(source, done=True)
    assert 'hx-trigger="every 2s"' in going
    assert '<a href="/job">' in going
    assert '<progress value="1" max="4"' in going
    assert "hx-" not in over


def test_the_way_through_a_page_is_links() -> None:
    """Tabs say where one is; a picker asks by an address."""
    shown = rendered("{{ parts.tabs('Parts', (('One', '/here'), ('Two', '/there'))) }}")
    assert '<a href="/here" aria-current="page">One</a>' in shown
    assert '<a href="/there">Two</a>' in shown
    picked = rendered("{{ parts.picker('/p', (('scope', 'Scope', (('a', 'A'), ('b', 'B')), 'b'),), {'q': 'x'}) }}")
    assert '<form method="get" action="/p"' in picked
    assert '<option value="b" selected>B</option>' in picked
    assert 'name="q" value="x"' in picked


async def test_files_are_kept_by_what_is_in_them() -> None:
    """For a year, packed where the browser takes it; an older address of a file is none."""
    async with running() as stage:
        browser = stage.browser()
        page = (await browser.get("/sign-in")).text
        addresses = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
        assert len(addresses) == 4
        for address in addresses:
            answer = await browser.get(address)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert hashlib.sha256(answer.content).hexdigest()[:16] == address.split("/")[2]
            plain = await browser.get(address, headers={"accept-encoding": "identity"})
            assert plain.content == answer.content
            assert "content-encoding" not in plain.headers
        for path in ("/static/0000000000000000/console.css", "/static/x/../console.css", "/static/console.css"):
            assert (await browser.get(path)).status_code == 404, path


def test_what_comes_from_others_is_what_was_recorded() -> None:
    """Each vendored file is, to the byte, the one of the package that vendored.md names; its licence lies beside it."""
    folder = CONSOLE / "static" / "vendor"
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (\S+) \| (\S+) \| `(\w{64})` \|", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert {row[2] for row in rows} == {file.name for file in folder.iterdir() if file.suffix == ".js"}
    for name, version, file, _licence, digest in rows:
        assert version in file
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
        assert (folder / f"{name.removesuffix('.org')}.LICENSE").read_text().strip()


def test_packed_files_are_the_same() -> None:
    """To the byte."""
    for asset in Assets()._held.values():
        assert gzip.decompress(asset.packed) == asset.body
    assert httpx.URL(Assets().address("console.css")).path.endswith("/console.css")
