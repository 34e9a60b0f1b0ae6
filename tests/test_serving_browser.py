"""The page of harmonize serve in a real browser: a picture, its legend, the slider, errors."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hand_made import untrained_run
from served import Served, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
webdriver: Any = pytest.importorskip("selenium.webdriver")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="there is no chromium, or no chromedriver, here"
)

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=900,900",
)
DROP = """
const data = new DataTransfer();
const bytes = Uint8Array.from(atob(arguments[0]), (one) => one.charCodeAt(0));
data.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
document.body.dispatchEvent(
  new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[Served]:
    with served(run, most_bytes=5000) as one:
        yield one


@pytest.fixture
def browser(tmp_path: Path, service: Served) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (*OPTIONS, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.get(f"http://127.0.0.1:{service.port}/")
        yield driver
    finally:
        driver.quit()


def until(browser: Any, script: str) -> Any:
    """Wait for what a script returns to be true."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 60).until(lambda one: one.execute_script(f"return {script}"))


def legend(browser: Any) -> list[str]:
    script = (
        "return [...document.querySelectorAll('#legend li span')].map((one) => one.textContent)"
    )
    return browser.execute_script(script)


def shown(browser: Any, asked: str) -> list[str]:
    """Return the legend once a question is answered: names and shares in turn."""
    until(browser, f"document.getElementById('shown').dataset.asked === '{asked}&format=coco'")
    return legend(browser)


def expected(service: Served, query: str, picture: bytes) -> list[str]:
    found = service.ask(f"/predict?{query}&format=coco", picture).json
    names = {one["id"]: one["name"] for one in found["categories"]}
    order = sorted(found["annotations"], key=lambda one: -one["area"])
    shares = [100 * one["area"] / (24 * 20) for one in order]
    texts = [f"{share:.0f} %" if share >= 9.95 else f"{share:.1f} %" for share in shares]
    return [
        text
        for one, share in zip(order, texts, strict=True)
        for text in (names[one["category_id"]], share)
    ]


def test_a_picture_is_answered_at_each_depth_and_in_each_set_s_words(
    browser: Any, service: Served, run: Path
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    path = run.parent / "fine_data" / "10.png"
    picture = path.read_bytes()
    browser.find_element(By.ID, "file").send_keys(str(path))
    fine = shown(browser, "depth=2")
    assert fine == expected(service, "depth=2", picture)
    state = browser.find_element(By.ID, "state").text
    assert state.startswith("10.png: 24 × 20 pixels, ")

    slider = browser.find_element(By.ID, "depth")
    slider.send_keys(Keys.ARROW_LEFT)
    assert shown(browser, "depth=1") == expected(service, "depth=1", picture)
    assert slider.get_attribute("aria-valuetext") == "1"

    words = browser.find_element(By.ID, "words")
    words.send_keys("the data set fine")
    assert shown(browser, "as=fine") == expected(service, "as=fine", picture)
    assert not slider.is_displayed()

    canvas = browser.find_element(By.ID, "picture")
    canvas.send_keys(Keys.ARROW_RIGHT)
    said = browser.find_element(By.ID, "cell").text
    assert said.endswith(" at 13, 10")
    assert said.split(" at ")[0] in legend(browser)
    webdriver.ActionChains(browser).move_to_element_with_offset(canvas, -3, -3).perform()
    assert " at 1" in browser.find_element(By.ID, "cell").text
    assert not [one for one in browser.get_log("browser") if one["level"] == "SEVERE"]


def test_what_is_wrong_is_said_in_words(
    browser: Any, service: Served, run: Path, tmp_path: Path
) -> None:
    import base64

    from selenium.webdriver.common.by import By

    wrong = browser.find_element(By.ID, "wrong")
    file = tmp_path / "notes.txt"
    file.write_text("no picture")
    browser.find_element(By.ID, "file").send_keys(str(file))
    until(browser, "document.getElementById('wrong').textContent")
    assert wrong.text.startswith("the picture: not a readable picture: cannot identify image file")
    assert wrong.text.endswith("(status 400)")
    file = tmp_path / "large.png"
    file.write_bytes(bytes(5001))
    browser.find_element(By.ID, "file").send_keys(str(file))
    until(browser, "document.getElementById('wrong').textContent.includes('5001')")
    assert wrong.text == (
        "large.png has 5001 bytes, and the service takes 5000; choose a smaller picture."
    )
    picture = (run.parent / "fine_data" / "11.png").read_bytes()
    browser.execute_script(DROP, base64.b64encode(picture).decode())
    assert shown(browser, "depth=2") == expected(service, "depth=2", picture)
    assert wrong.text == ""
    assert browser.find_element(By.ID, "state").text.startswith("dropped.png: ")
    for width in (360, 900):
        browser.set_window_size(width, 800)
        script = "document.documentElement.scrollWidth <= innerWidth"
        assert until(browser, script)
