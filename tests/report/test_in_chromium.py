"""The page in a real browser: it loads without errors or requests, and what is pressed does what it says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from building import plain_rows, run_local, toy_graph
from drawn_sessions import HEIGHT, WIDTH
from running import FAN, finished, finished_plans, finished_sessions
from test_report import HOSTILE

from datagen.report.page import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium is on the PATH, as any of {', '.join(NAMES)}"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    stages = [{"use": "judge_contrast", "with": {"min_contrast": 0.3}}, *FAN[1:]]
    made = finished(folder, stages, number=60)
    write_report(str(made))
    return made


class Opened:
    """A page, and what it complained of or asked for."""

    def __init__(self, browser: Any, out: Path, *, scheme: str = "light", width: int = 1200) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto((out / "report" / "index.html").as_uri())
        self.page.wait_for_selector("#flow .sankey-node, #flow.empty, .empty")

    def value(self, script: str) -> Any:
        return self.page.evaluate(script)

    def ids(self, gallery: str) -> list[str]:
        script = "places => places.map(place => place.dataset.id)"
        return [str(id) for id in self.page.eval_on_selector_all(f"#{gallery} .card", script)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_without_errors_and_asks_for_nothing(browser: Any, out: Path, scheme: str) -> None:
    opened = Opened(browser, out, scheme=scheme)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [(out / "report" / "index.html").as_uri()]
    assert opened.value("document.documentElement.dataset.theme") == scheme
    ground = "getComputedStyle(document.body).backgroundColor"
    before = opened.value(ground)
    opened.page.click("#theme")
    assert opened.value(ground) != before
    assert opened.value("document.querySelectorAll('#flow .sankey-node').length") > 4
    assert opened.value("document.querySelectorAll('#spreads .spread').length") >= 2
    broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert opened.value(broken) == 0
    assert opened.complaints == []


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out_at_the_side(browser: Any, out: Path, width: int) -> None:
    opened = Opened(browser, out, width=width)
    assert opened.value("document.documentElement.scrollWidth") <= width


def test_filters_show_what_they_say(browser: Any, out: Path) -> None:
    opened = Opened(browser, out)
    data = opened.value("JSON.parse(document.getElementById('data').textContent)")
    reasons = {f"{record['stage']}/{record['reason']}" for record in data["rejected"]}
    assert len(reasons) > 1
    for reason in sorted(reasons):
        opened.page.locator("#rejected select").nth(2).select_option(reason)
        wanted = [r["id"] for r in data["rejected"] if f"{r['stage']}/{r['reason']}" == reason]
        assert opened.ids("rejected") == wanted[:24]
    accepted = opened.page.locator("#accepted")
    accepted.locator("select").nth(2).select_option("sharpness")
    scores = sorted(record["scores"]["sharpness"] for record in data["accepted"])
    accepted.get_by_label("least of the score").fill(str(scores[len(scores) // 2]))
    found = {record["id"] for record in data["accepted"] if record["scores"]["sharpness"] >= scores[len(scores) // 2]}
    assert set(opened.ids("accepted")) <= found
    assert accepted.locator(".count").inner_text().startswith(f"{len(found)} of ")
    accepted.get_by_label("least of the score").fill("")
    accepted.get_by_label("Search").fill(data["accepted"][0]["id"])
    assert data["accepted"][0]["id"] in opened.ids("accepted")
    assert len(opened.ids("accepted")) < len(data["accepted"])
    accepted.locator("select").nth(1).select_option("fan_out")
    assert opened.complaints == []


def test_a_reason_that_is_pressed_in_the_funnel_shows_its_records(browser: Any, out: Path) -> None:
    opened = Opened(browser, out)
    opened.page.locator("#flow .sankey-node", has_text="flat").locator(".node-rect").click(force=True)
    assert opened.page.locator("#rejected select").nth(2).input_value() == "judge_contrast/flat"
    assert opened.complaints == []


def test_moving_a_threshold_tells_what_is_gained_and_lost(browser: Any, out: Path) -> None:
    opened = Opened(browser, out)
    data = opened.value("JSON.parse(document.getElementById('data').textContent)")
    [move] = [move for score in data["scores"] for move in score["moves"]]
    own = move["places"].index(move["value"])
    slider = opened.page.get_by_label("Move min_contrast of judge_contrast")
    result = opened.page.locator(".move output")
    assert f"{move['kept'][own]} records pass this stage" in result.inner_text()
    slider.focus()
    opened.page.keyboard.press("Home")
    assert f"{move['kept'][0] - move['kept'][own]} gained, which later stages have not seen" in result.inner_text()
    opened.page.keyboard.press("End")
    lost = (
        f"{move['kept'][own] - move['kept'][-1]} lost, and {move['samples'][own] - move['samples'][-1]} of the samples"
    )
    assert lost in result.inner_text()
    opened.page.get_by_role("button", name="reset").click()
    assert f"{move['kept'][own]} records pass this stage" in result.inner_text()


def test_a_hostile_dataset_runs_nothing(browser: Any, tmp_path: Path) -> None:
    rows = [{**row, "uri": HOSTILE, "caption": HOSTILE if n % 3 else "dud", "license": HOSTILE}
            for n, row in enumerate(plain_rows(12))]  # fmt: skip
    run_local(toy_graph(tmp_path, FAN, rows=rows, description=HOSTILE), tmp_path / "out")
    write_report(str(tmp_path / "out"))
    opened = Opened(browser, tmp_path / "out")
    assert opened.page.title() == "toy · datagen report"
    assert opened.value("document.querySelectorAll('script').length") == 3
    assert opened.value("document.querySelectorAll('main img[src^=\"x\"], [onerror]').length") == 0
    assert "onerror" in opened.page.locator("#accepted .instruction").first.inner_text()
    assert opened.complaints == []


def test_the_policy_stops_what_would_slip_through(browser: Any, out: Path, tmp_path: Path) -> None:
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    (tmp_path / "report").mkdir()
    slipped = "<img src='https://example.org/x.png'><script>document.title = 'owned'</script></main>"
    (tmp_path / "report" / "index.html").write_text(page.replace("</main>", slipped, 1), encoding="utf-8")
    opened = Opened(browser, tmp_path)
    assert opened.page.title() != "owned"
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)


def test_the_slider_moves_by_keys_and_overlays_can_be_hidden(browser: Any, tmp_path: Path) -> None:
    made = finished(tmp_path, [{"use": "pair_up"}], number=3)
    write_report(str(made))
    opened = Opened(browser, made)
    slider = opened.page.locator("#accepted .view input").first
    slider.focus()
    opened.page.keyboard.press("End")
    at = "document.querySelector('#accepted .view').style.getPropertyValue('--at')"
    assert opened.value(at) == "100%"
    outline = opened.page.locator("#accepted .view path").first
    assert outline.is_visible()
    opened.page.locator("#accepted").get_by_role("button", name="outline").click()
    assert not outline.is_visible()
    box = opened.page.locator("#accepted .view rect").first
    assert box.is_visible()
    opened.page.locator("#accepted").get_by_role("button", name="box").click()
    assert not box.is_visible()
    over = "getComputedStyle(document.querySelector('#accepted .over')).visibility"
    opened.page.locator("#accepted").get_by_role("button", name="flicker").click()
    seen = set()
    for _ in range(20):
        seen.add(opened.value(over))
        opened.page.wait_for_timeout(150)
    assert seen == {"visible", "hidden"}
    assert opened.complaints == []


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with ThreadPoolExecutor(1) as thread:  # Playwright's event loop runs in this one, and the stages need their own
        made = thread.submit(finished_sessions, tmp_path_factory.mktemp("sessions")).result()
    write_report(str(made))
    return made


@pytest.mark.parametrize("width", [360, 700, 1200])
def test_frames_of_a_session_stand_in_rows_and_boxes_lie_on_them(browser: Any, sessions: Path, width: int) -> None:
    opened = Opened(browser, sessions, width=width)
    assert opened.value("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    script = """[...document.querySelectorAll('.film')].map(film => [...film.querySelectorAll('li')].map(li => {
        const at = (each) => { const b = each.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
        return {li: at(li), view: at(li.querySelector('.view')), rects: [...li.querySelectorAll('rect')].map(at)};
    }))"""
    films = opened.value(script)
    assert films
    for film in films:
        for one, two in pairwise(film):
            beside = two["li"][0] >= one["li"][2] and abs(two["li"][1] - one["li"][1]) < 1
            assert beside or two["li"][1] >= one["li"][3]
        for frame in film:
            left, top, right, bottom = frame["view"]
            assert (right - left) / (bottom - top) == pytest.approx(WIDTH / HEIGHT, rel=0.02)
            for x0, y0, x1, y1 in frame["rects"]:
                assert left - 3 <= x0 <= x1 <= right + 3
                assert top - 3 <= y0 <= y1 <= bottom + 3


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(finished_plans, tmp_path_factory.mktemp("plans")).result()
    write_report(str(made))
    return made


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (800, "dark"), (1280, "light")])
def test_frames_of_a_plan_and_words_of_a_graph_lie_where_they_belong(
    browser: Any, plans: Path, width: int, scheme: str
) -> None:
    opened = Opened(browser, plans, width=width, scheme=scheme)
    assert opened.value("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    script = """[...document.querySelectorAll('#accepted .card')].map(card => {
        const at = (each) => { const b = each.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
        const inside = (each) => [...each.querySelectorAll('p, .view')].map(at);
        return {
            frames: [...card.querySelectorAll('.plan li')].map(li => ({li: at(li), inner: inside(li)})),
            faults: [...card.querySelectorAll('.plan rect.fails')].map(rect => [at(rect), at(rect.closest('.view'))]),
            nodes: [...card.querySelectorAll('.scene .node')].map(node =>
                [at(node.querySelector('rect')), ...[...node.querySelectorAll('text')].map(at)]),
            marked: card.querySelectorAll('.scene .node.fails').length,
        };
    })"""
    cards = opened.value(script)
    assert max(len(card["frames"]) for card in cards) == 6
    assert max(len(card["nodes"]) for card in cards) == 8
    for card in cards:
        assert len(card["faults"]) == card["marked"]
        for one, two in pairwise(card["frames"]):
            beside = two["li"][0] >= one["li"][2] and abs(two["li"][1] - one["li"][1]) < 1
            assert beside or two["li"][1] >= one["li"][3]
        outer = [(frame["li"], inner) for frame in card["frames"] for inner in frame["inner"]]
        outer += [(view, rect) for rect, view in card["faults"]] + [
            (box, text) for box, *texts in card["nodes"] for text in texts
        ]
        for (left, top, right, bottom), (x0, y0, x1, y1) in outer:
            assert left - 3 <= x0 <= x1 <= right + 3
            assert top - 3 <= y0 <= y1 <= bottom + 3
    if width == 1280:
        rows = {frame["li"][1] for card in cards if len(card["frames"]) == 6 for frame in card["frames"][1:]}
        assert len(rows) == sum(len(card["frames"]) == 6 for card in cards), "six pictures stand in one row"


def test_words_of_a_critique_are_found(browser: Any, plans: Path) -> None:
    opened = Opened(browser, plans)
    accepted = opened.page.locator("#accepted")
    everything = len(opened.ids("accepted"))
    accepted.get_by_label("Search").fill("the prompt asks for two")
    assert 0 < len(opened.ids("accepted")) < everything
    assert accepted.locator(".verdict.wrong").count() > 0
    rectangle = accepted.locator(".plan rect.fails").first
    assert rectangle.is_visible()
    accepted.get_by_role("button", name="box").click()
    assert not rectangle.is_visible()
    assert opened.complaints == []
